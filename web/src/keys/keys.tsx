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

const lists = '[role=grid], [role=treegrid]';

/** Puts the focus where the page is read: its first list, else what scrolls, else the content itself. */
export function focusContent(): void {
  const main = document.getElementById('main');
  const at = main?.querySelector<HTMLElement>(lists) ?? main?.querySelector<HTMLElement>('[data-pane][tabindex="0"]');
  (at ?? main)?.focus({ preventScroll: true });
}

/** Where a pane is read: its list, else itself where it scrolls, else its first control, but no field that would swallow the next key. */
function into(pane: HTMLElement): HTMLElement | null {
  const list = pane.querySelector<HTMLElement>(lists);
  if (list || pane.tabIndex === 0) return list ?? pane;
  return pane.querySelector<HTMLElement>('button:enabled, a[href], [tabindex="0"]');
}

/** Goes to the pane after the one that has the focus, or before it. */
export function focusPane(step: 1 | -1): void {
  const panes = [...document.querySelectorAll<HTMLElement>('#main [data-pane]')].filter(into);
  const at = panes.findLastIndex((p) => p.contains(document.activeElement));
  const pane = panes[(Math.max(at, step === 1 ? -1 : 0) + step + panes.length) % panes.length];
  if (pane) into(pane)?.focus();
}

/** A control that leaves the page with the focus leaves it nowhere: it goes to the open dialog, else to the content. */
function useKeptFocus(): void {
  useEffect(() => {
    let last: Node | null = null;
    const took = (e: FocusEvent) => {
      last = e.target instanceof Node ? e.target : null;
    };
    const changed = new MutationObserver(() => {
      if (last === null || last.isConnected || document.activeElement !== document.body) return;
      last = null;
      const dialog = document.querySelector<HTMLElement>('dialog[open]');
      if (dialog) dialog.querySelector<HTMLElement>('button, [href], input, textarea')?.focus();
      else focusContent();
    });
    document.addEventListener('focusin', took);
    changed.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener('focusin', took);
      changed.disconnect();
    };
  }, []);
}

/** Listens once for the whole page. The newest handlers that know a key get it. */
export function KeysProvider({ children }: { children: ReactNode }) {
  const [enabled, set] = useState(() => localStorage.getItem(stored) !== 'off');
  const layers = useRef<{ current: Handlers }[]>([]);
  const prefix = useRef({ key: '', at: 0 });
  useKeptFocus();

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
