import { micros } from '../../api/client';
import type { HealthMark } from '../../api/gen/console/v1/console_pb';
import { useSpeech } from '../../i18n/language';
import { Panel } from '../../ui/panel';
import { clockText, useZone } from '../../ui/time';

const look: Record<string, string> = {
  ok: 'bg-ok h-5',
  part: 'bg-warn h-5',
  missed: 'bg-critical h-5',
};

/** Proof of sight over a day. A quarter of an hour without a canary is hatched: it proves nothing. */
export function CanaryStrip({ marks }: { marks: HealthMark[] }) {
  const { t, language } = useSpeech();
  const { zone } = useZone();
  const words: Record<string, string> = { ok: t.canaryOk, part: t.canaryPart, missed: t.canaryMissed };
  const word = (state: string) => words[state] ?? t.canaryNothing;
  const of = (state: string) => marks.filter((m) => m.state === state).length;
  const summary =
    marks.length === 0
      ? t.homeCanaryNever
      : t.canarySummary(of('ok'), of('part'), of('missed'), marks.length - of('ok') - of('part') - of('missed'));
  return (
    <Panel title={t.canaryTitle} note={summary}>
      <div className="p-3">
        <div role="img" aria-label={summary} className="flex h-6 items-end gap-px">
          {marks.length === 0 && <div className="hatch h-5 flex-1" />}
          {marks.map((m) => (
            <div
              key={String(m.from)}
              title={`${clockText(micros(m.from), language, zone)} ${word(m.state)}`}
              className={`min-w-0 flex-1 ${look[m.state] ?? 'hatch h-5'}`}
            />
          ))}
        </div>
        <p className="mt-2 text-xs text-muted">{t.canaryText}</p>
        <ul className="mt-1 flex flex-wrap gap-4 text-xs text-text-2">
          <li className="flex items-center gap-1">
            <span aria-hidden="true" className="inline-block size-2.5 bg-ok" />
            {t.canaryOk}
          </li>
          <li className="flex items-center gap-1">
            <span aria-hidden="true" className="inline-block size-2.5 bg-warn" />
            {t.canaryPart}
          </li>
          <li className="flex items-center gap-1">
            <span aria-hidden="true" className="inline-block size-2.5 bg-critical" />
            {t.canaryMissed}
          </li>
          <li className="flex items-center gap-1">
            <span aria-hidden="true" className="hatch inline-block size-2.5 border border-line" />
            {t.canaryNothing}
          </li>
        </ul>
      </div>
    </Panel>
  );
}
