import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { micros, reasonOf } from '../../api/client';
import type { IncidentChange, IncidentRow } from '../../api/gen/console/v1/console_pb';
import { pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { stateWord } from '../../story/words';
import { Button } from '../../ui/button';
import { Chip } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { Moment } from '../../ui/time';
import { drafts } from './drafts';
import { NotesSheet, useSetState, VerdictSheet, verdictWord } from './verdict';

export function IncidentHeader({ row, history }: { row: IncidentRow | undefined; history: IncidentChange[] }) {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const [sheet, setSheet] = useState<'verdict' | 'notes' | undefined>(undefined);
  const set = useSetState(row?.id ?? '');
  const claim = row?.state === 'new' ? () => set.mutate({ state: 'triaging', from: 'new' }) : undefined;
  useKeys({
    claim,
    verdict: row && row.state !== 'closed' ? () => setSheet('verdict') : undefined,
    notes: row ? () => setSheet('notes') : undefined,
  });
  if (!row) return null;
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-surface-1 px-3 py-1.5">
      <Link to="/t/$tenant/incidents" params={{ tenant }} search={{}} className="text-muted hover:text-text">
        {t.navIncidents} <span aria-hidden="true">›</span>
      </Link>
      <Severity level={row.severity} />
      <h1 className="min-w-0 text-base font-semibold">
        <Told text={pick(row.title, language)} full />
      </h1>
      <Chip tone={row.state === 'new' ? 'warn' : row.state === 'closed' ? 'ok' : 'plain'}>
        {stateWord(t, row.state)}
        {row.verdict !== '' && `: ${verdictWord(row.verdict, language)}`}
      </Chip>
      {row.verdict !== '' && (
        <span className="max-w-96 min-w-0 truncate text-xs text-text-2">
          <Raw text={row.reason} />
        </span>
      )}
      <span className="text-xs text-text-2">
        {row.owner === '' ? (
          t.incidentNoOwner
        ) : (
          <>
            {t.incidentOwner}: <Raw text={row.owner} />
          </>
        )}
      </span>
      <span className="text-xs text-text-2">
        <Moment at={micros(row.first)} /> → <Moment at={micros(row.last)} />
      </span>
      <div className="ml-auto flex items-center gap-1.5">
        {set.error && (
          <span role="alert" className="text-critical">
            {reasonOf(set.error, language)}
          </span>
        )}
        {claim && (
          <Button onClick={claim} hint={keyText('claim')}>
            {t.claim}
          </Button>
        )}
        {row.state === 'triaging' && (
          <Button onClick={() => set.mutate({ state: 'new', from: 'triaging' })}>{t.giveBack}</Button>
        )}
        <Button onClick={() => setSheet('notes')} hint={keyText('notes')}>
          {history.length === 0 ? t.notesTitle : t.notesCount(history.length)}
        </Button>
        {row.state === 'closed' ? (
          <Button onClick={() => set.mutate({ state: 'triaging', from: 'closed' })}>{t.reopen}</Button>
        ) : (
          <Button onClick={() => setSheet('verdict')} hint={keyText('verdict')}>
            {t.closeIncident}
          </Button>
        )}
      </div>
      {sheet === 'verdict' && (
        <VerdictSheet
          id={row.id}
          state={row.state}
          title={pick(row.title, language)}
          written={drafts.reasons}
          onClose={() => setSheet(undefined)}
        />
      )}
      {sheet === 'notes' && (
        <NotesSheet id={row.id} history={history} written={drafts.notes} onClose={() => setSheet(undefined)} />
      )}
    </header>
  );
}
