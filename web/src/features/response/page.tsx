import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { micros } from '../../api/client';
import type { Action } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { pick, useSpeech, useText } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { Button } from '../../ui/button';
import { FilterField, holds } from '../../ui/filter';
import { Fact } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { Empty, Failure, Loading } from '../../ui/states';
import { Age, Moment } from '../../ui/time';
import { ActionState, Target, verbWord } from './state';

/** What became of every command: who signed it, what it touched, and the sensor's proof. */
export function ResponsePage() {
  const t = useText();
  const { data, error, isPending, refetch } = useQuery(reads.actions());
  const [sel, setSel] = useState<string | undefined>(undefined);
  const [typed, setTyped] = useState('');
  const actions = useMemo(
    () =>
      (data ?? []).filter((a) =>
        holds(typed, [
          a.verb,
          verbWord(t, a.verb),
          a.hostname,
          a.hostId,
          a.target,
          a.targetName,
          String(a.targetPid),
          a.targetCommandLine,
          a.actor,
          a.reason,
        ]),
      ),
    [data, typed, t],
  );
  useKeys({ escape: sel ? () => setSel(undefined) : undefined });
  const chosen = actions.find((a) => a.id === sel);
  return (
    <div className="flex h-full">
      <div className="flex min-w-0 flex-1 flex-col" data-pane>
        <header className="flex h-11 items-center gap-3 border-b border-line px-3">
          <h1 className="text-base font-semibold">{t.responseTitle}</h1>
          {data && data.length > 0 && <FilterField label={t.responseFilter} value={typed} onChange={setTyped} />}
          {data && <span className="tnum text-xs text-muted">{t.queueTotal(actions.length, data.length)}</span>}
        </header>
        {isPending && <Loading />}
        {error && !data && <Failure error={error} retry={() => void refetch()} />}
        {data && data.length > 0 && actions.length === 0 && (
          <Empty kind="filter" title={t.emptyFilter}>
            <Button onClick={() => setTyped('')}>{t.clearFilter}</Button>
          </Empty>
        )}
        {data && data.length === 0 && (
          <Empty kind="yet" title={t.responseNone}>
            {t.responseNoneText}
          </Empty>
        )}
        {actions.length > 0 && (
          <Rows
            label={t.responseTitle}
            items={actions}
            idOf={(a) => a.id}
            selected={sel}
            onSelect={setSel}
            narrow={{ line: [0, 5, 1], below: 3 }}
            columns="12rem 9.5rem minmax(6rem,1fr) minmax(8rem,2.4fr) minmax(7rem,1fr) 7rem"
            heads={[t.actionVerb, t.actionState, t.host, t.actionTarget, t.actionBy, t.actionUpdated]}
            row={(a) => [
              <span key="v" className="font-semibold">
                {verbWord(t, a.verb)}
              </span>,
              <ActionState key="s" state={a.state} notProven={a.notProven} />,
              <Raw key="h" text={a.hostname || a.hostId} />,
              <Target key="t" action={a} />,
              <Raw key="b" text={a.actor || a.keyId} />,
              <Age key="u" at={micros(a.updated)} />,
            ]}
          />
        )}
      </div>
      {chosen && (
        <aside
          aria-label={t.details}
          data-pane
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
          tabIndex={0}
          className="outline-offset-[-2px] w-96 shrink-0 overflow-auto border-l border-line bg-surface-1 p-4"
        >
          <Proof action={chosen} />
        </aside>
      )}
    </div>
  );
}

function Proof({ action: a }: { action: Action }) {
  const { t, language } = useSpeech();
  return (
    <>
      <h2 className="mb-2 flex items-center gap-2 text-base font-semibold">
        {verbWord(t, a.verb)} <ActionState state={a.state} notProven={a.notProven} />
      </h2>
      <dl>
        <Fact name={t.host}>
          <Raw text={a.hostname || a.hostId} full />
        </Fact>
        <Fact name={t.actionTarget}>
          <Target action={a} full />
        </Fact>
        {a.target !== '' && (
          <Fact name={t.processKey}>
            <Raw text={a.target} code full />
          </Fact>
        )}
        <Fact name={t.actionBy}>
          <Raw text={`${a.actor} ${a.keyId}`} full />
        </Fact>
        <Fact name={t.actionCreated}>
          <Moment at={micros(a.created)} />
        </Fact>
        <Fact name={t.actionUpdated}>
          <Moment at={micros(a.updated)} />
        </Fact>
        {a.reason !== '' && (
          <Fact name={t.ruleReason}>
            <Raw text={a.reason} full />
          </Fact>
        )}
        {a.detail !== '' && (
          <Fact name={t.details}>
            <Told text={pick(a.detailSaid, language)} full />
          </Fact>
        )}
        <Fact name={t.actionProof}>
          {a.proof === '' && !a.proofSigned ? (
            <span className="text-muted">{t.noValue}</span>
          ) : (
            <p className={a.proofSigned ? 'text-ok' : 'text-warn'}>
              {a.proofSigned ? t.actionSigned : t.actionUnsigned}
            </p>
          )}
          <Raw text={a.proof} code full />
        </Fact>
      </dl>
    </>
  );
}
