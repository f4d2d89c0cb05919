import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import { micros } from '../../api/client';
import type { IncidentRow } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { useHeld } from '../../app/held';
import { pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { stateWord } from '../../story/words';
import { Button } from '../../ui/button';
import { Chip } from '../../ui/panel';
import { Raw } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { Severity } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';
import { Moment } from '../../ui/time';
import { useSetState } from './header';

const idOf = (i: IncidentRow) => i.id;

export function IncidentsPage() {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const search = useSearch({ from: '/t/$tenant/incidents' });
  const navigate = useNavigate({ from: '/t/$tenant/incidents' });
  const [over, setOver] = useState(false);
  const { data, error, isPending, refetch } = useQuery(reads.incidents(search.state ?? ''));
  const hosts = useQuery(reads.hosts());
  const { shown, waiting, release } = useHeld(data?.incidents, idOf, over || search.sel !== undefined);
  const set = useCallback(
    (next: Partial<typeof search>) => void navigate({ search: (s) => ({ ...s, ...next }), replace: true }),
    [navigate],
  );
  const open = (id: string) => void navigate({ to: '/t/$tenant/incidents/$id', params: { tenant, id }, search: {} });
  const chosen = shown.find((i) => i.id === search.sel);
  const change = useSetState(chosen?.id ?? '');
  useKeys({
    showNew: release,
    escape: () => set({ sel: undefined }),
    claim: () => chosen?.state === 'new' && change.mutate({ state: 'triaging', verdict: '', reason: '' }),
  });
  const blind = hosts.data !== undefined && !hosts.data.some((h) => h.state === 'reporting' || h.state === 'degraded');
  return (
    <div
      className="flex h-full flex-col"
      data-pane
      onPointerEnter={() => setOver(true)}
      onPointerLeave={() => setOver(false)}
    >
      <header className="flex min-h-11 items-center gap-2 border-b border-line px-3">
        <h1 className="text-base font-semibold">{t.incidentsTitle}</h1>
        <select
          aria-label={t.stateFilter}
          data-filter
          value={search.state ?? ''}
          onChange={(e) => set({ state: e.target.value === '' ? undefined : e.target.value })}
          className="field w-auto"
        >
          <option value="">{t.anyState}</option>
          <option value="new">{t.stateNew}</option>
          <option value="triaging">{t.stateTriaging}</option>
          <option value="closed">{t.stateClosed}</option>
        </select>
        {data && <span className="tnum text-xs text-muted">{t.queueTotal(shown.length, Number(data.total))}</span>}
        {waiting > 0 && (
          <Button tone="primary" onClick={release} hint={keyText('showNew')}>
            {t.newItems(waiting)}
          </Button>
        )}
      </header>
      {isPending && <Loading rows={10} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && shown.length === 0 && search.state !== undefined && (
        <Empty kind="filter" title={t.emptyFilter}>
          <Button onClick={() => set({ state: undefined })}>{t.clearFilter}</Button>
        </Empty>
      )}
      {data && shown.length === 0 && search.state === undefined && (
        <Empty kind={blind ? 'blind' : 'yet'} title={blind ? t.cannotKnow : t.incidentsNone}>
          {blind ? t.noOpenBlind : t.incidentsNoneText}
        </Empty>
      )}
      {shown.length > 0 && (
        <Rows
          label={t.incidentsTitle}
          items={shown}
          idOf={idOf}
          selected={search.sel}
          onSelect={(id) => (id === search.sel ? open(id) : set({ sel: id }))}
          onOpen={open}
          columns="6.5rem minmax(16rem,2.6fr) 6rem minmax(4rem,0.7fr) minmax(8rem,1.2fr) 5rem 5rem 8rem"
          narrow={{ line: [0, 2, 7], below: 1 }}
          heads={[
            t.severity,
            t.columnTitle,
            t.stateFilter,
            t.columnHost,
            t.incidentEntry,
            t.incidentDetections,
            t.incidentProcesses,
            t.incidentLast,
          ]}
          row={(i) => [
            <Severity key="s" level={i.severity} />,
            <span key="t" className="font-semibold">
              <Raw text={pick(i.title, language)} />
            </span>,
            <Chip key="st" tone={i.state === 'new' ? 'warn' : i.state === 'closed' ? 'ok' : 'plain'}>
              {stateWord(t, i.state)}
            </Chip>,
            <Raw key="h" text={i.hostnames.join(', ')} />,
            <Raw key="e" text={pick(i.entry, language) || t.unknown} />,
            <span key="d" className="tnum">
              {i.detections}
            </span>,
            <span key="p" className="tnum">
              {i.processes}
            </span>,
            <Moment key="l" at={micros(i.last)} />,
          ]}
        />
      )}
    </div>
  );
}
