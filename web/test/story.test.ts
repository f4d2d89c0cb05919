import { describe, expect, test } from 'vitest';
import { readStory, type Story, type StoryNode } from '../src/api/story';
import { bar, contextAbove, onSeveralHosts, storyRows, storyScale } from '../src/story/model';

const node = (ref: string, rowParent: string, start: number, more: Partial<StoryNode> = {}): StoryNode => ({
  ref,
  kind: 'process',
  label: ref,
  labels: { en: '', ja: '' },
  host: 'h',
  hostName: 'h',
  rowParent,
  start,
  end: 0,
  flags: [],
  prevented: false,
  score: 0,
  detections: [],
  commandLine: '',
  image: '',
  user: '',
  pid: 1,
  cwd: '',
  sha256: '',
  earlier: [],
  later: [],
  eventIds: [],
  ...more,
});
const story = (nodes: StoryNode[], more: Partial<Story> = {}): Story => ({
  ...readStory(new Uint8Array()),
  nodes,
  ...more,
});
const refs = (rows: { key: string }[]) => rows.map((r) => r.key);

describe('story rows', () => {
  test('children stand under their row, oldest first, each node once', () => {
    const rows = storyRows(
      story([node('c', 'a', 30), node('a', '', 10), node('b', 'a', 20), node('d', 'b', 25)]),
      new Set(),
      true,
    );
    expect(refs(rows)).toEqual(['a', 'b', 'd', 'c']);
    expect(rows.map((r) => r.depth)).toEqual([0, 1, 2, 1]);
    expect(rows[1]).toMatchObject({ position: 1, siblings: 2, children: 1 });
  });

  test('a row whose parent is missing or runs in a circle is still drawn', () => {
    const rows = storyRows(story([node('a', 'gone', 1), node('x', 'y', 2), node('y', 'x', 3)]), new Set(), true);
    expect(refs(rows).sort()).toEqual(['a', 'x', 'y']);
  });

  test('without context its children move up to the next row above', () => {
    const rows = storyRows(
      story([node('init', '', 1, { flags: ['context'] }), node('a', 'init', 2), node('b', 'a', 3)]),
      new Set(),
      false,
    );
    expect(refs(rows)).toEqual(['a', 'b']);
    expect(rows[0]?.depth).toBe(0);
  });

  test('a collapsed row hides what is below it and its fold', () => {
    const s = story([node('a', '', 1), node('b', 'a', 2)], {
      folds: [{ parent: 'a', count: 303, over: false, reason: { en: 'x', ja: 'x' } }],
    });
    expect(refs(storyRows(s, new Set(), true))).toEqual(['a', 'b', 'fold a']);
    expect(refs(storyRows(s, new Set(['a']), true))).toEqual(['a']);
  });

  test('an edge that the tree does not say stands on its row', () => {
    const edge = (id: string, kind: string, from: string) => ({
      id,
      kind,
      from,
      to: 'b',
      eventIds: [],
      inferred: false,
      confidence: 'high',
      reason: { en: '', ja: '' },
      time: 0,
    });
    const s = story([node('a', '', 1), node('b', 'a', 2)], {
      edges: [edge('1', 'spawn', 'a'), edge('2', 'wrote_executed', 'a'), edge('3', 'spawn', 'z')],
    });
    expect(storyRows(s, new Set(), true)[1]?.joins.map((e) => e.id)).toEqual(['2', '3']);
  });
});

test('what stands above the attack is told in one line, outermost first', () => {
  const s = story([
    node('init', '', 1, { flags: ['context'] }),
    node('sshd', 'init', 2, { flags: ['context'] }),
    node('a', 'sshd', 3),
  ]);
  expect(contextAbove(s).map((n) => n.ref)).toEqual(['init', 'sshd']);
});

test('a row has a fold for what is no part of the story and one for what is, and counts both among its children', () => {
  const reason = { en: 'x', ja: 'x' };
  const s = story([node('a', '', 1)], {
    folds: [
      { parent: 'a', count: 1700, over: false, reason },
      { parent: 'a', count: 12, over: true, reason },
    ],
  });
  const rows = storyRows(s, new Set(), true);
  expect(refs(rows)).toEqual(['a', 'fold a', 'fold over a']);
  expect(rows[0]?.children).toBe(2);
  expect(rows.map((r) => r.fold?.count)).toEqual([undefined, 1700, 12]);
});

test('rows say their host when the story has several', () => {
  expect(onSeveralHosts(story([node('a', '', 1), node('b', 'a', 2)]))).toBe(false);
  expect(onSeveralHosts(story([node('a', '', 1), node('b', 'a', 2, { host: 'g', hostName: 'gb' })]))).toBe(true);
});

test('what the server writes of folds, steps and hosts is read', () => {
  const s = readStory(
    new TextEncoder().encode(
      JSON.stringify({
        nodes: [{ ref: 'a', host: 'h-1', host_name: 'ga', later: ['hostname'] }],
        folds: [{ parent: 'a', count: 3, kind: 'over', reason: { en: 'x', ja: 'x' } }],
        entry: { steps: [{ ref: 'a', text: { en: 'ga → gb', ja: 'ga → gb' }, event_ids: ['e'] }] },
        left_out: { members: 3, things: 70, beside: 0 },
      }),
    ),
  );
  expect(s.nodes[0]).toMatchObject({ hostName: 'ga', later: ['hostname'] });
  expect(s.folds[0]).toMatchObject({ count: 3, over: true });
  expect(s.entry.steps[0]?.eventIds).toEqual(['e']);
  expect(s.leftOut).toBe(3);
  expect(s.leftOutThings).toBe(70);
});

describe('time lane', () => {
  test('context does not stretch the scale, and every bar lies on it', () => {
    const s = story([
      node('old', '', 1, { flags: ['context'] }),
      node('a', 'old', 1_000_000, { end: 2_000_000 }),
      node('b', 'a', 1_500_000),
    ]);
    const scale = storyScale(s, 0);
    expect(scale.from).toBeGreaterThan(900_000);
    for (const n of s.nodes) {
      const b = bar(n, scale);
      expect(b && b.left >= 0 && b.left + b.width <= 100.001).toBe(true);
    }
    expect(bar(node('?', '', 0), scale)).toBeUndefined();
    expect(bar(node('run', '', 1_500_000), scale)?.openEnd).toBe(true);
  });
});

test('a service that ran for an hour before it was attacked leaves the lane to the attack', () => {
  const hour = 3_600_000_000;
  const s = story([
    node('httpd', '', 1_000_000, { flags: ['entry'] }),
    node('sh', 'httpd', hour, { end: hour + 1_000_000 }),
  ]);
  const scale = storyScale(s, hour - 20_000);
  expect(bar(s.nodes[1] as StoryNode, scale)?.width).toBeGreaterThan(90);
  expect(bar(s.nodes[0] as StoryNode, scale)?.openStart).toBe(true);
});

describe('reading a story', () => {
  test('anything but a story becomes an empty one', () => {
    for (const bytes of [
      '',
      'null',
      '[]',
      '{',
      '"x"',
      '{"nodes":{},"edges":3,"answers":[null,7,{"sentences":[{}]}]}',
    ]) {
      const s = readStory(new TextEncoder().encode(bytes));
      expect(s.nodes).toEqual([]);
      expect(s.entry.chain).toEqual([]);
    }
  });
  test('a basis that is not "observed" reads as inferred', () => {
    const s = readStory(new TextEncoder().encode('{"edges":[{"id":"1","basis":"observed"},{"id":"2"}]}'));
    expect(s.edges.map((e) => e.inferred)).toEqual([false, true]);
  });
});
