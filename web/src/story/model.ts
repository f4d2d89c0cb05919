import type { Fold, Story, StoryEdge, StoryNode } from '../api/story';

/** A line of the story: a node with its place in the tree, or the number of nodes folded under one. */
export interface StoryRow {
  key: string;
  node: StoryNode | undefined;
  fold: Fold | undefined;
  depth: number;
  parent: string;
  children: number;
  expanded: boolean;
  position: number;
  siblings: number;
  /** Edges into the node that its place in the tree does not say already. */
  joins: StoryEdge[];
}

export function isContext(n: StoryNode): boolean {
  return n.flags.includes('context');
}

/**
 * The rows to draw, top to bottom. The server chose the row above each node; a node whose row is missing, hidden
 * or its own ancestor becomes a first row, so that every node shows exactly once.
 */
export function storyRows(story: Story, collapsed: ReadonlySet<string>, withContext: boolean): StoryRow[] {
  const byRef = new Map(story.nodes.map((n) => [n.ref, n]));
  const shown = story.nodes.filter((n) => withContext || !isContext(n));
  const shownRefs = new Set(shown.map((n) => n.ref));
  const rowParent = new Map<string, string>();
  for (const n of shown) rowParent.set(n.ref, visibleParent(n, byRef, shownRefs));
  const children = new Map<string, StoryNode[]>();
  for (const n of shown) {
    const p = rowParent.get(n.ref) ?? '';
    const list = children.get(p);
    if (list) list.push(n);
    else children.set(p, [n]);
  }
  for (const list of children.values()) list.sort((a, b) => a.start - b.start || (a.ref < b.ref ? -1 : 1));
  const into = new Map<string, StoryEdge[]>();
  for (const e of story.edges) {
    const list = into.get(e.to);
    if (list) list.push(e);
    else into.set(e.to, [e]);
  }
  const folds = new Map<string, Fold[]>();
  for (const f of story.folds) folds.set(f.parent, [...(folds.get(f.parent) ?? []), f]);
  const rows: StoryRow[] = [];
  const add = (list: StoryNode[], depth: number, parent: string) => {
    list.forEach((n, i) => {
      const below = children.get(n.ref) ?? [];
      const folded = folds.get(n.ref) ?? [];
      const expanded = !collapsed.has(n.ref);
      rows.push({
        key: n.ref,
        node: n,
        fold: undefined,
        depth,
        parent,
        children: below.length + folded.length,
        expanded,
        position: i + 1,
        siblings: list.length,
        joins: joins(into.get(n.ref) ?? [], parent, byRef),
      });
      if (!expanded) return;
      add(below, depth + 1, n.ref);
      folded.forEach((fold, at) => {
        rows.push({
          key: `fold ${fold.over ? 'over ' : ''}${n.ref}`,
          node: undefined,
          fold,
          depth: depth + 1,
          parent: n.ref,
          children: 0,
          expanded: false,
          position: below.length + at + 1,
          siblings: below.length + folded.length,
          joins: [],
        });
      });
    });
  };
  add(children.get('') ?? [], 0, '');
  return rows;
}

/** What to say about how a node joined: the telling edges first, and no parent that is mere context. */
function joins(into: StoryEdge[], parent: string, byRef: Map<string, StoryNode>): StoryEdge[] {
  const telling = into.filter((e) => e.kind !== 'spawn');
  const started = into.filter((e) => {
    const from = byRef.get(e.from);
    return e.kind === 'spawn' && e.from !== parent && (!from || !isContext(from));
  });
  return [...telling, ...started];
}

/** The nearest row above that is shown; '' for a first row, also when the chain runs in a circle. */
function visibleParent(n: StoryNode, byRef: Map<string, StoryNode>, shown: Set<string>): string {
  const seen = new Set([n.ref]);
  let found = '';
  for (let p = n.rowParent; p !== ''; p = byRef.get(p)?.rowParent ?? '') {
    if (seen.has(p)) return '';
    seen.add(p);
    if (found === '' && shown.has(p)) found = p;
  }
  return found;
}

/** The context above the first step of the attack, outermost first. */
export function contextAbove(story: Story): StoryNode[] {
  const byRef = new Map(story.nodes.map((n) => [n.ref, n]));
  const first = storyRows(story, new Set(), false)[0]?.node;
  const chain: StoryNode[] = [];
  const seen = new Set<string>();
  for (let at = byRef.get(first?.rowParent ?? ''); at && !seen.has(at.ref); at = byRef.get(at.rowParent)) {
    seen.add(at.ref);
    chain.unshift(at);
  }
  return chain;
}

/** Whether rows must say on which host they are. */
export function onSeveralHosts(story: Story): boolean {
  return new Set(story.nodes.map((n) => n.host).filter((h) => h !== '')).size > 1;
}

/** The program on a command line and the rest of it, when the line begins with that very name: it need not stand twice. */
export function commandAfter(name: string, commandLine: string): string | undefined {
  return commandLine === name ? '' : commandLine.startsWith(`${name} `) ? commandLine.slice(name.length) : undefined;
}

export interface Scale {
  from: number;
  to: number;
}

/**
 * The time of the attack itself, from its first event (µs; 0: not known) on. What was there before, like a service that
 * was attacked, reaches beyond it and is cut at its edge.
 */
export function storyScale(story: Story, first: number): Scale {
  let from = first > 0 ? first : Number.POSITIVE_INFINITY;
  let to = 0;
  for (const n of story.nodes) {
    if (isContext(n) || n.flags.includes('hub') || n.flags.includes('before_start')) continue;
    if (first <= 0 && n.start > 0) from = Math.min(from, n.start);
    to = Math.max(to, n.start, n.end);
  }
  for (const e of story.edges) if (e.time > 0 && e.time >= from) to = Math.max(to, e.time);
  if (!Number.isFinite(from)) return { from: 0, to: 0 };
  const pad = Math.max((to - from) * 0.02, 1000);
  return { from: from - pad, to: to + pad };
}

export interface Bar {
  left: number;
  width: number;
  openStart: boolean;
  openEnd: boolean;
}

/** Where a node's time lies on the scale, in percent; undefined when its time is not known. */
export function bar(n: StoryNode, scale: Scale): Bar | undefined {
  const span = scale.to - scale.from;
  if (n.start <= 0 || span <= 0) return undefined;
  const openStart = n.start < scale.from;
  const running = n.kind === 'process' && n.end === 0;
  const end = n.end > 0 ? n.end : running ? scale.to : n.start;
  const left = clamp(((n.start - scale.from) / span) * 100);
  const right = clamp(((end - scale.from) / span) * 100);
  return { left, width: Math.max(right - left, 0), openStart, openEnd: running || end > scale.to };
}

function clamp(x: number): number {
  return Math.max(0, Math.min(100, x));
}

/** What an analyst looks at first: the earliest step that the worst detection is on. */
export function firstLook(story: Story, severity: (detection: string) => number): StoryNode | undefined {
  let best: StoryNode | undefined;
  let worst = 0;
  for (const n of [...story.nodes].sort((a, b) => a.start - b.start)) {
    const level = Math.max(0, ...n.detections.map(severity));
    if (level > worst) {
      best = n;
      worst = level;
    }
  }
  return best;
}
