import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { micros } from '../../api/client';
import type { SilentFailure } from '../../api/gen/console/v1/console_pb';
import { pick, useSpeech } from '../../i18n/language';
import { Panel } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { Age, Since, useLocalTimes, useNow, useSpan } from '../../ui/time';

/** How many stand there before the rest is asked for: a fleet that went home must not push the incidents off the page. */
const most = 3;

export function SilentFailures({
  failures,
  proven,
  watched,
}: {
  failures: SilentFailure[];
  /** µs, when sight was last proven; 0: never */
  proven: number;
  /** some host reports now */
  watched: boolean;
}) {
  const { t, language } = useSpeech();
  const span = useSpan();
  const now = useNow(1000);
  const local = useLocalTimes();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const [whole, setWhole] = useState(false);
  const shown = whole ? failures : failures.slice(0, most);
  return (
    <Panel title={t.silentTitle}>
      {failures.length === 0 && (proven <= 0 || !watched) && (
        <p className="m-3 rounded border border-warn bg-warn-bg p-2 text-warn">
          <span aria-hidden="true">? </span>
          {proven <= 0 ? t.silentCannot : t.silentUnwatched(t.ago(span(now - proven / 1000)))}
        </p>
      )}
      {failures.length === 0 && proven > 0 && watched && (
        <p className="p-3 text-ok">
          <span aria-hidden="true">✓ </span>
          {t.silentGood(t.ago(span(now - proven / 1000)))}
        </p>
      )}
      <ul>
        {shown.map((f) => (
          <li
            key={f.id}
            data-failure={f.class}
            className="grid grid-cols-[7rem_1fr] gap-x-3 md:grid-cols-[7rem_1fr_auto] border-b border-line px-3 py-2 last:border-0"
          >
            <div>
              <Severity level={f.severity} />
            </div>
            <div className="min-w-0">
              <p className="font-semibold">
                <Told text={local(pick(f.what, language))} full />
              </p>
              <p className="text-text-2">
                <span className="text-muted">{t.silentFix}: </span>
                <Told text={pick(f.fix, language)} full />
              </p>
              {f.page === 'store' && (
                <p>
                  <Link to="/t/$tenant/store" params={{ tenant }} className="text-accent underline">
                    {t.silentStore}
                  </Link>
                </p>
              )}
            </div>
            <div className="text-xs text-text-2 max-md:col-start-2 md:text-right">
              {f.hostId !== '' && (
                <Link
                  to="/t/$tenant/hosts"
                  params={{ tenant }}
                  search={{ sel: f.hostId }}
                  className="text-accent underline"
                >
                  <Raw text={f.hostname || f.hostId} />
                </Link>
              )}
              <div>
                <Since at={micros(f.since)} />
              </div>
              <Age at={micros(f.since)} />
            </div>
          </li>
        ))}
      </ul>
      {failures.length > most && (
        <p className="border-t border-line px-3 py-1.5">
          <button
            type="button"
            aria-expanded={whole}
            onClick={() => setWhole(!whole)}
            className="min-h-6 text-sm text-accent hover:underline"
          >
            {whole ? t.answerLess : t.showMore(failures.length - most)}
          </button>
        </p>
      )}
    </Panel>
  );
}
