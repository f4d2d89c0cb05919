import { useRef } from 'react';
import { useKeys } from '../keys/keys';

/** The text filter of a page: / goes there, Esc goes back to the list. */
export function FilterField({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (text: string) => void;
}) {
  const ref = useRef<HTMLInputElement>(null);
  useKeys({ filter: () => ref.current?.focus() });
  return (
    <input
      ref={ref}
      data-filter
      type="search"
      aria-label={label}
      placeholder={label}
      value={value}
      onChange={(e) => onChange(e.target.value)}
      className="field max-w-80 min-w-40"
    />
  );
}

/** True where every word of what was typed stands somewhere in the texts; case and width of letters do not matter. */
export function holds(typed: string, texts: string[]): boolean {
  const plain = (s: string) => s.normalize('NFKC').toLowerCase();
  const all = plain(texts.join(' '));
  return plain(typed)
    .split(/\s+/)
    .every((word) => all.includes(word));
}
