import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { type Binding, bindings, type KeyId } from './registry';

/** What a component does for a key; undefined where it does nothing now. A native key's entry only says that it works. */
export type Handlers = Partial<Record<KeyId, ((event: KeyboardEvent) => void) | undefined>>;

interface Keys {
  enabled: boolean;
  setEnabled: (on: boolean) => void;
  add: (h: { current: Handlers }) => () => void;
  /** The keys that do something on the page as it is now. */
  active: () => ReadonlySet<string>;
}

const Context = createContext<Keys>({
  enabled: true,
  setEnabled: () => undefined,
  add: () => () => undefined,
  active: () => new Set(),
});
const stored = 'yagura.single-keys';
const sequenceTime = 1200;
const all: readonly Binding[] = bindings;

/** Letters belong to a field that takes text. A list of choices does not: J, K and G work while it has the focus. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA)$/.test(target.tagName));
}

/** Enter on a button or a link presses it. */
function takesEnter(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('button, a[href], input, select, textarea, summary') !== null;
}

/** Esc leaves a field for the list it belongs to. */
function leaveField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement) || !/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return false;
  target.blur();
  focusContent();
  return true;
}

/** Puts the focus where the page is read: its first list, else the content itself. */
export function focusContent(): void {
  const list = document.querySelector<HTMLElement>('#main [role=grid], #main [role=treegrid]');
  (list ?? document.getElementById('main'))?.focus({ preventScroll: true });
}

/** Listens once for the whole page. The newest handlers that know a key get it. */
export function KeysProvider({ children }: { children: ReactNode }) {
  const [enabled, set] = useState(() => localStorage.getItem(stored) !== 'off');
  const layers = useRef<{ current: Handlers }[]>([]);
  const prefix = useRef({ key: '', at: 0 });

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      // An open dialog has every key to itself: its own Esc closes it, and nothing behind it may move.
      if (document.querySelector('dialog[open]')) return;
      const single = event.key.length === 1;
      if (single && (!enabled || isTyping(event.target))) return;
      if (event.key === 'Enter' && takesEnter(event.target)) return;
      if (event.key === 'Escape' && leaveField(event.target)) {
        event.preventDefault();
        return;
      }
      const now = Date.now();
      // Caps Lock writes j as J and X as x. What Shift says is meant: J moves with both, and x never kills.
      const key =
        single && event.getModifierState('CapsLock')
          ? event.shiftKey
            ? event.key.toUpperCase()
            : event.key.toLowerCase()
          : event.key;
      const whole =
        prefix.current.key !== '' && now - prefix.current.at < sequenceTime ? `${prefix.current.key} ${key}` : key;
      prefix.current = { key: '', at: 0 };
      for (const layer of [...layers.current].reverse()) {
        for (const b of all) {
          const handler = layer.current[b.id as KeyId];
          if (handler && !b.native && b.keys.includes(whole)) {
            event.preventDefault();
            handler(event);
            return;
          }
        }
      }
      if (single && all.some((b) => b.keys.some((k) => k.startsWith(`${key} `)))) {
        prefix.current = { key, at: now };
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [enabled]);

  const setEnabled = useCallback((on: boolean) => {
    localStorage.setItem(stored, on ? 'on' : 'off');
    set(on);
  }, []);
  const add = useCallback((h: { current: Handlers }) => {
    layers.current.push(h);
    return () => {
      layers.current = layers.current.filter((x) => x !== h);
    };
  }, []);
  const active = useCallback(
    () =>
      new Set(
        layers.current.flatMap((l) =>
          Object.entries<unknown>(l.current).flatMap(([id, handler]) => (handler ? [id] : [])),
        ),
      ),
    [],
  );
  const keys = useMemo(() => ({ enabled, setEnabled, add, active }), [enabled, setEnabled, add, active]);
  return <Context.Provider value={keys}>{children}</Context.Provider>;
}

/** Handles keys while the component is mounted. */
export function useKeys(handlers: Handlers): void {
  const { add } = useContext(Context);
  const current = useRef(handlers);
  useEffect(() => {
    current.current = handlers;
  });
  useEffect(() => add(current), [add]);
}

export function useSingleKeys(): Omit<Keys, 'add'> {
  return useContext(Context);
}
