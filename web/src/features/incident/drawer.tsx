import { useQuery } from '@tanstack/react-query';
import { micros } from '../../api/client';
import type { EventRow } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { pick, useSpeech } from '../../i18n/language';
import { Button } from '../../ui/button';
import { Raw, Term, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { Empty, Failure, Loading } from '../../ui/states';
import { Moment } from '../../ui/time';

/** The events behind a sentence, an edge or a process; the chosen one with every field. */
export function EventsDrawer({
  ids,
  process,
  open,
  onOpen,
  onClose,
}: {
  ids: string[];
  process: string;
  open: string | undefined;
  onOpen: (id: string | undefined) => void;
  onClose: () => void;
}) {
  const { t, language } = useSpeech();
  const byId = useQuery(reads.eventsById(ids));
  const byProcess = useQuery(reads.eventsOf(process));
  const { data, error, isPending, refetch } = process === '' ? byId : byProcess;
  const events = [...(data?.events ?? [])].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  const chosen = events.find((e) => e.id === open);
  return (
    <section
      aria-label={t.eventsTitle}
      data-pane
      data-drawer
      className="flex h-[30vh] min-h-44 shrink-0 flex-col border-t-2 border-accent bg-surface-1"
    >
      <header className="flex min-h-8 items-center gap-3 border-b border-line px-3">
        <h2 className="font-semibold">{process === '' ? t.eventsBehind : t.eventsHere}</h2>
        {data && <span className="tnum text-xs text-muted">{events.length}</span>}
        {(data?.missing.length ?? 0) > 0 && (
          <span className="text-xs text-warn">{t.eventsMissing(data?.missing.length ?? 0)}</span>
        )}
        {data?.truncated && <span className="text-xs text-warn">{t.eventsTruncated}</span>}
        {data?.noteSaid && <span className="text-xs text-warn">{pick(data.noteSaid, language)}</span>}
        <div className="ml-auto">
          <Button tone="ghost" onClick={onClose} label={t.close}>
            ✕
          </Button>
        </div>
      </header>
      {data?.partialSaid && (
        <p role="alert" className="border-b border-warn bg-warn-bg px-3 py-1 text-warn">
          {pick(data.partialSaid, language)}
        </p>
      )}
      {isPending && <Loading rows={4} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && events.length === 0 && (
        <Empty kind={data.missing.length > 0 || data.partial ? 'blind' : 'yet'} title={t.eventsNone}>
          {data.missing.length > 0 ? t.eventsMissing(data.missing.length) : t.eventsNoneText}
        </Empty>
      )}
      {events.length > 0 && (
        <div className="flex min-h-0 flex-1 flex-col md:flex-row">
          <Rows
            label={t.eventsTitle}
            items={events}
            idOf={(e) => e.id}
            selected={open}
            onSelect={onOpen}
            onOpen={undefined}
            columns="9.5rem 10.5rem minmax(12rem,1fr)"
            narrow={{ line: [0, 1], below: 2 }}
            heads={[t.eventTime, t.eventKind, t.eventLine]}
            row={(e) => [
              <Moment key="t" at={micros(e.time)} />,
              <Term key="k" text={e.kind} code />,
              <Told key="l" text={pick(e.line, language)} />,
            ]}
          />
          {chosen && <EventFields event={chosen} />}
        </div>
      )}
    </section>
  );
}

export function EventFields({ event }: { event: EventRow }) {
  const { t, language } = useSpeech();
  const names = Object.keys(event.fields).sort();
  return (
    <section
      aria-label={t.eventFields}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      data-pane
      className="shrink-0 overflow-auto border-line p-3 outline-offset-[-2px] max-md:max-h-48 max-md:border-t md:w-1/2 md:max-w-[44rem] md:border-l"
    >
      <p className="mb-2 font-semibold">
        <Told text={pick(event.line, language)} full />
      </p>
      <table className="w-full border-collapse text-left text-xs">
        <tbody>
          {[['id', event.id] as const, ...names.map((n) => [n, event.fields[n] ?? ''] as const)].map(
            ([name, value]) => (
              <tr key={name} className="border-b border-line align-top last:border-0">
                <th scope="row" translate="no" className="w-44 py-0.5 pr-2 font-mono font-normal text-muted">
                  {name}
                </th>
                <td className="py-0.5">
                  <Raw text={value} code full />
                  {isTime(name) && <span className="ml-2 text-muted">{isoTime(value)}</span>}
                </td>
              </tr>
            ),
          )}
        </tbody>
      </table>
    </section>
  );
}

/** Fields that hold µs UTC: people get ISO 8601 beside the number. */
function isTime(name: string): boolean {
  return name === 'received' || name === 'host_time' || name.endsWith('_modified_time');
}

function isoTime(micros: string): string {
  const at = new Date(Number(micros) / 1000);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}
