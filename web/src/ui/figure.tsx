/** A figure; one that is not known is a sentence on a hatched ground, never a zero. */
export function Figure({
  name,
  text,
  note,
  known,
  tone = 'plain',
}: {
  name: string;
  text: string;
  note?: string;
  known: boolean;
  tone?: 'plain' | 'ok' | 'bad';
}) {
  const ink = !known ? 'text-warn' : tone === 'bad' ? 'text-high' : tone === 'ok' ? 'text-ok' : 'text-text';
  return (
    <div className="relative bg-surface-1 px-3 py-2" data-known={known}>
      {!known && <div aria-hidden="true" className="hatch absolute inset-x-0 bottom-0 h-1.5 opacity-70" />}
      <dt className="text-xs text-muted">{name}</dt>
      <dd className={`tnum ${known ? 'text-lg font-semibold' : 'font-semibold'} ${ink}`}>
        {!known && <span aria-hidden="true">? </span>}
        {text}
      </dd>
      {note && <dd className="text-2xs text-muted">{note}</dd>}
    </div>
  );
}
