import { type ReactNode, useEffect, useState } from 'react';
import { reasonOf } from '../api/client';
import { useSpeech, useText } from '../i18n/language';
import { Button } from './button';

function useAfter(ms: number): boolean {
  const [passed, set] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => set(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return passed;
}

/** Bars where the rows will be; nothing for the first 150 ms. */
export function Loading({ rows = 6 }: { rows?: number }) {
  const t = useText();
  const visible = useAfter(150);
  const long = useAfter(3000);
  return (
    <div role="status" aria-label={t.loading} className="flex flex-col gap-2 p-4">
      {visible &&
        Array.from({ length: rows }, (_, i) => i).map((i) => (
          <div
            key={i}
            className="h-5 motion-safe:animate-pulse rounded-sm bg-surface-3"
            style={{ width: `${92 - ((i * 17) % 40)}%` }}
          />
        ))}
      {long && <p className="text-muted">{t.stillLoading}</p>}
    </div>
  );
}

/** Empty says which of three it is: nothing matched, nothing yet, or cannot know. */
export function Empty({
  kind,
  title,
  page = false,
  children,
}: {
  kind: 'filter' | 'yet' | 'blind';
  title: string;
  /** It is all that the page has: its title is the page's. */
  page?: boolean;
  children?: ReactNode;
}) {
  const Title = page ? 'h1' : 'p';
  const mark = { filter: '∅', yet: '○', blind: '?' }[kind];
  return (
    <div
      data-empty={kind}
      className={`m-4 flex max-w-2xl gap-3 rounded-md border p-4 ${kind === 'blind' ? 'border-warn bg-warn-bg' : 'border-line bg-surface-2'}`}
    >
      <span
        aria-hidden="true"
        className={`text-xl leading-6 font-bold ${kind === 'blind' ? 'text-warn' : 'text-muted'}`}
      >
        {mark}
      </span>
      <div className="min-w-0">
        <Title className={`font-semibold ${kind === 'blind' ? 'text-warn' : ''}`}>{title}</Title>
        <div className="mt-1 text-text-2">{children}</div>
      </div>
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry: () => void }) {
  const { t, language } = useSpeech();
  const [copied, setCopied] = useState(false);
  const said = reasonOf(error, language);
  const reason = /failed to fetch|networkerror|load failed/i.test(said) ? t.unreachable : said;
  return (
    <div role="alert" className="m-4 max-w-2xl rounded-md border border-critical bg-critical-bg p-4">
      <p className="font-semibold text-critical">{t.errorTitle}</p>
      <p className="raw mt-1">{reason}</p>
      <div className="mt-3 flex gap-2">
        <Button onClick={retry}>{t.retry}</Button>
        <Button
          onClick={() => {
            void navigator.clipboard
              .writeText(`${new Date().toISOString()} ${location.pathname}: ${reason}`)
              .then(() => setCopied(true));
          }}
        >
          {copied ? t.copied : t.errorCopy}
        </Button>
      </div>
    </div>
  );
}
