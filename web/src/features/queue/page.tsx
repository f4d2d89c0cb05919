import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useDeferredValue, useEffect, useState } from 'react';
import { micros } from '../../api/client';
import type { Detection } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { useHeld } from '../../app/held';
import { onlyEnglish, pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { Button } from '../../ui/button';
import { FilterField } from '../../ui/filter';
import { Raw, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { levels, Severity } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';
import { Moment } from '../../ui/time';
import { DetectionPane } from './pane';

const idOf = (d: Detection) => d.id;

/** What rules found, newest first. J and K walk it, Enter opens the incident, nothing moves under the reader. */
export function QueuePage() {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const search = useSearch({ from: '/t/$tenant/detections' });
  const navigate = useNavigate({ from: '/t/$tenant/detections' });
  const [typed, setTyped] = useState(search.q ?? '');
  const q = useDeferredValue(typed);
  const [over, setOver] = useState(false);
  const filtered = q !== '' || search.severity !== undefined;
  const { data, error, isPending, isPlaceholderData, refetch } = useQuery({
    ...reads.detections(search.severity ?? '', q),
    placeholderData: keepPreviousData,
  });
  const hosts = useQuery(reads.hosts());
  const { shown, waiting, release } = useHeld(
    data?.detections,
    idOf,
    (over || search.sel !== undefined) && !isPlaceholderData,
  );
  const set = useCallback(
    (next: Partial<typeof search>) => void navigate({ search: (s) => ({ ...s, ...next }), replace: true }),
    [navigate],
  );
  useEffect(() => {
    if ((search.q ?? '') !== q) set({ q: q === '' ? undefined : q });
    // only what was typed moves the address; the address was read when the page opened
  }, [q, search.q, set]);
  const chosen = shown.find((d) => d.id === search.sel);
  const open = (id: string) => {
    const d = shown.find((x) => x.id === id);
    if (d && d.incidentId !== '')
      void navigate({
        to: '/t/$tenant/incidents/$id',
        params: { tenant, id: d.incidentId },
        search: { sel: d.process || undefined },
      });
  };
  useKeys({
    showNew: waiting > 0 ? release : undefined,
    escape: search.sel ? () => set({ sel: undefined }) : undefined,
  });
  const blind = hosts.data !== undefined && !hosts.data.some((h) => h.state === 'reporting' || h.state === 'degraded');
  return (
    <div className="flex h-full flex-col md:flex-row">
      <div
        className="flex min-h-0 min-w-0 flex-1 flex-col"
        data-pane
        onPointerEnter={() => setOver(true)}
        onPointerLeave={() => setOver(false)}
      >
        <header className="flex min-h-11 flex-wrap items-center gap-2 border-b border-line px-3 py-1">
          <h1 className="text-base font-semibold">{t.queueTitle}</h1>
          <FilterField label={t.queueFilter} value={typed} onChange={setTyped} />
          <select
            aria-label={t.queueSeverity}
            value={search.severity ?? ''}
            onChange={(e) => set({ severity: e.target.value === '' ? undefined : e.target.value })}
            className="field w-auto"
          >
            <option value="">{t.anySeverity}</option>
            {levels.map((l) => (
              <option key={l} value={l}>
                {t[l]}
              </option>
            ))}
          </select>
          {data && <span className="tnum text-xs text-muted">{t.queueTotal(shown.length, Number(data.total))}</span>}
          {isPlaceholderData && <span className="text-xs text-muted">{t.updating}</span>}
          {waiting > 0 && (
            <Button tone="primary" onClick={release} hint={keyText('showNew')}>
              {t.newItems(waiting)}
            </Button>
          )}
        </header>
        {isPending && <Loading rows={12} />}
        {error && !data && <Failure error={error} retry={() => void refetch()} />}
        {data && shown.length === 0 && filtered && (
          <Empty kind="filter" title={t.emptyFilter}>
            <Button
              onClick={() => {
                setTyped('');
                set({ q: undefined, severity: undefined });
              }}
            >
              {t.clearFilter}
            </Button>
          </Empty>
        )}
        {data && shown.length === 0 && !filtered && (
          <Empty kind={blind ? 'blind' : 'yet'} title={blind ? t.cannotKnow : t.queueNone}>
            {blind ? t.noOpenBlind : t.queueNoneText}
          </Empty>
        )}
        {shown.length > 0 && (
          <Rows
            label={t.queueTitle}
            items={shown}
            idOf={idOf}
            selected={search.sel}
            onSelect={(id) => set({ sel: id })}
            onOpen={open}
            columns="7.5rem 9.5rem minmax(12rem,1.3fr) minmax(4rem,6rem) 4.5rem minmax(10rem,1.6fr)"
            narrow={{ line: [0, 3, 1], below: 2 }}
            heads={[t.severity, t.columnTime, t.columnTitle, t.columnHost, t.columnUser, t.columnCommand]}
            row={(d) => [
              <Severity key="s" level={d.severity} />,
              <Moment key="t" at={micros(d.time)} />,
              <span key="n" className="font-semibold">
                <Told text={pick(d.title, language)} english={onlyEnglish(d.title, language)} />
              </span>,
              <Raw key="h" text={d.hostname || d.hostId} />,
              <Raw key="u" text={d.user} />,
              <Raw key="c" text={d.commandLine || d.image} code />,
            ]}
          />
        )}
      </div>
      <aside
        aria-label={t.details}
        data-pane
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        tabIndex={0}
        className={`outline-offset-[-2px] max-h-1/2 shrink-0 overflow-auto border-line bg-surface-1 p-4 max-md:border-t md:max-h-none md:w-80 md:border-l xl:w-96 2xl:w-[26rem] ${chosen ? '' : 'max-md:hidden'}`}
      >
        {chosen ? (
          <DetectionPane detection={chosen} tenant={tenant} />
        ) : (
          <p className="text-muted">{search.sel && data && !isPlaceholderData ? t.noSuchDetection : t.queueSelect}</p>
        )}
      </aside>
    </div>
  );
}
