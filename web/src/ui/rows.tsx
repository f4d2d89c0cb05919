import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from 'react';
import { focusContent, useKeys } from '../keys/keys';
import { useNarrow } from './narrow';

const rowHeight = 32;
const narrowHeight = 54;

/**
 * A virtual list of rows with one selected: a grid for screen readers, J/K or arrows to move, Enter to open.
 * The list has one tab stop, so Tab enters and leaves it in one step; J and K bring the focus to it. A page opens
 * with the focus in its list.
 */
export function Rows<T>({
  label,
  items,
  idOf,
  selected,
  onSelect,
  onOpen,
  columns,
  heads,
  row,
  narrow,
}: {
  label: string;
  items: T[];
  idOf: (item: T) => string;
  selected: string | undefined;
  onSelect: (id: string) => void;
  /** What Enter and a double click do with the selected row; undefined where they do nothing. */
  onOpen?: ((id: string) => void) | undefined;
  columns: string;
  heads: string[];
  row: (item: T) => ReactNode[];
  /** In one column: which cells stand in the first line, and which one below them. */
  narrow: { line: number[]; below: number };
}) {
  const box = useRef<HTMLDivElement>(null);
  const base = useId();
  const one = useNarrow();
  const at = items.findIndex((i) => idOf(i) === selected);
  // Where the chosen row stood when it left the list, as an incident does that was closed: J goes on from there.
  const place = useRef(-1);
  useEffect(() => {
    if (at >= 0) place.current = at;
    else if (selected === undefined) place.current = -1;
  }, [at, selected]);
  const below = () => (at >= 0 ? at + 1 : Math.max(0, place.current));
  const above = () => Math.max(0, (at >= 0 ? at : place.current) - 1);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: () => (one ? narrowHeight : rowHeight),
    overscan: 12,
  });
  const take = (index: number) => {
    const item = items[Math.max(0, Math.min(items.length - 1, index))];
    if (item === undefined) return;
    onSelect(idOf(item));
  };
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' });
  }, [at, virtual]);
  useEffect(() => {
    void one;
    virtual.measure();
  }, [one, virtual]);
  const walk = (index: number) => {
    take(index);
    box.current?.focus({ preventScroll: true });
  };
  useKeys({
    down: () => walk(below()),
    up: () => walk(above()),
    open: onOpen && at >= 0 ? () => selected && onOpen(selected) : undefined,
  });
  useEffect(() => {
    const at = document.activeElement;
    if (at === null || at === document.body || at.id === 'main') focusContent();
  }, []);
  const onKeyDown = (e: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowDown: below(),
      ArrowUp: above(),
      Home: 0,
      End: items.length - 1,
      PageDown: at + 15,
      PageUp: at - 15,
    };
    const to = steps[e.key];
    if (to !== undefined) {
      e.preventDefault();
      take(to);
    }
  };
  return (
    <div
      ref={box}
      role="grid"
      aria-label={label}
      aria-rowcount={items.length + 1}
      tabIndex={0}
      aria-activedescendant={at >= 0 ? `${base}-${at}` : undefined}
      onKeyDown={onKeyDown}
      className="min-h-0 flex-1 overflow-auto bg-surface-1 outline-offset-[-2px]"
    >
      <div
        role="row"
        tabIndex={-1}
        aria-rowindex={1}
        className="sticky top-0 z-10 grid border-b max-md:sr-only border-line bg-surface-2 px-3 text-xs text-muted"
        style={{ gridTemplateColumns: columns }}
      >
        {heads.map((h) => (
          <div key={h} role="columnheader" tabIndex={-1} className="truncate py-1 pr-3">
            {h}
          </div>
        ))}
      </div>
      <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((v) => {
          const item = items[v.index];
          if (item === undefined) return null;
          const id = idOf(item);
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the grid itself handles the keys
            <div
              key={id}
              id={`${base}-${v.index}`}
              role="row"
              tabIndex={-1}
              aria-rowindex={v.index + 2}
              aria-selected={id === selected}
              data-id={id}
              onClick={(e) => {
                if (!(e.target instanceof HTMLElement && e.target.closest('a'))) onSelect(id); // a link goes where it leads
              }}
              onDoubleClick={() => onOpen?.(id)}
              className={`absolute inset-x-0 cursor-default border-b border-line px-3 ${one ? 'flex flex-wrap content-center items-center gap-x-2' : 'grid items-center'} ${id === selected ? 'bg-selected' : 'hover:bg-hover'}`}
              style={{
                gridTemplateColumns: one ? undefined : columns,
                height: v.size,
                transform: `translateY(${v.start}px)`,
              }}
            >
              {one ? (
                <NarrowCells cells={row(item)} heads={heads} narrow={narrow} />
              ) : (
                row(item).map((cell, i) => (
                  <div key={heads[i]} role="gridcell" tabIndex={-1} className="truncate pr-3">
                    {cell}
                  </div>
                ))
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function NarrowCells({
  cells,
  heads,
  narrow,
}: {
  cells: ReactNode[];
  heads: string[];
  narrow: { line: number[]; below: number };
}) {
  return (
    <>
      {narrow.line.map((i, place) => (
        <div
          key={heads[i]}
          role="gridcell"
          tabIndex={-1}
          aria-colindex={i + 1}
          className={`max-w-1/2 truncate ${place > 0 && place === narrow.line.length - 1 ? 'ml-auto' : ''}`}
        >
          {cells[i]}
        </div>
      ))}
      <div role="gridcell" tabIndex={-1} aria-colindex={narrow.below + 1} className="w-full truncate">
        {cells[narrow.below]}
      </div>
    </>
  );
}
