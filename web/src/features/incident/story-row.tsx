import type { Detection } from '../../api/gen/console/v1/console_pb';
import type { StoryEdge, StoryNode } from '../../api/story';
import { pick, useSpeech } from '../../i18n/language';
import { bar, commandAfter, isContext, type Scale, type StoryRow } from '../../story/model';
import { confidenceWord, edgeWord, flagWord, kindWord } from '../../story/words';
import { Chip } from '../../ui/panel';
import { Raw } from '../../ui/raw';
import { ink, type Level, rank, SeverityMark, worst } from '../../ui/severity';
import { baseName, show } from '../../ui/show';
import { clockText, useZone } from '../../ui/time';

const kindMark: Record<string, string> = { file: '▤', url: '↗', address: '⇄', session: '⚿', scheduled: '◷', host: '▣' };
const fill: Record<Level, string> = {
  critical: 'bg-critical',
  high: 'bg-high',
  medium: 'bg-medium',
  low: 'bg-low',
  informational: 'bg-info',
};

export function nodeName(n: StoryNode): string {
  return n.label || baseName(n.image);
}

export function Row({
  id,
  index,
  top,
  height,
  row,
  scale,
  begin,
  several,
  nodes,
  detections,
  chosen,
  lit,
  onSelect,
  onFold,
}: {
  id: string;
  index: number;
  top: number;
  height: number;
  row: StoryRow;
  scale: Scale;
  begin: number;
  several: boolean;
  nodes: ReadonlyMap<string, StoryNode>;
  detections: ReadonlyMap<string, Detection>;
  chosen: boolean;
  lit: boolean;
  onSelect: (key: string) => void;
  onFold: (key: string, shut: boolean) => void;
}) {
  const { t, language } = useSpeech();
  const { zone } = useZone();
  const { node, fold } = row;
  const level = node ? worst(node.detections.map((d) => detections.get(d)?.severity ?? 'informational')) : undefined;
  const quiet = !node || isContext(node);
  const found = titles(node, detections, language);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the treegrid itself handles the keys
    <div
      id={id}
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-level={row.depth + 1}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={row.children > 0 ? row.expanded : undefined}
      aria-selected={chosen}
      data-ref={row.key}
      data-kind={node?.kind}
      onClick={() => onSelect(row.key)}
      className={`story-cols absolute inset-x-0 grid cursor-default items-center gap-x-2 border-b border-line px-3 ${
        chosen ? 'bg-selected' : lit ? 'bg-surface-3' : 'hover:bg-hover'
      } ${lit ? 'shadow-[inset_3px_0_var(--accent)]' : ''}`}
      style={{ height, transform: `translateY(${top}px)` }}
    >
      <div
        role="gridcell"
        tabIndex={-1}
        aria-colspan={node ? undefined : 6}
        className={`flex min-w-0 items-center gap-1 ${node ? '' : 'col-span-full'}`}
        style={{ paddingLeft: Math.min(row.depth, 24) * 14 }}
      >
        {row.children > 0 ? (
          <button
            type="button"
            tabIndex={-1}
            aria-label={row.expanded ? t.collapse : t.expand}
            onClick={(e) => {
              e.stopPropagation();
              onFold(row.key, row.expanded);
            }}
            className="-my-1 size-6 shrink-0 text-2xs text-text-2 hover:text-text"
          >
            {row.expanded ? '▼' : '▶'}
          </button>
        ) : (
          <span className="w-6 shrink-0" />
        )}
        {level ? (
          <SeverityMark level={level} />
        ) : (
          <span aria-hidden="true" className="w-3 shrink-0 text-center text-muted">
            {node ? (kindMark[node.kind] ?? '·') : ''}
          </span>
        )}
        {node ? (
          <span className="flex min-w-0 flex-col">
            <Name node={node} quiet={quiet} host={several ? node.hostName : ''} />
            {level && found.length > 0 && (
              <span className={`truncate text-2xs leading-4 font-semibold ${ink[level]}`} title={found.join('\n')}>
                {found[0]}
                {found.length > 1 && ` ${t.andMore(found.length - 1)}`}
              </span>
            )}
          </span>
        ) : (
          fold && (
            <span className="truncate text-xs text-muted" title={t.foldedSee(`yagura tree ${fold.parent}`)}>
              {`${fold.over ? t.foldedOver(fold.count) : t.folded(fold.count)} · ${pick(fold.reason, language)} · ${t.foldedSee(`yagura tree ${fold.parent}`)}`}
            </span>
          )
        )}
      </div>
      {node && (
        <>
          <div role="gridcell" tabIndex={-1} className="tnum truncate text-right text-xs text-text-2">
            {begin > 0 && node.start > 0 && !quiet && (
              <time dateTime={new Date(node.start / 1000).toISOString()} title={clockText(node.start, language, zone)}>
                {node.start < begin ? t.before : offsetText(node.start - begin)}
              </time>
            )}
          </div>
          <div role="gridcell" tabIndex={-1} className="tnum truncate text-right text-xs text-text-2 max-md:hidden">
            {node.kind === 'process' ? node.pid : ''}
          </div>
          <div role="gridcell" tabIndex={-1} className="truncate text-xs text-text-2 max-2xl:hidden">
            <Raw text={node.user} />
          </div>
          <div role="gridcell" tabIndex={-1} className="flex min-w-0 gap-1 overflow-hidden max-md:hidden">
            {row.joins.slice(0, 2).map((e) => (
              <EdgeChip key={e.id} edge={e} from={e.from === row.parent ? undefined : nodes.get(e.from)} />
            ))}
            {row.joins.length > 2 && <Chip>+{row.joins.length - 2}</Chip>}
            {node.flags.map((f) => {
              const word = flagWord(t, f);
              return word && f !== 'context' ? (
                <Chip
                  key={f}
                  tone={f === 'entry' || f === 'memory_file' || f === 'prevented' ? 'warn' : 'plain'}
                  title={word}
                >
                  <span className="truncate">{word}</span>
                </Chip>
              ) : null;
            })}
          </div>
          <div role="gridcell" tabIndex={-1} className="relative h-full max-md:hidden">
            <Lane
              node={node}
              scale={scale}
              tone={level ? fill[level] : quiet ? 'bg-line-strong' : 'bg-accent'}
              running={t.stillRunning}
            />
          </div>
        </>
      )}
    </div>
  );
}

/** What rules found on a node, the worst first. */
function titles(
  node: StoryNode | undefined,
  detections: ReadonlyMap<string, Detection>,
  language: 'en' | 'ja',
): string[] {
  const here = (node?.detections ?? []).flatMap((id) => detections.get(id) ?? []);
  here.sort((a, b) => rank(b.severity) - rank(a.severity));
  return [...new Set(here.map((d) => show(pick(d.title, language))))];
}

/** Time since the first step: as precise as it is short. */
export function offsetText(us: number): string {
  const s = us / 1e6;
  if (s < 10) return `+${s.toFixed(3)}`;
  if (s < 100) return `+${s.toFixed(1)}`;
  const whole = Math.round(s);
  const two = (n: number) => String(n).padStart(2, '0');
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole < 3600 ? `+${rest}` : `+${Math.floor(whole / 3600)}:${rest}`;
}

function Name({ node, quiet, host }: { node: StoryNode; quiet: boolean; host: string }) {
  const { t } = useSpeech();
  const rest = commandAfter(nodeName(node), node.commandLine);
  return (
    <span className={`min-w-0 truncate ${quiet ? 'text-text-2' : ''}`}>
      {host !== '' && (
        <span data-host={host} className="mr-1 rounded-sm border border-line bg-surface-2 px-1 text-2xs text-text-2">
          <Raw text={host} />
        </span>
      )}
      {node.kind !== 'process' && <span className="mr-1 text-2xs text-muted">{kindWord(t, node.kind)}</span>}
      <span className={quiet ? '' : 'font-semibold'}>
        <Raw text={nodeName(node)} />
      </span>{' '}
      {node.commandLine !== '' && rest !== '' && (
        <span className="text-text-2">
          <Raw text={(rest ?? node.commandLine).trimStart()} code />
        </span>
      )}
    </span>
  );
}

/** Why the row stands where it stands, beyond parent and child. Dashed: inferred. */
export function EdgeChip({ edge, from }: { edge: StoryEdge; from?: StoryNode }) {
  const { t, language } = useSpeech();
  return (
    <Chip
      whole={!from}
      tone={edge.inferred ? 'inferred' : 'plain'}
      title={`${pick(edge.reason, language)} (${edge.inferred ? `${t.inferred}, ` : ''}${confidenceWord(t, edge.confidence)})`}
    >
      <span data-edge={edge.kind} data-inferred={edge.inferred} className={from ? 'shrink-0' : ''}>
        {edgeWord(t, edge.kind)}
      </span>
      {from && (
        <span className="max-w-24 min-w-0 flex-1 truncate">
          <Raw text={nodeName(from)} />
        </span>
      )}
    </Chip>
  );
}

function Lane({ node, scale, tone, running }: { node: StoryNode; scale: Scale; tone: string; running: string }) {
  const b = bar(node, scale);
  if (!b) return null;
  return (
    <span
      title={b.openEnd ? running : undefined}
      className={`absolute top-1/2 h-1.5 -translate-y-1/2 ${tone} ${b.openStart ? '' : 'rounded-l-sm'} ${b.openEnd ? 'opacity-60' : 'rounded-r-sm'}`}
      style={{ left: `min(${b.left}%, calc(100% - 4px))`, width: `max(4px, ${b.width}%)` }}
    />
  );
}
