import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react';
import type { Detection } from '../../api/gen/console/v1/console_pb';
import type { Story } from '../../api/story';
import { useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { contextAbove, isContext, onSeveralHosts, type StoryRow, storyRows, storyScale } from '../../story/model';
import { Button } from '../../ui/button';
import { Raw } from '../../ui/raw';
import { show } from '../../ui/show';
import { clockText, useZone } from '../../ui/time';
import { nodeName, offsetText, Row } from './story-row';

const rowHeight = 28;
const foundHeight = 44; // a second line says what was found there

/** The story as rows: an ARIA treegrid with a time lane in every row. The URL holds what is selected. */
export function StoryGrid({
  story,
  begin,
  detections,
  selected,
  onSelect,
  onEvents,
  lit,
  cited,
  waiting,
  onRelease,
  attackOnly,
  onAttackOnly,
}: {
  story: Story;
  /** µs, the first event of the attack: what rows count from; 0: not known */
  begin: number;
  detections: Detection[];
  selected: string | undefined;
  onSelect: (ref: string | undefined) => void;
  onEvents: () => void;
  lit: ReadonlySet<string>;
  cited: string[];
  waiting: number;
  onRelease: () => void;
  attackOnly: boolean;
  onAttackOnly: (only: boolean) => void;
}) {
  const { t, language } = useSpeech();
  const { zone } = useZone();
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => storyRows(story, collapsed, !attackOnly), [story, collapsed, attackOnly]);
  const scale = useMemo(() => storyScale(story, begin), [story, begin]);
  const several = useMemo(() => onSeveralHosts(story), [story]);
  const byDetection = useMemo(() => new Map(detections.map((d) => [d.id, d])), [detections]);
  const labels = useMemo(() => new Map(story.nodes.map((n) => [n.ref, n])), [story]);
  const citedSet = useMemo(() => new Set(cited), [cited]);
  const box = useRef<HTMLDivElement>(null);
  const base = useId();
  const at = rows.findIndex((r) => r.key === selected);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: (i) => heightOf(rows[i], byDetection),
    overscan: 14,
  });
  useEffect(() => {
    void rows;
    void byDetection;
    virtual.measure();
  }, [rows, byDetection, virtual]);
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' });
  }, [at, virtual]);

  const take = (index: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (row) onSelect(row.key);
  };
  const fold = (ref: string, shut: boolean) =>
    setCollapsed((c) => {
      const next = new Set(c);
      if (shut) next.add(ref);
      else next.delete(ref);
      return next;
    });
  const current = rows[at];
  const nextDetection = () => {
    for (let i = 1; i <= rows.length; i++) {
      const index = (at + i) % rows.length;
      if ((rows[index]?.node?.detections.length ?? 0) > 0) {
        take(index);
        return;
      }
    }
  };
  const walk = (index: number) => {
    take(index);
    box.current?.focus({ preventScroll: true });
  };
  const node = current?.node;
  const copied = current?.fold ? `yagura tree ${current.fold.parent}` : node?.commandLine || node?.label;
  const works = () => undefined; // the grid itself handles the arrows
  useKeys({
    down: () => walk(at + 1),
    up: () => walk(at < 0 ? 0 : at - 1),
    expand: works,
    collapse: works,
    nextDetection,
    context: story.nodes.some(isContext) ? () => onAttackOnly(!attackOnly) : undefined,
    showNew: waiting > 0 ? onRelease : undefined,
    showEvents: node?.kind === 'process' ? onEvents : undefined,
    copy: copied ? () => void navigator.clipboard.writeText(copied) : undefined,
  });
  useEffect(() => {
    const focused = document.activeElement;
    if (focused === null || focused === document.body || focused.id === 'main')
      box.current?.focus({ preventScroll: true });
  }, []);
  const onKeyDown = (e: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: rows.length - 1,
      PageDown: at + 15,
      PageUp: at - 15,
    };
    const to = steps[e.key];
    if (to !== undefined) {
      e.preventDefault();
      take(to);
    } else if (e.key === 'ArrowRight' && current) {
      e.preventDefault();
      if (current.children > 0 && !current.expanded) fold(current.key, false);
      else if (current.children > 0) take(at + 1);
    } else if (e.key === 'ArrowLeft' && current) {
      e.preventDefault();
      if (current.children > 0 && current.expanded) fold(current.key, true);
      else if (current.parent !== '') onSelect(current.parent);
    } else if (e.key === 'Enter' && current?.node?.kind === 'process') {
      e.preventDefault();
      onEvents();
    }
  };

  return (
    <section aria-label={t.storyTitle} className="flex min-h-0 flex-1 flex-col">
      <div className="flex min-h-8 flex-wrap items-center gap-x-3 border-b border-line bg-surface-1 px-3 md:flex-nowrap">
        <h2 className="font-semibold whitespace-nowrap">{t.storyTitle}</h2>
        <span className="text-xs whitespace-nowrap text-muted" data-story-rows={rows.length}>
          {t.storyRows(rows.length)}
        </span>
        {story.truncated && (
          <span className="truncate text-xs text-warn" title={t.storyTruncated(story.leftOut, story.leftOutThings)}>
            {t.storyTruncated(story.leftOut, story.leftOutThings)}
          </span>
        )}
        {attackOnly && <Above story={story} onSelect={onSelect} />}
        {story.horizon > 0 && (
          <span
            className="truncate text-xs text-muted max-xl:hidden"
            title={t.horizonText(clockText(story.horizon, language, zone))}
          >
            {t.horizonText(clockText(story.horizon, language, zone))}
          </span>
        )}
        <div className="ml-auto flex items-center gap-1">
          {waiting > 0 && (
            <Button tone="primary" onClick={onRelease} hint={keyText('showNew')}>
              {t.newItems(waiting)}
            </Button>
          )}
          {story.nodes.some(isContext) && (
            <Button
              tone="ghost"
              pressed={attackOnly}
              onClick={() => onAttackOnly(!attackOnly)}
              hint={keyText('context')}
            >
              {attackOnly ? t.showContext : t.hideContext}
            </Button>
          )}
        </div>
      </div>
      <div
        ref={box}
        role="treegrid"
        aria-label={t.storyTitle}
        aria-rowcount={rows.length + 1}
        tabIndex={0}
        aria-activedescendant={at >= 0 ? `${base}-${at}` : undefined}
        onKeyDown={onKeyDown}
        className="min-h-0 flex-1 overflow-auto bg-surface-1 outline-offset-[-2px] max-md:h-[70vh] max-md:flex-none"
      >
        <div
          role="row"
          tabIndex={-1}
          aria-rowindex={1}
          className="story-cols sticky top-0 z-10 grid items-center gap-x-2 border-b border-line bg-surface-2 px-3 text-2xs text-muted"
        >
          <div role="columnheader" tabIndex={-1} className="py-1">
            {t.rowProcess}
          </div>
          <div
            role="columnheader"
            tabIndex={-1}
            className="truncate text-right"
            title={begin > 0 ? t.rowAfterFrom(clockText(begin, language, zone)) : undefined}
          >
            {t.rowAfter}
          </div>
          <div role="columnheader" tabIndex={-1} className="text-right max-md:hidden">
            {t.rowPid}
          </div>
          <div role="columnheader" tabIndex={-1} className="max-2xl:hidden">
            {t.rowUser}
          </div>
          <div role="columnheader" tabIndex={-1} className="truncate max-md:hidden">
            {t.rowEdges}
          </div>
          <div
            role="columnheader"
            tabIndex={-1}
            className="tnum flex justify-between gap-2 overflow-hidden whitespace-nowrap max-md:hidden"
            aria-label={t.rowTime}
          >
            <span>{begin > 0 ? clockText(begin, language, zone) : t.rowTime}</span>
            <span>{begin > 0 && scale.to > begin ? offsetText(scale.to - begin) : ''}</span>
          </div>
        </div>
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((v) => {
            const row = rows[v.index];
            if (!row) return null;
            return (
              <Row
                key={row.key}
                id={`${base}-${v.index}`}
                index={v.index}
                top={v.start}
                height={v.size}
                row={row}
                scale={scale}
                begin={begin}
                several={several}
                nodes={labels}
                detections={byDetection}
                chosen={row.key === selected}
                lit={row.node?.eventIds.some((e) => lit.has(e) || citedSet.has(e)) ?? false}
                onSelect={onSelect}
                onFold={fold}
              />
            );
          })}
        </div>
      </div>
    </section>
  );
}

function heightOf(row: StoryRow | undefined, detections: ReadonlyMap<string, Detection>): number {
  return row?.node?.detections.some((d) => detections.has(d)) ? foundHeight : rowHeight;
}

/** The ancestors of the attack as one line, the nearest last: they are for orientation and would push the story down as rows. */
function Above({ story, onSelect }: { story: Story; onSelect: (ref: string) => void }) {
  const { t } = useSpeech();
  const chain = contextAbove(story);
  if (chain.length === 0) return null;
  // shells in shells in shells read as one
  const groups: { node: (typeof chain)[number]; times: number }[] = [];
  for (const n of chain) {
    const last = groups.at(-1);
    if (last && nodeName(last.node) === nodeName(n)) {
      last.node = n;
      last.times++;
    } else groups.push({ node: n, times: 1 });
  }
  const near = groups.slice(-3);
  const far = groups.slice(0, -3);
  return (
    <nav aria-label={t.contextHint} className="flex min-w-0 items-center gap-1 overflow-hidden text-xs text-muted">
      {far.length > 0 && (
        <span
          translate="no"
          className="shrink-0 whitespace-nowrap"
          title={far.map((g) => show(nodeName(g.node))).join(' › ')}
        >
          … ›
        </span>
      )}
      {near.map(({ node, times }, i) => (
        <span key={node.ref} className="flex shrink-0 items-center gap-1">
          {i > 0 && <span aria-hidden="true">›</span>}
          <button
            type="button"
            translate="no"
            title={show(node.commandLine)}
            onClick={() => onSelect(node.ref)}
            className="min-h-6 max-w-40 truncate text-text-2 hover:text-text hover:underline"
          >
            <Raw text={nodeName(node)} full />
            {times > 1 && ` ×${times}`}
          </button>
        </span>
      ))}
    </nav>
  );
}
