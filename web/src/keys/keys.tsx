import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { type Binding, bindings, type KeyId } from './registry';

type Handlers = Partial<Record<KeyId, (event: KeyboardEvent) => void>>;

interface Keys {
  enabled: boolean;
  setEnabled: (on: boolean) => void;
  add: (h: { current: Handlers }) => () => void;
}

const Context = createContext<Keys>({ enabled: true, setEnabled: () => undefined, add: () => () => undefined });
const stored = 'yagura.single-keys';
const sequenceTime = 1200;
const all: readonly Binding[] = bindings;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Listens once for the whole page. The newest handlers that know a key get it. */
export function KeysProvider({ children }: { children: ReactNode }) {
  const [enabled, set] = useState(() => localStorage.getItem(stored) !== 'off');
  const layers = useRef<{ current: Handlers }[]>([]);
  const prefix = useRef({ key: '', at: 0 });

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const single = event.key.length === 1;
      if (single && (!enabled || isTyping(event.target))) return;
      if (document.querySelector('dialog[open]') && event.key !== 'Escape') return;
      const now = Date.now();
      const whole =
        prefix.current.key !== '' && now - prefix.current.at < sequenceTime
          ? `${prefix.current.key} ${event.key}`
          : event.key;
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
      if (single && all.some((b) => b.keys.some((k) => k.startsWith(`${event.key} `)))) {
        prefix.current = { key: event.key, at: now };
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
  const keys = useMemo(() => ({ enabled, setEnabled, add }), [enabled, setEnabled, add]);
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

export function useSingleKeys(): { enabled: boolean; setEnabled: (on: boolean) => void } {
  return useContext(Context);
}
