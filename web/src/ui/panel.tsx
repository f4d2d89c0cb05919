import type { ReactNode } from 'react';

/** A titled region of a screen. */
export function Panel({
  title,
  note,
  actions,
  children,
}: {
  title: string;
  note?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section aria-label={title} className="flex min-w-0 flex-col rounded-md border border-line bg-surface-1">
      <header className="flex min-h-9 flex-wrap items-center gap-x-3 border-b border-line px-3 py-1">
        <h2 className="font-semibold">{title}</h2>
        {note && <p className="text-xs text-muted">{note}</p>}
        <div className="ml-auto flex items-center gap-1">{actions}</div>
      </header>
      <div className="min-w-0">{children}</div>
    </section>
  );
}

/** A name and its value in a details pane. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid grid-cols-[7.5rem_1fr] gap-2 border-b border-line py-1 last:border-0">
      <dt className="text-xs leading-5 text-muted">{name}</dt>
      <dd className="min-w-0 leading-5">{children}</dd>
    </div>
  );
}

/** The head of a details section. */
export function Head({ children }: { children: ReactNode }) {
  return <h3 className="mt-4 mb-1 text-xs font-semibold text-muted first:mt-0">{children}</h3>;
}

export function Chip({
  children,
  tone = 'plain',
  title,
  whole = false,
}: {
  children: ReactNode;
  tone?: 'plain' | 'ok' | 'warn' | 'bad' | 'inferred';
  title?: string;
  /** Never cut where room is scarce: what stands beside it gives way. */
  whole?: boolean;
}) {
  const tones = {
    plain: 'border-line bg-surface-3 text-text-2',
    ok: 'border-transparent bg-ok-bg text-ok',
    warn: 'border-transparent bg-warn-bg text-warn',
    bad: 'border-transparent bg-critical-bg text-critical',
    inferred: 'border-dashed border-inferred bg-inferred-bg text-inferred',
  } as const;
  return (
    <span
      title={title}
      className={`inline-flex ${whole ? 'shrink-0' : 'min-w-0'} items-center gap-1 rounded-sm border px-1 text-2xs leading-4 whitespace-nowrap ${tones[tone]}`}
    >
      {children}
    </span>
  );
}
