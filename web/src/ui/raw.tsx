import { show } from './show';

/** A value made on a host: escaped, isolated from the text around it, in the fixed font when it is code. */
export function Raw({ text, code = false, full = false }: { text: string; code?: boolean; full?: boolean }) {
  const shown = show(text);
  return (
    <bdi translate="no" title={full ? undefined : shown} className={`raw ${code ? 'font-mono text-xs' : ''}`}>
      {shown}
    </bdi>
  );
}
