/** The story of an incident as internal/incident writes it (JSON), read field by field: what is missing or of another type becomes empty. */

export interface Words {
  en: string;
  ja: string;
}
export interface StoryNode {
  ref: string;
  kind: string;
  label: string;
  labels: Words;
  host: string;
  hostName: string;
  rowParent: string;
  start: number;
  end: number;
  flags: string[];
  prevented: boolean;
  score: number;
  detections: string[];
  commandLine: string;
  image: string;
  user: string;
  pid: number;
  cwd: string;
  sha256: string;
  earlier: string[];
  later: string[];
  eventIds: string[];
}
export interface StoryEdge {
  id: string;
  kind: string;
  from: string;
  to: string;
  eventIds: string[];
  inferred: boolean;
  confidence: string;
  reason: Words;
  time: number;
}
export interface Sentence {
  text: Words;
  eventIds: string[];
  inferred: boolean;
  confidence: string;
  unknown: boolean;
}
export interface Answer {
  answer: string;
  sentences: Sentence[];
}
export interface ChainStep {
  ref: string;
  text: Words;
  eventIds: string[];
}
export interface Entry {
  route: string;
  label: Words;
  weakness: Words;
  chain: ChainStep[];
  /** From host to host, by time. */
  steps: ChainStep[];
  confidence: string;
  alternatives: { label: Words; confidence: string; eventIds: string[] }[];
  stopped: { where: string; why: Words };
}
/** Programs that are not among the nodes: no part of the story, or (over) part of it beyond what is shown. */
export interface Fold {
  parent: string;
  count: number;
  over: boolean;
  reason: Words;
}
export interface Story {
  nodes: StoryNode[];
  edges: StoryEdge[];
  answers: Answer[];
  entry: Entry;
  related: { incident: string; reason: Words; eventIds: string[] }[];
  folds: Fold[];
  horizon: number;
  holes: { host: string; class: string; from: number; to: number; state: string; reason: string }[];
  truncated: boolean;
  /** Processes of the story beyond what is shown. */
  leftOut: number;
  leftOutThings: number;
}

type Fields = Record<string, unknown>;

function fields(v: unknown): Fields {
  return typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v)) : {};
}
function list<T>(v: unknown, read: (f: Fields) => T): T[] {
  return Array.isArray(v) ? v.map((x: unknown) => read(fields(x))) : [];
}
function text(v: unknown): string {
  return typeof v === 'string' ? v : '';
}
function number(v: unknown): number {
  return typeof v === 'number' && Number.isFinite(v) ? v : 0;
}
function texts(v: unknown): string[] {
  return Array.isArray(v) ? v.filter((x: unknown): x is string => typeof x === 'string') : [];
}
function words(v: unknown): Words {
  const f = fields(v);
  return { en: text(f.en), ja: text(f.ja) };
}

function node(f: Fields): StoryNode {
  return {
    ref: text(f.ref),
    kind: text(f.kind),
    label: text(f.label),
    labels: words(f.labels),
    host: text(f.host),
    hostName: text(f.host_name),
    rowParent: text(f.row_parent),
    start: number(f.start),
    end: number(f.end),
    flags: texts(f.flags),
    prevented: f.prevented === true,
    score: number(f.score),
    detections: texts(f.detections),
    commandLine: text(f.command_line),
    image: text(f.image),
    user: text(f.user),
    pid: number(f.pid),
    cwd: text(f.cwd),
    sha256: text(f.sha256),
    earlier: texts(f.earlier),
    later: texts(f.later),
    eventIds: texts(f.event_ids),
  };
}

function edge(f: Fields): StoryEdge {
  return {
    id: text(f.id),
    kind: text(f.kind),
    from: text(f.from),
    to: text(f.to),
    eventIds: texts(f.event_ids),
    inferred: f.basis !== 'observed',
    confidence: text(f.confidence),
    reason: words(f.reason),
    time: number(f.time),
  };
}

function sentence(f: Fields): Sentence {
  return {
    text: words(f.text),
    eventIds: texts(f.event_ids),
    inferred: f.basis !== 'observed',
    confidence: text(f.confidence),
    unknown: f.unknown === true,
  };
}

function chainStep(f: Fields): ChainStep {
  return { ref: text(f.ref), text: words(f.text), eventIds: texts(f.event_ids) };
}

function entry(f: Fields): Entry {
  const stopped = fields(f.stopped);
  return {
    route: text(f.route),
    label: words(f.label),
    weakness: words(f.weakness),
    chain: list(f.chain, chainStep),
    steps: list(f.steps, chainStep),
    confidence: text(f.confidence),
    alternatives: list(f.alternatives, (a) => ({
      label: words(a.label),
      confidence: text(a.confidence),
      eventIds: texts(a.event_ids),
    })),
    stopped: { where: text(stopped.where), why: words(stopped.why) },
  };
}

export function readStory(json: Uint8Array): Story {
  let parsed: unknown = {};
  if (json.length > 0) {
    try {
      parsed = JSON.parse(new TextDecoder().decode(json));
    } catch {
      parsed = {}; // drawn as "no story": the detections of the incident still show
    }
  }
  const f = fields(parsed);
  return {
    nodes: list(f.nodes, node),
    edges: list(f.edges, edge),
    answers: list(f.answers, (a) => ({ answer: text(a.answer), sentences: list(a.sentences, sentence) })),
    entry: entry(fields(f.entry)),
    related: list(f.related, (r) => ({
      incident: text(r.incident),
      reason: words(r.reason),
      eventIds: texts(r.event_ids),
    })),
    folds: list(f.folds, (x) => ({
      parent: text(x.parent),
      count: number(x.count),
      over: x.kind === 'over',
      reason: words(x.reason),
    })),
    horizon: number(f.horizon),
    holes: list(f.holes, (h) => ({
      host: text(h.host),
      class: text(h.class),
      from: number(h.from),
      to: number(h.to),
      state: text(h.state),
      reason: text(h.reason),
    })),
    truncated: f.truncated === true,
    leftOut: number(fields(f.left_out).members),
    leftOutThings: number(fields(f.left_out).things),
  };
}
