import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useDeferredValue, useEffect, useState } from 'react';
import { micros, reasonOf } from '../../api/client';
import type { IncidentRow } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { useHeld } from '../../app/held';
import { pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { stateWord } from '../../story/words';
import { Button } from '../../ui/button';
import { FilterField } from '../../ui/filter';
import { Chip } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { levels, Severity } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';
import { Moment } from '../../ui/time';
import { drafts } from './drafts';
import { useSetState, VerdictSheet, verdictWord } from './verdict';

const idOf = (i: IncidentRow) => i.id;

/** Every incident, worst first, or what the filters ask for. A row is a link to its story. */
export function IncidentsPage() {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const search = useSearch({ from: '/t/$tenant/incidents' });
  const navigate = useNavigate({ from: '/t/$tenant/incidents' });
  const [over, setOver] = useState(false);
  const [closing, setClosing] = useState<IncidentRow | undefined>(undefined); // as it was when its sheet was opened
  const [typed, setTyped] = useState(search.q ?? '');
  const q = useDeferredValue(typed);
  const { data, error, isPending, isPlaceholderData, refetch } = useQuery({
    ...reads.incidents({
      state: search.state ?? '',
      severity: search.severity ?? '',
      search: q,
      order: search.order === 'newest' ? '' : 'severity',
    }),
    placeholderData: keepPreviousData,
  });
  const hosts = useQuery(reads.hosts());
  const { shown, waiting, release } = useHeld(
    data?.incidents,
    idOf,
    (over || search.sel !== undefined) && !isPlaceholderData,
  );
  const set = useCallback(
    (next: Partial<typeof search>) => navigate({ search: (s) => ({ ...s, ...next }), replace: true }),
    [navigate],
  );
  useEffect(() => {
    if ((search.q ?? '') !== q) void set({ q: q === '' ? undefined : q });
    // only what was typed moves the address; the address was read when the page opened
  }, [q, search.q, set]);
  const open = (id: string) => void navigate({ to: '/t/$tenant/incidents/$id', params: { tenant, id }, search: {} });
  const chosen = shown.find((i) => i.id === search.sel);
  const change = useSetState(chosen?.id ?? '');
  useKeys({
    showNew: waiting > 0 ? release : undefined,
    escape: search.sel ? () => void set({ sel: undefined }) : undefined,
    claim: chosen?.state === 'new' ? () => change.mutate({ state: 'triaging', from: 'new' }) : undefined,
    verdict: chosen && chosen.state !== 'closed' ? () => setClosing(chosen) : undefined,
  });
  const blind = hosts.data !== undefined && !hosts.data.some((h) => h.state === 'reporting' || h.state === 'degraded');
  const filtered = q !== '' || search.state !== undefined || search.severity !== undefined;
  return (
    <div
      className="flex h-full flex-col"
      data-pane
      onPointerEnter={() => setOver(true)}
      onPointerLeave={() => setOver(false)}
    >
      <header className="flex min-h-11 flex-wrap items-center gap-2 border-b border-line px-3 py-1">
        <h1 className="text-base font-semibold">{t.incidentsTitle}</h1>
        <FilterField label={t.incidentsFilter} value={typed} onChange={setTyped} />
        <select
          aria-label={t.severity}
          value={search.severity ?? ''}
          onChange={(e) => void set({ severity: e.target.value === '' ? undefined : e.target.value })}
          className="field w-auto"
        >
          <option value="">{t.anySeverity}</option>
          {levels.map((l) => (
            <option key={l} value={l}>
              {t[l]}
            </option>
          ))}
        </select>
        <select
          aria-label={t.stateFilter}
          value={search.state ?? ''}
          onChange={(e) => void set({ state: e.target.value === '' ? undefined : e.target.value })}
          className="field w-auto"
        >
          <option value="">{t.anyState}</option>
          <option value="open">{t.stateOpen}</option>
          <option value="new">{t.stateNew}</option>
          <option value="triaging">{t.stateTriaging}</option>
          <option value="closed">{t.stateClosed}</option>
        </select>
        <select
          aria-label={t.orderLabel}
          value={search.order ?? ''}
          onChange={(e) => void set({ order: e.target.value === '' ? undefined : e.target.value })}
          className="field w-auto"
        >
          <option value="">{t.orderWorst}</option>
          <option value="newest">{t.orderNewest}</option>
        </select>
        {data && <span className="tnum text-xs text-muted">{t.queueTotal(shown.length, Number(data.total))}</span>}
        {isPlaceholderData && <span className="text-xs text-muted">{t.updating}</span>}
        {waiting > 0 && (
          <Button tone="primary" onClick={release} hint={keyText('showNew')}>
            {t.newItems(waiting)}
          </Button>
        )}
        {chosen?.state === 'new' && (
          <Button onClick={() => change.mutate({ state: 'triaging', from: 'new' })} hint={keyText('claim')}>
            {t.claim}
          </Button>
        )}
        {chosen && chosen.state !== 'closed' && (
          <Button onClick={() => setClosing(chosen)} hint={keyText('verdict')}>
            {t.closeIncident}
          </Button>
        )}
        {change.error && (
          <span role="alert" className="text-critical">
            {reasonOf(change.error, language)}
          </span>
        )}
      </header>
      {isPending && <Loading rows={10} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && shown.length === 0 && filtered && (
        <Empty kind="filter" title={t.emptyFilter}>
          <Button
            onClick={() => {
              setTyped('');
              set({ q: undefined, state: undefined, severity: undefined });
            }}
          >
            {t.clearFilter}
          </Button>
        </Empty>
      )}
      {data && shown.length === 0 && !filtered && (
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
          onSelect={(id) => void set({ sel: id })}
          onOpen={open}
          columns="7.5rem minmax(14rem,2.4fr) 8rem minmax(7rem,1.1fr) minmax(7rem,1fr) minmax(4rem,0.6fr) 5rem 5rem 9.5rem"
          narrow={{ line: [0, 2, 8], below: 1 }}
          heads={[
            t.severity,
            t.columnTitle,
            t.stateFilter,
            t.columnHost,
            t.incidentEntry,
            t.incidentOwner,
            t.incidentDetections,
            t.incidentProcesses,
            t.incidentLast,
          ]}
          row={(i) => [
            <Severity key="s" level={i.severity} />,
            <Link
              key="t"
              to="/t/$tenant/incidents/$id"
              params={{ tenant, id: i.id }}
              search={{}}
              tabIndex={-1}
              onClick={(e) => {
                if (e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return; // another tab or window
                e.preventDefault();
                void set({ sel: i.id }).then(() => open(i.id)); // the way back leads to the row
              }}
              className="font-semibold after:absolute after:inset-0"
            >
              <Told text={pick(i.title, language)} />
            </Link>,
            <Chip key="st" tone={i.state === 'new' ? 'warn' : i.state === 'closed' ? 'ok' : 'plain'}>
              {i.verdict === '' ? stateWord(t, i.state) : verdictWord(i.verdict, language)}
            </Chip>,
            <Raw key="h" text={i.hostnames.join(', ')} />,
            <Told key="e" text={pick(i.entry, language) || t.unknown} />,
            <Raw key="o" text={i.owner} />,
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
      {closing && (
        <VerdictSheet
          id={closing.id}
          state={closing.state}
          title={pick(closing.title, language)}
          written={drafts.reasons}
          onClose={() => setClosing(undefined)}
        />
      )}
    </div>
  );
}
