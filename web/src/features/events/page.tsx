import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { api, isSignedOut, micros } from '../../api/client';
import type { EventRow } from '../../api/gen/console/v1/console_pb';
import { pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { Button } from '../../ui/button';
import { FilterField, holds } from '../../ui/filter';
import { Raw, Term, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { Empty, Failure } from '../../ui/states';
import { Moment } from '../../ui/time';
import { EventFields } from '../incident/drawer';

const most = 1000; // rows kept in the page; older ones leave, they are in the store
const kinds = [
  'process.exec',
  'process.exit',
  'net.connect',
  'net.accept',
  'net.listen',
  'dns.query',
  'dns.answer',
  'file.create',
  'file.modify',
  'file.rename',
  'file.delete',
  'file.chmod',
  'file.read_credential',
  'mem.ptrace',
  'mem.memfd_create',
  'sensor.loss',
  'sensor.capability',
  'sensor.canary',
  'sensor.tamper',
];

/** Events as the server judges them, newest first; they stand still while one is selected or pointed at. */
export function EventsPage() {
  const { t, language } = useSpeech();
  const search = useSearch({ from: '/t/$tenant/events' });
  const navigate = useNavigate({ from: '/t/$tenant/events' });
  const [paused, setPaused] = useState(false);
  const [pointed, setPointed] = useState(false); // a row that moves away under the pointer cannot be clicked
  const { rows, error, retry } = useTail(search.kind, search.host, paused || pointed || search.sel !== undefined);
  const [typed, setTyped] = useState('');
  const matching = useMemo(
    () =>
      typed === ''
        ? rows
        : rows.filter((e) => holds(typed, [e.kind, e.hostname, pick(e.line, language), ...Object.values(e.fields)])),
    [rows, typed, language],
  );
  const chosen = rows.find((e) => e.id === search.sel);
  const set = (next: Partial<typeof search>) => void navigate({ search: (s) => ({ ...s, ...next }), replace: true });
  useKeys({ escape: search.sel ? () => set({ sel: undefined }) : undefined });
  return (
    <div className="flex h-full flex-col" data-pane>
      <header className="flex min-h-11 items-center gap-2 border-b border-line px-3">
        <h1 className="text-base font-semibold">{t.tailTitle}</h1>
        <FilterField label={t.tailFilter} value={typed} onChange={setTyped} />
        <select
          aria-label={t.tailKinds}
          value={search.kind ?? ''}
          onChange={(e) => set({ kind: e.target.value === '' ? undefined : e.target.value, sel: undefined })}
          className="field w-auto"
        >
          <option value="">{t.tailAll}</option>
          {kinds.map((k) => (
            <option key={k} value={k} translate="no">
              {k}
            </option>
          ))}
        </select>
        <Button
          pressed={paused || search.sel !== undefined}
          onClick={() => {
            if (search.sel) set({ sel: undefined });
            setPaused(!(paused || search.sel !== undefined));
          }}
        >
          {paused || search.sel ? t.tailResume : t.tailPause}
        </Button>
        <span className="tnum text-xs text-muted">{t.queueTotal(matching.length, rows.length)}</span>
        {pointed && !paused && !search.sel && <span className="text-xs text-muted">{t.tailPointed}</span>}
      </header>
      {error !== undefined && <Failure error={error} retry={retry} />}
      {error === undefined && rows.length === 0 && (
        <p role="status" className="p-4 text-muted">
          {t.tailWaiting}
        </p>
      )}
      {rows.length > 0 && matching.length === 0 && (
        <Empty kind="filter" title={t.emptyFilter}>
          <Button onClick={() => setTyped('')}>{t.clearFilter}</Button>
        </Empty>
      )}
      {matching.length > 0 && (
        <div
          className="flex min-h-0 flex-1 flex-col md:flex-row"
          onPointerEnter={(e) => setPointed(e.pointerType === 'mouse')}
          onPointerLeave={() => setPointed(false)}
        >
          <Rows
            label={t.tailTitle}
            items={matching}
            idOf={(e) => e.id}
            selected={search.sel}
            onSelect={(id) => set({ sel: id })}
            columns="9.5rem minmax(4rem,8rem) 10.5rem minmax(14rem,1fr)"
            narrow={{ line: [0, 2], below: 3 }}
            heads={[t.eventTime, t.eventHost, t.eventKind, t.eventLine]}
            row={(e) => [
              <Moment key="t" at={micros(e.time)} />,
              <Raw key="h" text={e.hostname || e.hostId} />,
              <Term key="k" text={e.kind} code />,
              <Told key="l" text={pick(e.line, language)} />,
            ]}
          />
          {chosen && <EventFields event={chosen} />}
        </div>
      )}
    </div>
  );
}

/** The tail, newest first; frames gather what arrived, so that a thousand events a second cost sixty renders. */
function useTail(kind: string | undefined, host: string | undefined, paused: boolean) {
  const [rows, setRows] = useState<EventRow[]>([]);
  const [frozen, setFrozen] = useState<EventRow[] | undefined>(undefined);
  const [error, setError] = useState<unknown>(undefined);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    void kind;
    void host;
    setRows([]); // of another question
    setError(undefined);
  }, [kind, host]);
  useEffect(() => {
    void attempt;
    const stop = new AbortController();
    let fresh: EventRow[] = [];
    let frame = 0;
    let again: ReturnType<typeof setTimeout> | undefined;
    let known = true; // what is shown is of the tail before this one, until this one has said something
    const flush = () => {
      frame = 0;
      const batch = fresh.reverse();
      fresh = [];
      const old = known;
      known = false;
      setError(undefined);
      setRows((rows) => (old ? batch : [...batch, ...rows]).slice(0, most));
    };
    void (async () => {
      try {
        for await (const e of api.tailEvents(
          { kinds: kind ? [kind] : [], hostId: host ?? '', backlog: 200 },
          { signal: stop.signal, onHeader: () => setError(undefined) },
        )) {
          if (e.id === '') e.id = `skipped ${performance.now()}`;
          fresh.push(e);
          if (fresh.length > most) fresh.shift();
          if (frame === 0) frame = requestAnimationFrame(flush);
        }
      } catch (reason) {
        if (!stop.signal.aborted && !isSignedOut(reason)) setError(reason);
      }
      // Broken or ended by the server: what is not followed any more would look like a quiet fleet.
      if (!stop.signal.aborted) again = setTimeout(() => setAttempt((n) => n + 1), 3000);
    })();
    return () => {
      stop.abort();
      clearTimeout(again);
      cancelAnimationFrame(frame);
    };
  }, [kind, host, attempt]);
  if (paused && frozen === undefined) setFrozen(rows);
  if (!paused && frozen !== undefined) setFrozen(undefined);
  return useMemo(() => ({ rows: frozen ?? rows, error, retry: () => setAttempt((n) => n + 1) }), [frozen, rows, error]);
}
