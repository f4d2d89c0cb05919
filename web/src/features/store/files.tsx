import { type ReactNode, useState } from 'react';
import { micros } from '../../api/client';
import type { Store, StoreFile } from '../../api/gen/console/v1/console_pb';
import type { Messages } from '../../i18n/en';
import { onlyEnglish, pick, useSpeech, useText } from '../../i18n/language';
import { Chip, Panel } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { sizeText } from '../../ui/size';
import { Moment } from '../../ui/time';

/** How many rows stand there before the rest is asked for. */
const most = 50;

const broken = (f: StoreFile) => ['missing', 'altered', 'unreadable'].includes(f.state);

/** Stored events that are in no answer: of which hours, and of which hosts they may be. */
export function Unread({ store }: { store: Store }) {
  const { t, language } = useSpeech();
  const files = store.files.filter(broken);
  return (
    <Panel title={t.storeUnread} note={files.length > 0 ? t.storeUnreadText : undefined}>
      {store.unreadNewest > 0 && (
        <p className="border-b border-line p-3 text-warn">{t.storeNewest(store.unreadNewest)}</p>
      )}
      {files.length === 0 && <Good text={t.storeWhole} />}
      {files.length > 0 && (
        <>
          <p className="px-3 py-2 text-text-2">
            <span className="text-muted">{t.silentFix}: </span>
            {t.storeUnreadFix}
          </p>
          <List
            heads={[t.storeState, t.storeFile, t.storeHours, t.storeHosts, t.storeSince]}
            files={files}
            row={(f) => [
              <Chip key="s" tone="bad" whole>
                {fileState(t, f.state)}
              </Chip>,
              <Path key="f" file={f}>
                {t.storeEventsOf(micros(f.rows))} · {sizeText(micros(f.bytes), language)}
              </Path>,
              <Span key="t" from={micros(f.from)} to={micros(f.to)} />,
              <Hosts key="h" file={f} />,
              <Moment key="a" at={micros(f.since)} />,
            ]}
          />
        </>
      )}
    </Panel>
  );
}

/** Files below the store's folders that the control database does not name. */
export function Aside({ store }: { store: Store }) {
  const { t, language } = useSpeech();
  const files = store.files.filter((f) => !broken(f));
  return (
    <Panel title={t.storeAside} note={files.length > 0 ? t.storeAsideText : undefined}>
      {files.length === 0 && <Good text={t.storeAsideNone} />}
      {files.length > 0 && (
        <List
          heads={[t.storeState, t.storeFile, t.storeWhy, t.storeSince]}
          files={files}
          row={(f) => [
            <Chip key="s" tone={f.state === 'kept' ? 'warn' : 'plain'} whole>
              {fileState(t, f.state)}
            </Chip>,
            <Path key="f" file={f}>
              {sizeText(micros(f.bytes), language)}
            </Path>,
            f.why === '' ? (
              <span key="w">{stateText(t, f.state)}</span>
            ) : (
              <Told key="w" text={pick(f.whySaid, language) || f.why} english={onlyEnglish(f.whySaid, language)} full />
            ),
            <Moment key="a" at={micros(f.since)} />,
          ]}
        />
      )}
    </Panel>
  );
}

export function Good({ text }: { text: string }) {
  return (
    <p className="p-3 text-ok">
      <span aria-hidden="true">✓ </span>
      {text}
    </p>
  );
}

/** The button below a list that shows its rest. */
export function More({ left, onClick }: { left: number; onClick: () => void }) {
  const t = useText();
  if (left <= 0) return null;
  return (
    <p className="border-t border-line px-3 py-1.5">
      <button type="button" onClick={onClick} className="min-h-6 text-sm text-accent hover:underline">
        {t.showMore(left)}
      </button>
    </p>
  );
}

function List({ heads, files, row }: { heads: string[]; files: StoreFile[]; row: (f: StoreFile) => ReactNode[] }) {
  const [whole, setWhole] = useState(false);
  return (
    <>
      <div className="overflow-x-auto">
        <table className="w-full text-left text-sm">
          <thead className="bg-surface-2 text-xs text-muted">
            <tr>
              {heads.map((h) => (
                <th key={h} scope="col" className="px-3 py-1 font-medium whitespace-nowrap">
                  {h}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(whole ? files : files.slice(0, most)).map((f) => (
              <tr key={f.path} data-file={f.state} className="border-t border-line align-top">
                {row(f).map((cell, i) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a cell has no id but its column
                  <td key={i} className="px-3 py-1.5">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <More left={whole ? 0 : files.length - most} onClick={() => setWhole(true)} />
    </>
  );
}

function Path({ file, children }: { file: StoreFile; children: ReactNode }) {
  return (
    <div className="min-w-72">
      <span className="break-all">
        <Raw text={file.path} code full />
      </span>
      <span className="tnum block text-xs text-muted">{children}</span>
    </div>
  );
}

function Span({ from, to }: { from: number; to: number }) {
  return (
    <span className="tnum inline-flex flex-wrap gap-x-1 text-text-2">
      <Moment at={from} />
      <span aria-hidden="true">–</span>
      <Moment at={to} />
    </span>
  );
}

function Hosts({ file: f }: { file: StoreFile }) {
  const t = useText();
  if (f.hostCount === 0) return <span className="text-muted">{t.storeHostsNone}</span>;
  return (
    <span>
      {f.hosts.map((h, i) => (
        <span key={h}>
          {i > 0 && ', '}
          <Raw text={h} full />
        </span>
      ))}
      {f.hostCount > f.hosts.length && <> {t.storeHostsMore(f.hostCount - f.hosts.length)}</>}
    </span>
  );
}

function fileState(t: Messages, state: string): string {
  switch (state) {
    case 'missing':
      return t.storeMissing;
    case 'altered':
      return t.storeAltered;
    case 'unreadable':
      return t.storeUnreadable;
    case 'unjudged':
      return t.storeUnjudged;
    case 'redundant':
      return t.storeRedundant;
    case 'unfinished':
      return t.storeUnfinished;
    case 'kept':
      return t.storeNotPlaced;
    default:
      return t.unknown;
  }
}

/** What the state of a file that was set aside means, where the server gave no reason of its own. */
function stateText(t: Messages, state: string): string {
  switch (state) {
    case 'unjudged':
      return t.storeUnjudgedText;
    case 'redundant':
      return t.storeRedundantText;
    case 'unfinished':
      return t.storeUnfinishedText;
    default:
      return t.noValue;
  }
}
