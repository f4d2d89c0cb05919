import { useQuery } from '@tanstack/react-query';
import { micros } from '../../api/client';
import { reads } from '../../api/reads';
import { useText } from '../../i18n/language';
import { CopyButton } from '../../ui/button';
import { Head } from '../../ui/panel';
import { Sheet } from '../../ui/sheet';
import { Age, Moment } from '../../ui/time';
import { ActionState, Target, verbWord } from '../response/state';

export type Verb = 'isolate' | 'kill';

/** The browser holds no key: it shows the line an operator runs, and what became of earlier ones. */
export function Respond({
  verb,
  host,
  hostName,
  process,
  ended,
  name,
  incident,
  onClose,
}: {
  verb: Verb;
  host: string;
  hostName: string;
  process: string;
  /** µs, when the process ended, maybe while this sheet is open; 0: it runs */
  ended: number;
  name: string;
  incident: string;
  onClose: () => void;
}) {
  const t = useText();
  const { data } = useQuery(reads.actions());
  const line = `yagura --data DIR respond ${verb} ${verb === 'kill' ? process : host}${incident === '' ? '' : ` --incident ${incident}`}`;
  const undo = `yagura --data DIR respond release ${host}`;
  const here = (data ?? []).filter((a) => a.hostId === host);
  return (
    <Sheet title={verb === 'isolate' ? t.isolateHost : t.killProcess} onClose={onClose}>
      {verb === 'kill' && ended > 0 ? (
        <p role="status">
          {t.respondKillEnded(name)} <Moment at={ended} />
        </p>
      ) : (
        <>
          <p>{verb === 'isolate' ? t.respondIsolateEffect(hostName) : t.respondKillEffect(name)}</p>
          <p className="mt-1 text-text-2">{verb === 'isolate' ? t.respondClass : t.respondClassForGood}</p>
          <h3 className="mt-4 font-semibold">{t.respondTitle}</h3>
          <p className="mt-1 text-text-2">{t.respondText}</p>
          {(verb === 'isolate' ? [line, undo] : [line]).map((l) => (
            <p key={l} className="mt-2 flex items-center gap-2 rounded border border-line bg-bg p-2">
              <code data-cli translate="no" className="min-w-0 flex-1 font-mono text-xs break-all">
                {l}
              </code>
              <CopyButton text={l} />
            </p>
          ))}
          <p className="mt-1 text-xs text-muted">{t.respondData}</p>
        </>
      )}
      <Head>{t.respondState}</Head>
      {here.length === 0 && <p className="text-muted">{t.respondNone}</p>}
      <ul>
        {here.map((a) => (
          <li key={a.id} className="flex items-center gap-3 border-b border-line py-1 last:border-0">
            <ActionState state={a.state} notProven={a.notProven} />
            <span className="font-semibold">{verbWord(t, a.verb)}</span>
            <span className="min-w-0 flex-1 truncate">
              <Target action={a} />
            </span>
            <Age at={micros(a.updated)} />
          </li>
        ))}
      </ul>
    </Sheet>
  );
}
