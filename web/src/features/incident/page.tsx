import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { isNotFound, micros } from '../../api/client';
import { reads } from '../../api/reads';
import type { Story } from '../../api/story';
import { useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { firstLook } from '../../story/model';
import { rank } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';
import { Answers } from './answers';
import { Details } from './details';
import { EventsDrawer } from './drawer';
import { EntryLine } from './entry';
import { IncidentHeader } from './header';
import { StoryGrid } from './story-grid';

/** What a citation in the address points to: answer.sentence, edge:ID, step:N of the entry route, hop:N from host to host, or the selected process. */
function citedIds(story: Story, cite: string | undefined): string[] {
  if (!cite) return [];
  const [kind, rest] = cite.split(':', 2);
  if (kind === 'edge') return story.edges.find((e) => e.id === rest)?.eventIds ?? [];
  if (kind === 'step') return story.entry.chain[Number(rest)]?.eventIds ?? [];
  if (kind === 'hop') return story.entry.steps[Number(rest)]?.eventIds ?? [];
  if (kind === 'other') return story.entry.alternatives[Number(rest)]?.eventIds ?? [];
  if (kind === 'related')
    return story.related
      .filter((r) => r.reason.en === story.related[Number(rest)]?.reason.en)
      .flatMap((r) => r.eventIds);
  const [answer, index] = cite.split('.', 2);
  return story.answers.find((a) => a.answer === answer)?.sentences[Number(index)]?.eventIds ?? [];
}

export function IncidentPage() {
  const { t } = useSpeech();
  const { tenant, id } = useParams({ from: '/t/$tenant/incidents/$id' });
  const { data, error, isPending, refetch } = useQuery(reads.incident(id));
  if (isPending) return <Loading rows={14} />;
  if (!data) {
    return isNotFound(error) ? (
      <Empty kind="blind" title={t.noSuchIncident} page>
        <p>{t.notFoundText}</p>
        <Link to="/t/$tenant/incidents" params={{ tenant }} search={{}} className="text-accent underline">
          {t.navIncidents}
        </Link>
      </Empty>
    ) : (
      <Failure error={error} retry={() => void refetch()} />
    );
  }
  return <Workbench key={id} data={data} />;
}

type Data = NonNullable<ReturnType<typeof useIncident>['data']>;
function useIncident(id: string) {
  return useQuery(reads.incident(id));
}

function Workbench({ data }: { data: Data }) {
  const { t } = useSpeech();
  const search = useSearch({ from: '/t/$tenant/incidents/$id' });
  const navigate = useNavigate({ from: '/t/$tenant/incidents/$id' });
  const [lit, setLit] = useState<ReadonlySet<string>>(new Set());
  const [over, setOver] = useState(false);

  // While somebody reads a row, the story stays as it is; what came since waits behind a button.
  const [held, setHeld] = useState(data.story);
  const hold = over || search.sel !== undefined;
  const fresh = data.story.nodes.length - held.nodes.length;
  const story = hold && fresh > 0 ? held : data.story;
  if (!(hold && fresh > 0) && held !== data.story) setHeld(data.story);

  const set = useCallback(
    (next: Partial<typeof search>) => void navigate({ search: (s) => ({ ...s, ...next }), replace: true }),
    [navigate],
  );
  const cite = useCallback((c: string | undefined) => set({ cite: c, ev: undefined }), [set]);
  const ids = useMemo(() => citedIds(story, search.cite), [story, search.cite]);
  const detections = data.detections;
  // Without a choice in the address the pane shows what one would look at first.
  const selected = useMemo(() => {
    const level = new Map(detections.map((d) => [d.id, rank(d.severity)]));
    return story.nodes.find((n) => n.ref === search.sel) ?? firstLook(story, (d) => level.get(d) ?? 0);
  }, [story, detections, search.sel]);
  const process = search.cite === 'process' && selected?.kind === 'process' ? selected.ref : '';

  useKeys({
    escape:
      search.ev || search.cite || search.sel
        ? () => {
            if (search.ev) set({ ev: undefined });
            else if (search.cite) cite(undefined);
            else set({ sel: undefined });
          }
        : undefined,
  });

  return (
    <div className="flex h-full flex-col max-md:block max-md:overflow-auto">
      <IncidentHeader row={data.row} history={data.history} />
      <Answers story={story} cite={search.cite} onCite={cite} onLight={setLit} />
      <EntryLine story={story} cite={search.cite} onCite={cite} onSelect={(ref) => set({ sel: ref })} />
      <div className="flex min-h-0 flex-1 max-md:flex-col">
        <div className="flex min-w-0 flex-1 flex-col">
          {story.nodes.length === 0 ? (
            <Empty kind="blind" title={t.storyEmpty}>
              {t.storyEmptyText}
            </Empty>
          ) : (
            <div
              className="flex min-h-0 flex-1 flex-col"
              data-pane
              onPointerEnter={() => setOver(true)}
              onPointerLeave={() => setOver(false)}
            >
              <StoryGrid
                story={story}
                begin={data.row ? micros(data.row.first) : 0}
                detections={detections}
                selected={search.sel ?? selected?.ref}
                onSelect={(ref) => set({ sel: ref })}
                onEvents={() => cite('process')}
                lit={lit}
                cited={ids}
                waiting={hold ? Math.max(0, fresh) : 0}
                onRelease={() => setHeld(data.story)}
                attackOnly={search.view !== 'context'}
                onAttackOnly={(only) => set({ view: only ? undefined : 'context' })}
              />
            </div>
          )}
          {(ids.length > 0 || process !== '') && (
            <EventsDrawer
              ids={process === '' ? ids : []}
              process={process}
              open={search.ev}
              onOpen={(ev) => set({ ev })}
              onClose={() => cite(undefined)}
            />
          )}
        </div>
        <aside
          aria-label={t.details}
          data-pane
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
          tabIndex={0}
          className="outline-offset-[-2px] shrink-0 overflow-auto border-line bg-surface-1 max-md:border-t md:w-72 md:border-l xl:w-80 2xl:w-[22rem]"
        >
          <Details
            story={story}
            node={selected}
            detections={detections}
            onSelect={(ref) => set({ sel: ref })}
            cite={search.cite}
            onCite={cite}
            incident={data.row?.id ?? ''}
          />
        </aside>
      </div>
    </div>
  );
}
