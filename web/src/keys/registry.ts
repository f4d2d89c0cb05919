import type { en } from '../i18n/en';

export type Scope = 'global' | 'list' | 'story';
type PlainMessage = { [K in keyof typeof en]: (typeof en)[K] extends string ? K : never }[keyof typeof en];

export interface Binding {
  id: string;
  scope: Scope;
  /** KeyboardEvent.key values, with a space between the keys of a sequence; the first one is shown. */
  keys: readonly string[];
  label: PlainMessage;
  /** Handled by the widget that has the focus, which registers it so that the help is whole. */
  native?: boolean;
}

/**
 * Every key of the console. The help lists those of them that do something on the page as it is; a collision inside a
 * scope fails a test, and so does a key of a page that web/e2e/table.mjs does not press.
 */
export const bindings = [
  { id: 'help', scope: 'global', keys: ['?'], label: 'keyHelp' },
  { id: 'home', scope: 'global', keys: ['g o'], label: 'keyGoHome' },
  { id: 'queue', scope: 'global', keys: ['g q'], label: 'keyGoQueue' },
  { id: 'incidents', scope: 'global', keys: ['g i'], label: 'keyGoIncidents' },
  { id: 'hosts', scope: 'global', keys: ['g h'], label: 'keyGoHosts' },
  { id: 'events', scope: 'global', keys: ['g e'], label: 'keyGoEvents' },
  { id: 'rules', scope: 'global', keys: ['g r'], label: 'keyGoRules' },
  { id: 'response', scope: 'global', keys: ['g a'], label: 'keyGoResponse' },
  { id: 'store', scope: 'global', keys: ['g s'], label: 'keyGoStore' },
  { id: 'filter', scope: 'global', keys: ['/'], label: 'keyFilter' },
  { id: 'nextPane', scope: 'global', keys: [']', '['], label: 'keyPane' },
  { id: 'escape', scope: 'global', keys: ['Escape'], label: 'keyEscape' },
  { id: 'down', scope: 'list', keys: ['j'], label: 'keyDown' },
  { id: 'up', scope: 'list', keys: ['k'], label: 'keyUp' },
  { id: 'open', scope: 'list', keys: ['Enter'], label: 'keyOpen' },
  { id: 'showNew', scope: 'list', keys: ['n'], label: 'keyNew' },
  { id: 'claim', scope: 'list', keys: ['c'], label: 'keyClaim' },
  { id: 'verdict', scope: 'list', keys: ['v'], label: 'keyVerdict' },
  { id: 'notes', scope: 'list', keys: ['m'], label: 'keyNotes' },
  { id: 'takeIn', scope: 'list', keys: ['r'], label: 'keyTakeIn' },
  { id: 'expand', scope: 'story', keys: ['ArrowRight'], label: 'keyExpand', native: true },
  { id: 'collapse', scope: 'story', keys: ['ArrowLeft'], label: 'keyCollapse', native: true },
  { id: 'nextDetection', scope: 'story', keys: ['d'], label: 'keyNextDetection' },
  { id: 'context', scope: 'story', keys: ['b'], label: 'keyContext' },
  { id: 'showEvents', scope: 'story', keys: ['t'], label: 'keyEvents' },
  { id: 'copy', scope: 'story', keys: ['y'], label: 'keyCopy' },
  { id: 'isolate', scope: 'story', keys: ['I', 'i'], label: 'keyIsolate' },
  { id: 'kill', scope: 'story', keys: ['X'], label: 'keyKill' },
] as const satisfies readonly Binding[];

export type KeyId = (typeof bindings)[number]['id'];

const drawn: Record<string, string> = { Escape: 'Esc', ArrowRight: '→', ArrowLeft: '←', Enter: '↵', X: '⇧X', I: 'I' };

const write = (keys: string): string =>
  keys
    .split(' ')
    .map((k) => drawn[k] ?? k.toUpperCase())
    .join(' ');

/** A binding's first key as people write it. */
export function keyText(id: KeyId): string {
  return write(bindings.find((b) => b.id === id)?.keys[0] ?? '');
}

/** All keys of a binding as people write them, each once. */
export function keyTexts(id: KeyId): string[] {
  return [...new Set((bindings.find((b) => b.id === id)?.keys ?? []).map(write))];
}
