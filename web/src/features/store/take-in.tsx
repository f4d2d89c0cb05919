import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api, isNotFound, micros, reasonOf } from '../../api/client';
import type { QuarantineItem } from '../../api/gen/console/v1/console_pb';
import { onlyEnglish, pick, useSpeech } from '../../i18n/language';
import { Button } from '../../ui/button';
import { Raw, Told } from '../../ui/raw';
import { Sheet } from '../../ui/sheet';

interface Run {
  at: number;
  stored: number;
  failed: QuarantineItem[];
  /** why the rest was not tried */
  error: unknown;
  over: boolean;
}

/** Says what will happen, tries one thing after the other, and tells what came of each. Closing it ends it after the present one. */
export function TakeIn({ items, onClose }: { items: QuarantineItem[]; onClose: () => void }) {
  const { t, language } = useSpeech();
  const client = useQueryClient();
  const [asked] = useState(items); // the list behind the sheet grows shorter meanwhile
  const [run, setRun] = useState<Run | undefined>(undefined);
  const stop = useRef(false);
  useEffect(() => {
    stop.current = false;
    return () => {
      stop.current = true;
    };
  }, []);
  const go = async () => {
    let now: Run = { at: 0, stored: 0, failed: [], error: undefined, over: false };
    setRun(now);
    for (const k of asked) {
      if (stop.current) break;
      try {
        const r = await api.retryQuarantine({ id: k.id });
        now = { ...now, stored: now.stored + micros(r.stored), failed: [...now.failed, ...r.failed] };
      } catch (error) {
        if (!isNotFound(error)) {
          now = { ...now, error };
          break;
        }
        // another has taken it in meanwhile
      }
      now = { ...now, at: now.at + 1 };
      setRun(now);
    }
    setRun({ ...now, over: true });
    for (const key of ['quarantine', 'store', 'home']) void client.invalidateQueries({ queryKey: [key] });
  };
  const events = asked.reduce((sum, k) => sum + micros(k.events), 0);
  return (
    <Sheet title={t.takeInTitle} onClose={onClose}>
      {!run && (
        <div className="flex flex-col gap-2">
          <p className="font-semibold">{t.takeInEffect(asked.length, events)}</p>
          <p className="text-text-2">{t.takeInThen}</p>
          <div className="mt-2 flex justify-end gap-2">
            <Button onClick={onClose}>{t.cancel}</Button>
            <Button tone="primary" onClick={() => void go()}>
              {t.takeInGo}
            </Button>
          </div>
        </div>
      )}
      {run && !run.over && (
        <div className="flex flex-col gap-2">
          <p role="status">{t.takeInAt(run.at, asked.length)}</p>
          <progress aria-label={t.takeInTitle} max={asked.length} value={run.at} className="w-full accent-accent" />
          <div className="mt-2 flex justify-end">
            <Button
              onClick={() => {
                stop.current = true;
              }}
            >
              {t.takeInStop}
            </Button>
          </div>
        </div>
      )}
      {run?.over && (
        <div className="flex flex-col gap-2" data-taken-in={run.stored}>
          <p role="status" className={run.stored > 0 ? 'text-ok' : ''}>
            {run.stored > 0 ? t.takeInStored(run.stored) : t.takeInNothing}
          </p>
          {run.error !== undefined && (
            <p role="alert" className="rounded border border-critical bg-critical-bg p-2 text-critical">
              <Told text={reasonOf(run.error, language)} full />
            </p>
          )}
          {run.at < asked.length && <p className="text-warn">{t.takeInLeft(asked.length - run.at)}</p>}
          {run.failed.length > 0 && (
            <>
              <p className="text-warn">{t.takeInFailed(run.failed.length)}</p>
              <ul>
                {run.failed.map((k) => (
                  <li key={k.id} className="border-b border-line py-1 last:border-0">
                    <Raw text={k.id} code full />{' '}
                    <Told text={pick(k.why, language) || k.reason} english={onlyEnglish(k.why, language)} full />
                  </li>
                ))}
              </ul>
            </>
          )}
          <div className="mt-2 flex justify-end">
            <Button onClick={onClose}>{t.close}</Button>
          </div>
        </div>
      )}
    </Sheet>
  );
}
