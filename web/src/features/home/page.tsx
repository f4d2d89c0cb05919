import { useQuery } from '@tanstack/react-query';
import { micros } from '../../api/client';
import type { Home } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { useSpeech, useText } from '../../i18n/language';
import { CopyButton } from '../../ui/button';
import { Figure } from '../../ui/figure';
import { Panel } from '../../ui/panel';
import { Empty, Failure, Loading } from '../../ui/states';
import { useNow, useSpan } from '../../ui/time';
import { CanaryStrip } from './canary';
import { CoverageTable } from './coverage';
import { OpenIncidents } from './open-incidents';
import { SilentFailures } from './silent';

export function HomePage() {
  const t = useText();
  const { data, error, isPending, refetch } = useQuery(reads.home());
  return (
    <section
      aria-label={t.homeTitle}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      className="flex h-full flex-col gap-3 overflow-auto p-3 outline-offset-[-2px]"
      data-pane
    >
      <h1 className="sr-only">{t.homeTitle}</h1>
      {isPending && <Loading rows={10} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && <Board home={data} />}
    </section>
  );
}

function Board({ home }: { home: Home }) {
  const t = useText();
  return (
    <>
      <Facts home={home} />
      {home.hosts === 0 && (
        <Empty kind="blind" title={t.homeNoHosts}>
          <p>{t.homeNoHostsText}</p>
          <p className="mt-2">{t.homeEnrolCommand}</p>
          <p className="mt-1 flex items-center gap-2">
            <code className="rounded bg-surface-1 px-2 py-1 font-mono text-xs">yagura --data DIR enroll token</code>
            <CopyButton text="yagura --data DIR enroll token" />
          </p>
        </Empty>
      )}
      <div className="grid items-start gap-3 xl:grid-cols-[1.15fr_1fr]">
        <div className="flex min-w-0 flex-col gap-3">
          <SilentFailures
            failures={home.silentFailures}
            proven={micros(home.canaryLast)}
            watched={home.hostsReporting > 0}
          />
          <OpenIncidents blind={home.hostsReporting === 0} />
        </div>
        <div className="flex min-w-0 flex-col gap-3">
          <Panel title={t.coverageTitle} note={t.coverageText}>
            <CoverageTable cells={home.coverage} />
          </Panel>
          <CanaryStrip marks={home.canaryStrip} />
        </div>
      </div>
    </>
  );
}

function Facts({ home }: { home: Home }) {
  const { t, language } = useSpeech();
  const span = useSpan();
  const count = (n: bigint | number) => n.toLocaleString(language);
  const canary = micros(home.canaryOldestUs);
  const last = micros(home.canaryLast);
  const now = useNow(1000);
  return (
    <dl className="grid shrink-0 grid-cols-2 gap-px overflow-hidden rounded-md border border-line bg-line md:grid-cols-5">
      <Figure
        name={t.homeHosts}
        known={home.hosts > 0}
        text={home.hosts > 0 ? t.homeOfHosts(home.hostsReporting, home.hosts) : t.homeNoHosts}
        tone={home.hostsReporting < home.hosts ? 'bad' : 'plain'}
      />
      <Figure
        name={t.homeIncidents}
        known={home.hosts > 0 || home.incidentsOpen > 0}
        text={home.hosts > 0 || home.incidentsOpen > 0 ? count(home.incidentsOpen) : t.cannotKnow}
        note={(['critical', 'high', 'medium', 'low'] as const)
          .filter((l) => (home.openBySeverity[l] ?? 0) > 0)
          .map((l) => `${t[l]} ${home.openBySeverity[l]}`)
          .join(' · ')}
        tone={(home.openBySeverity.critical ?? 0) + (home.openBySeverity.high ?? 0) > 0 ? 'bad' : 'plain'}
      />
      <Figure
        name={t.homeCanary}
        known={canary >= 0 || last > 0}
        text={canary >= 0 ? t.ago(span(canary / 1000)) : last > 0 ? t.ago(span(now - last / 1000)) : t.homeCanaryNever}
        note={
          canary >= 0 || last <= 0 ? t.homeCanaryText : home.hostsReporting > 0 ? t.homeCanarySome : t.homeCanaryPast
        }
        tone={canary >= 0 && canary <= 150e6 ? 'ok' : 'bad'}
      />
      <Figure
        name={t.homeLost}
        known={home.lostKnown}
        text={home.lostKnown ? count(home.lost24h) : t.homeLostUnknown}
        note={home.held24h > 0n ? t.heldEvents(Number(home.held24h)) : undefined}
        tone={home.lost24h > 0n ? 'bad' : 'plain'}
      />
      <Figure
        name={t.homeRate}
        known={home.eventsKnown}
        text={home.eventsKnown ? count(home.eventsPerSecond) : t.homeRateUnknown}
        note={
          home.eventsKnown && home.eventsPerSecond === 0n
            ? t.homeRateLast(t.ago(span(now - micros(home.lastEvent) / 1000)))
            : undefined
        }
      />
    </dl>
  );
}
