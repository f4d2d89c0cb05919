import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, micros, reasonOf } from '../../api/client';
import type { IncidentRow } from '../../api/gen/console/v1/console_pb';
import { pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { stateWord } from '../../story/words';
import { Button } from '../../ui/button';
import { Chip } from '../../ui/panel';
import { Raw } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { Sheet } from '../../ui/sheet';
import { Moment } from '../../ui/time';

export function useSetState(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (to: { state: string; verdict: string; reason: string }) => api.setIncidentState({ id, ...to }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['incident', id] });
      void client.invalidateQueries({ queryKey: ['incidents'] });
    },
  });
}

export function IncidentHeader({ row }: { row: IncidentRow | undefined }) {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const [closing, setClosing] = useState(false);
  const set = useSetState(row?.id ?? '');
  const claim = () => row?.state === 'new' && set.mutate({ state: 'triaging', verdict: '', reason: '' });
  useKeys({ claim, verdict: () => row && row.state !== 'closed' && setClosing(true) });
  if (!row) return null;
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-surface-1 px-3 py-1.5">
      <Link to="/t/$tenant/incidents" params={{ tenant }} search={{}} className="text-muted hover:text-text">
        {t.navIncidents} <span aria-hidden="true">›</span>
      </Link>
      <Severity level={row.severity} />
      <h1 className="min-w-0 text-base font-semibold">
        <Raw text={pick(row.title, language)} full />
      </h1>
      <Chip tone={row.state === 'new' ? 'warn' : row.state === 'closed' ? 'ok' : 'plain'}>
        {stateWord(t, row.state)}
      </Chip>
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
            {reasonOf(set.error)}
          </span>
        )}
        {row.state === 'new' && (
          <Button onClick={claim} hint={keyText('claim')}>
            {t.claim}
          </Button>
        )}
        {row.state !== 'closed' && (
          <Button onClick={() => setClosing(true)} hint={keyText('verdict')}>
            {t.closeIncident}
          </Button>
        )}
        {row.state === 'closed' && (
          <Button onClick={() => set.mutate({ state: 'triaging', verdict: '', reason: '' })}>{t.reopen}</Button>
        )}
      </div>
      {closing && (
        <Verdict
          onClose={() => setClosing(false)}
          onVerdict={(verdict, reason) => {
            setClosing(false);
            set.mutate({ state: 'closed', verdict, reason });
          }}
        />
      )}
    </header>
  );
}

function Verdict({
  onClose,
  onVerdict,
}: {
  onClose: () => void;
  onVerdict: (verdict: string, reason: string) => void;
}) {
  const { t } = useSpeech();
  const verdicts: [string, string][] = [
    ['confirmed', t.verdictConfirmed],
    ['authorised_test', t.verdictAuthorised],
    ['benign_tp', t.verdictBenign],
    ['false_positive', t.verdictFalse],
    ['inconclusive', t.verdictInconclusive],
  ];
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const f = new FormData(e.currentTarget);
    onVerdict(String(f.get('verdict')), String(f.get('reason')));
  };
  return (
    <Sheet title={t.closeIncident} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <fieldset>
          <legend className="mb-1 font-semibold">{t.verdict}</legend>
          {verdicts.map(([id, word], i) => (
            <label key={id} className="flex min-h-7 items-center gap-2">
              <input type="radio" name="verdict" value={id} defaultChecked={i === 0} />
              {word}
            </label>
          ))}
        </fieldset>
        <label className="block">
          <span className="mb-1 block font-semibold">{t.verdictReason}</span>
          <textarea name="reason" required rows={3} maxLength={1000} className="field" />
        </label>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="primary">
            {t.closeIncident}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
