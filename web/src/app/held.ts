import { useCallback, useMemo, useRef, useState } from 'react';

/**
 * A list that grows without moving under the reader: while `hold` is true, items with new ids wait and are
 * counted; items already shown change in place.
 */
export function useHeld<T>(
  items: T[] | undefined,
  idOf: (item: T) => string,
  hold: boolean,
): { shown: T[]; waiting: number; release: () => void } {
  const known = useRef<Set<string> | undefined>(undefined);
  const [released, setReleased] = useState(0);
  const result = useMemo(() => {
    void released;
    const all = items ?? [];
    if (!known.current || known.current.size === 0 || !hold) known.current = new Set(all.map(idOf));
    const have = known.current;
    const shown = all.filter((i) => have.has(idOf(i)));
    return { shown, waiting: all.length - shown.length };
  }, [items, idOf, hold, released]);
  const release = useCallback(() => {
    known.current = undefined;
    setReleased((n) => n + 1);
  }, []);
  return { ...result, release };
}
