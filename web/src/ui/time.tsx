import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { type Language, useSpeech, useText } from '../i18n/language';

export type Zone = 'local' | 'utc';
interface Zones {
  zone: Zone;
  setZone: (z: Zone) => void;
}
const ZoneContext = createContext<Zones>({ zone: 'local', setZone: () => undefined });
const stored = 'yagura.zone';

export function ZoneProvider({ children }: { children: ReactNode }) {
  const [zone, set] = useState<Zone>(() => (localStorage.getItem(stored) === 'utc' ? 'utc' : 'local'));
  const setZone = useCallback((z: Zone) => {
    localStorage.setItem(stored, z);
    set(z);
  }, []);
  const value = useMemo(() => ({ zone, setZone }), [zone, setZone]);
  return <ZoneContext.Provider value={value}>{children}</ZoneContext.Provider>;
}

export function useZone(): Zones {
  return useContext(ZoneContext);
}

const cache = new Map<string, Intl.DateTimeFormat>();

type Kind = 'clock' | 'second' | 'day' | 'year' | 'full';

function format(kind: Kind, language: Language, zone: Zone): Intl.DateTimeFormat {
  const key = `${kind} ${language} ${zone}`;
  let f = cache.get(key);
  if (!f) {
    const timeZone = zone === 'utc' ? 'UTC' : undefined;
    const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
    const options: Record<Kind, Intl.DateTimeFormatOptions> = {
      clock: { ...clock, fractionalSecondDigits: 3 },
      second: clock,
      day: { month: 'short', day: 'numeric', ...clock },
      year: { year: 'numeric', month: 'short', day: 'numeric', ...clock },
      full: { dateStyle: 'full', timeStyle: 'long' },
    };
    f = new Intl.DateTimeFormat(language === 'ja' ? 'ja-JP' : 'en-GB', { ...options[kind], timeZone });
    cache.set(key, f);
  }
  return f;
}

const days = new Map<Zone, Intl.DateTimeFormat>();

/** The calendar day of a moment in a zone, 2026-11-30. */
function dayOf(ms: number, zone: Zone): string {
  let f = days.get(zone);
  if (!f) {
    f = new Intl.DateTimeFormat('en-CA', {
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      timeZone: zone === 'utc' ? 'UTC' : undefined,
    });
    days.set(zone, f);
  }
  return f.format(ms);
}

/** µs UTC as a clock with milliseconds; with its day when that is not today, and its year when that is not this one. */
export function clockText(at: number, language: Language, zone: Zone, now = Date.now()): string {
  const ms = at / 1000;
  const [day, today] = [dayOf(ms, zone), dayOf(now, zone)];
  const kind = day === today ? 'clock' : day.slice(0, 4) === today.slice(0, 4) ? 'day' : 'year';
  return format(kind, language, zone).format(ms);
}

/** A moment; the machine-readable and full forms stand on the element. */
export function Moment({ at }: { at: number }) {
  const { language, t } = useSpeech();
  const { zone } = useZone();
  if (at <= 0) return <span className="text-muted">{t.notKnown}</span>;
  const ms = at / 1000;
  return (
    <time
      className="tnum whitespace-nowrap"
      dateTime={new Date(ms).toISOString()}
      title={format('full', language, zone).format(ms)}
    >
      {clockText(at, language, zone)}
    </time>
  );
}

/** Date.now(), again every few milliseconds. */
export function useNow(every: number): number {
  const [now, set] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export function useSpan(): (ms: number) => string {
  const t = useText();
  return useCallback(
    (ms: number) => {
      const s = Math.max(0, Math.round(ms / 1000));
      if (s < 120) return t.seconds(s);
      if (s < 7200) return t.minutes(Math.floor(s / 60));
      if (s < 172_800) return t.hours(Math.floor(s / 3600));
      return t.days(Math.floor(s / 86_400));
    },
    [t],
  );
}

/** How long ago, with the moment itself on the element. */
export function Age({ at }: { at: number }) {
  const t = useText();
  const { language } = useSpeech();
  const { zone } = useZone();
  const now = useNow(1000);
  const span = useSpan();
  if (at <= 0) return <span className="text-muted">{t.never}</span>;
  return (
    <time
      className="tnum whitespace-nowrap"
      dateTime={new Date(at / 1000).toISOString()}
      title={format('full', language, zone).format(at / 1000)}
    >
      {t.ago(span(now - at / 1000))}
    </time>
  );
}

/** "since 10:04" in the order of words of each language. */
export function Since({ at }: { at: number }) {
  const t = useText();
  return (
    <>
      {t.sinceBefore}
      <Moment at={at} />
      {t.sinceAfter}
    </>
  );
}

const written = /\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z| UTC)/g;

/** A sentence with its UTC times in a zone; a time that was written to the second gets no milliseconds, which nobody measured. */
export function localTimes(sentence: string, language: Language, zone: Zone, now = Date.now()): string {
  return sentence.replace(written, (w) => {
    const ms = Date.parse(
      w
        .replace(' UTC', 'Z')
        .replace(' ', 'T')
        .replace(/(\.\d{3})\d+Z$/, '$1Z'),
    );
    if (Number.isNaN(ms)) return w;
    if (!w.includes('.') && dayOf(ms, zone) === dayOf(now, zone)) return format('second', language, zone).format(ms);
    return clockText(ms * 1000, language, zone, now);
  });
}

/** A sentence of the server with its UTC times in the zone that the page shows. */
export function useLocalTimes(): (sentence: string) => string {
  const { language } = useSpeech();
  const { zone } = useZone();
  return useCallback((sentence: string) => localTimes(sentence, language, zone), [language, zone]);
}
