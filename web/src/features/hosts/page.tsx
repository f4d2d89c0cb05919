import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { micros } from '../../api/client';
import type { Host } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import type { Messages } from '../../i18n/en';
import { pick, useSpeech, useText } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { Button, CopyButton } from '../../ui/button';
import { FilterField, holds } from '../../ui/filter';
import { Chip, Fact, Head } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { Empty, Failure, Loading } from '../../ui/states';
import { Age, Moment, Since } from '../../ui/time';
import { classWord, Sight } from '../home/coverage';

export function hostStateWord(t: Messages, state: string): string {
  const words: Record<string, string> = {
    reporting: t.hostReporting,
    degraded: t.hostDegraded,
    silent: t.hostSilent,
    never: t.hostNever,
    revoked: t.hostRevoked,
    waiting: t.hostWaiting,
  };
  return words[state] ?? t.stateUnknown;
}

function HostState({ state }: { state: string }) {
  const t = useText();
  const tone =
    state === 'reporting'
      ? 'ok'
      : state === 'degraded' || state === 'waiting'
        ? 'warn'
        : state === 'revoked'
          ? 'plain'
          : 'bad';
  const mark = { reporting: '●', degraded: '◐', silent: '✕', never: '○', revoked: '–', waiting: '…' }[state] ?? '?';
  return (
    <Chip whole tone={tone}>
      <span aria-hidden="true">{mark}</span> {hostStateWord(t, state)}
    </Chip>
  );
}

export function HostsPage() {
  const { t, language } = useSpeech();
  const { data, error, isPending, refetch } = useQuery(reads.hosts());
  const { sel } = useSearch({ from: '/t/$tenant/hosts' });
  const navigate = useNavigate({ from: '/t/$tenant/hosts' });
  const [typed, setTyped] = useState('');
  const [all, setAll] = useState(false);
  const living = useMemo(
    () => (data ?? []).filter((h) => all || h.state !== 'revoked' || h.id === sel),
    [data, all, sel],
  );
  const revoked = (data ?? []).filter((h) => h.state === 'revoked').length;
  const hosts = useMemo(
    () => living.filter((h) => holds(typed, [h.name, h.id, h.os, h.kernel, h.version, ...h.addresses])),
    [living, typed],
  );
  const select = (id: string | undefined) => void navigate({ search: { sel: id }, replace: true });
  useKeys({ escape: sel ? () => select(undefined) : undefined });
  const chosen = data?.find((h) => h.id === sel);
  return (
    <div className="flex h-full">
      <div className="flex min-w-0 flex-1 flex-col" data-pane>
        <header className="flex h-11 items-center gap-3 border-b border-line px-3">
          <h1 className="text-base font-semibold">{t.hostsTitle}</h1>
          <FilterField label={t.hostsFilter} value={typed} onChange={setTyped} />
          {data && <span className="tnum text-xs text-muted">{t.queueTotal(hosts.length, living.length)}</span>}
          {revoked > 0 && (
            <Button pressed={all} onClick={() => setAll(!all)}>
              {t.hostsRevoked(revoked)}
            </Button>
          )}
        </header>
        {isPending && <Loading />}
        {error && !data && <Failure error={error} retry={() => void refetch()} />}
        {data && living.length === 0 && (
          <Empty kind="blind" title={t.homeNoHosts}>
            <p>{t.homeNoHostsText}</p>
            <p className="mt-2 flex items-center gap-2">
              <code className="rounded bg-surface-1 px-2 py-1 font-mono text-xs">yagura --data DIR enroll token</code>
              <CopyButton text="yagura --data DIR enroll token" />
            </p>
          </Empty>
        )}
        {living.length > 0 && hosts.length === 0 && (
          <Empty kind="filter" title={t.emptyFilter}>
            <Button onClick={() => setTyped('')}>{t.clearFilter}</Button>
          </Empty>
        )}
        {hosts.length > 0 && (
          <Rows
            label={t.hostsTitle}
            items={hosts}
            idOf={(h) => h.id}
            selected={sel}
            onSelect={select}
            narrow={{ line: [0, 6], below: 1 }}
            columns="minmax(8rem,1.6fr) minmax(15rem,1.4fr) minmax(4.5rem,0.9fr) minmax(4rem,0.7fr) 5.5rem 5.5rem 5.5rem 5rem"
            heads={[t.hostName, t.hostState, t.hostOs, t.hostVersion, t.hostSeen, t.hostCanary, t.hostLost, t.hostHeld]}
            row={(h) => [
              <span key="n" className="font-semibold">
                <Raw text={h.name || h.id} />
              </span>,
              <span key="s" className="flex gap-1">
                <HostState state={h.state} />
                <Isolation host={h} short />
                {h.twice > 0n && (
                  <Chip whole tone="bad">
                    {t.hostTwice}
                  </Chip>
                )}
              </span>,
              <Raw key="o" text={`${h.os} ${h.kernel}`} />,
              <Raw key="v" text={h.version} />,
              <Age key="a" at={micros(h.lastSeen)} />,
              <Age key="c" at={micros(h.lastCanary)} />,
              <Lost key="l" host={h} />,
              <span key="b" className="tnum text-muted">
                {h.held24h.toLocaleString(language)}
              </span>,
            ]}
          />
        )}
      </div>
      <aside
        aria-label={t.details}
        data-pane
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        tabIndex={0}
        className={`outline-offset-[-2px] max-h-1/2 shrink-0 overflow-auto border-line bg-surface-1 p-4 max-md:border-t md:max-h-none md:w-80 md:border-l min-[90rem]:w-96 ${chosen || sel ? '' : 'max-md:hidden'}`}
      >
        {chosen ? (
          <Details host={chosen} />
        ) : (
          <p className="text-muted">{sel && data && !data.some((h) => h.id === sel) ? t.noSuchHost : t.hostSelect}</p>
        )}
      </aside>
    </div>
  );
}

/** What the host's sensor says of its isolation, not what was once ordered. */
function Isolation({ host, short = false }: { host: Host; short?: boolean }) {
  const { t } = useSpeech();
  if (host.isolationBroken)
    return (
      <Chip whole tone="bad" title={t.hostIsolationBroken}>
        {short ? t.hostIsolationLost : t.hostIsolationBroken}
      </Chip>
    );
  return host.isolated ? (
    <Chip whole tone="warn">
      {t.hostIsolated}
    </Chip>
  ) : null;
}

/** Loss of a host that never reported is not zero: it is not known. */
function Lost({ host }: { host: Host }) {
  const { t, language } = useSpeech();
  if (host.lastSeen <= 0n) return <span className="text-warn">{t.notKnown}</span>;
  return (
    <span className={`tnum ${host.lost24h > 0n ? 'font-semibold text-high' : ''}`}>
      {host.lost24h.toLocaleString(language)}
    </span>
  );
}

function Details({ host }: { host: Host }) {
  const { t, language } = useSpeech();
  return (
    <>
      <h2 className="text-base font-semibold">
        <Raw text={host.name || host.id} full />
      </h2>
      <p className="mt-1 flex flex-wrap gap-1">
        <HostState state={host.state} />
        {host.twice > 0n && <Chip tone="bad">{t.hostTwice}</Chip>}
        <Isolation host={host} />
        {host.maintenanceUntil > 0n && <Chip tone="warn">{t.hostMaintenance}</Chip>}
      </p>
      {host.twice > 0n && <p className="mt-1 text-xs text-high">{t.hostTwiceText}</p>}
      <Head>{t.coverageTitle}</Head>
      {host.coverage.length === 0 && <p className="text-warn">{t.coverageNone}</p>}
      <ul>
        {host.coverage.map((c) => (
          <li key={c.class} className="border-b border-line py-1.5 last:border-0">
            <div className="flex items-center gap-2">
              <span className="w-20 shrink-0">{classWord(t, c.class)}</span>
              <Sight state={c.state} />
              {c.since > 0n && (
                <span className="ml-auto text-xs whitespace-nowrap text-muted">
                  <Since at={micros(c.since)} />
                </span>
              )}
            </div>
            {c.lost > 0n && <p className="text-xs text-high">{t.lostEvents(Number(c.lost))}</p>}
            {c.held > 0n && <p className="text-xs text-muted">{t.heldEvents(Number(c.held))}</p>}
            {c.why && (
              <p className="text-xs text-text-2">
                <Told text={pick(c.why, language)} full />
              </p>
            )}
          </li>
        ))}
      </ul>
      <Head>{t.details}</Head>
      <dl>
        {host.maintenanceUntil > 0n && (
          <Fact name={t.hostMaintenanceUntil}>
            <Moment at={micros(host.maintenanceUntil)} /> <Raw text={host.maintenanceBy} />
          </Fact>
        )}
        {host.silentSince > 0n && (
          <Fact name={t.hostSilentSince}>
            <Moment at={micros(host.silentSince)} />
          </Fact>
        )}
        <Fact name={t.hostSeen}>
          <Age at={micros(host.lastSeen)} />
        </Fact>
        <Fact name={t.hostCanary}>
          <Age at={micros(host.lastCanary)} />
        </Fact>
        <Fact name={t.hostLost}>
          <Lost host={host} />
        </Fact>
        <Fact name={t.hostHeld}>
          <span className="tnum">{host.held24h.toLocaleString(language)}</span>
        </Fact>
        <Fact name={t.hostSpool}>
          <span className="tnum">{host.spoolEvents.toLocaleString(language)}</span>
        </Fact>
        <Fact name={t.hostSkew}>
          <span className="tnum">{(micros(host.clockSkewUs) / 1000).toLocaleString(language)} ms</span>
        </Fact>
        <Fact name={t.hostOs}>
          <Raw text={`${host.os} ${host.kernel}`} full />
        </Fact>
        <Fact name={t.hostVersion}>
          <Raw text={host.version} full />
        </Fact>
        <Fact name={t.hostAddresses}>
          <Raw text={host.addresses.join(', ')} full code />
        </Fact>
        <Fact name={t.hostEnrolled}>
          <Moment at={micros(host.enrolled)} />
        </Fact>
        <Fact name={t.hostId}>
          <Raw text={host.id} full code />
        </Fact>
      </dl>
    </>
  );
}
