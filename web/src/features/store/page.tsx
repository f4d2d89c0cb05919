import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { micros } from '../../api/client';
import type { Store } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { useSpeech, useText } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { CopyButton } from '../../ui/button';
import { Figure } from '../../ui/figure';
import { Panel } from '../../ui/panel';
import { sizeText } from '../../ui/size';
import { Failure, Loading } from '../../ui/states';
import { clockText, Moment, useZone } from '../../ui/time';
import { Aside, Unread } from './files';
import { Detained } from './quarantine';
import { TakeIn } from './take-in';

/** What the event store holds, which of it cannot be read, and what was set aside: nothing of it is ever only left out. */
export function StorePage() {
  const t = useText();
  const store = useQuery(reads.store());
  const kept = useQuery(reads.quarantine());
  const [chosen, setChosen] = useState<string[] | undefined>(undefined);
  const readable = (kept.data ?? []).filter((k) => !k.damaged).map((k) => k.id);
  useKeys({ takeIn: readable.length > 0 ? () => setChosen(readable) : undefined });
  return (
    <section
      aria-label={t.storeTitle}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      className="flex h-full flex-col gap-3 overflow-auto p-3 outline-offset-[-2px]"
      data-pane
    >
      <h1 className="text-base font-semibold">{t.storeTitle}</h1>
      {store.isPending && <Loading rows={6} />}
      {store.error && !store.data && <Failure error={store.error} retry={() => void store.refetch()} />}
      {store.data && (
        <>
          <Held store={store.data} />
          <Waits store={store.data} />
          <Unread store={store.data} />
        </>
      )}
      {kept.isPending && !store.isPending && <Loading rows={3} />}
      {kept.error && !kept.data && <Failure error={kept.error} retry={() => void kept.refetch()} />}
      {kept.data && <Detained items={kept.data} onTakeIn={setChosen} />}
      {store.data && <Aside store={store.data} />}
      {chosen && (
        <TakeIn items={(kept.data ?? []).filter((k) => chosen.includes(k.id))} onClose={() => setChosen(undefined)} />
      )}
    </section>
  );
}

function Held({ store: m }: { store: Store }) {
  const { t, language } = useSpeech();
  const { zone } = useZone();
  const count = (x: bigint) => x.toLocaleString(language);
  const any = m.segments > 0n;
  const at = (us: bigint) => clockText(micros(us), language, zone).replace(/\.\d+$/, '');
  return (
    <dl className="grid shrink-0 grid-cols-2 gap-px overflow-hidden rounded-md border border-line bg-line md:grid-cols-3 xl:grid-cols-6">
      <Figure
        name={t.storeDays}
        known={any}
        text={any ? t.storeKeptDays(m.days) : t.storeNothing}
        note={any ? t.storeSpan(at(m.from), at(m.to)) : undefined}
      />
      <Figure name={t.storeEvents} known text={count(m.rows)} />
      <Figure name={t.storeFiles} known text={count(m.segments)} />
      <Figure
        name={t.storeSize}
        known
        text={sizeText(micros(m.bytes), language)}
        note={t.storeBytes(micros(m.bytes))}
      />
      <Figure
        name={t.storeChecked}
        known
        text={t.storeCheckedOf(micros(m.checked), micros(m.segments))}
        note={t.storeCheckedText}
      />
      <Figure name={t.storeKept} known text={t.storeKeptDays(m.retentionDays)} />
    </dl>
  );
}

/** What waits for a person at the server: only its own host may order that events go. */
function Waits({ store: m }: { store: Store }) {
  const t = useText();
  if (m.expiring === 0n && !m.clockJumped) return null;
  const line = 'yagura --data DIR store expire';
  return (
    <Panel title={t.retentionTitle}>
      <div className="flex flex-col gap-1 p-3" data-waits>
        {m.clockJumped && (
          <Line>
            {t.retentionClock} <Moment at={micros(m.clock)} />. {t.retentionBelieved} <Moment at={micros(m.believed)} />{' '}
            {t.retentionBelievedText}
          </Line>
        )}
        {m.expiring > 0n && (
          <Line>
            {t.retentionWaits(micros(m.expiring), micros(m.expiringRows))} <Moment at={micros(m.expiringFrom)} />
            {t.retentionTo}
            <Moment at={micros(m.expiringTo)} />
          </Line>
        )}
        <p className="text-text-2">{t.retentionText}</p>
        <p className="flex items-center gap-2 rounded border border-line bg-bg p-2">
          <code translate="no" className="min-w-0 flex-1 font-mono text-xs break-all">
            {line}
          </code>
          <CopyButton text={line} />
        </p>
      </div>
    </Panel>
  );
}

function Line({ children }: { children: ReactNode }) {
  return <p className="font-semibold">{children}</p>;
}
