import { Link, useParams } from '@tanstack/react-router';
import { micros } from '../../api/client';
import type { CoverageCell } from '../../api/gen/console/v1/console_pb';
import type { Messages } from '../../i18n/en';
import { pick, useSpeech, useText } from '../../i18n/language';
import { Raw } from '../../ui/raw';
import { Empty } from '../../ui/states';
import { Age } from '../../ui/time';

/** What a state of sight looks like: word, mark and pattern, never colour alone. */
const look: Record<string, { mark: string; tone: string }> = {
  full: { mark: '●', tone: 'bg-ok-bg text-ok' },
  partial: { mark: '◐', tone: 'bg-warn-bg text-warn' },
  blind: { mark: '○', tone: 'bg-critical-bg text-critical' },
  unprotected: { mark: '△', tone: 'bg-high-bg text-high' },
  silent: { mark: '✕', tone: 'bg-critical-bg text-critical' },
  not_applicable: { mark: '–', tone: 'text-muted' },
};

export function stateWord(t: Messages, state: string): string {
  const words: Record<string, string> = {
    full: t.stateFull,
    partial: t.statePartial,
    blind: t.stateBlind,
    unprotected: t.stateUnprotected,
    silent: t.stateSilent,
    not_applicable: t.stateNotApplicable,
  };
  return words[state] ?? t.stateUnknown;
}

export function classWord(t: Messages, name: string): string {
  const words: Record<string, string> = {
    process: t.classProcess,
    file: t.classFile,
    network: t.classNetwork,
    dns: t.classDns,
    memory: t.classMemory,
    sensor: t.classSensor,
  };
  return words[name] ?? name;
}

export function Sight({ state }: { state: string }) {
  const t = useText();
  const l = look[state] ?? { mark: '?', tone: 'border border-dashed border-warn text-warn' };
  return (
    <span
      data-sight={state || 'unknown'}
      className={`inline-flex items-center gap-1 rounded-sm px-1.5 text-xs whitespace-nowrap ${l.tone}`}
    >
      <span>
        <span aria-hidden="true">{l.mark} </span>
        {stateWord(t, state)}
      </span>
    </span>
  );
}

/** Hosts by classes of event; a class that nobody reported is "unknown", not empty. */
export function CoverageTable({ cells }: { cells: CoverageCell[] }) {
  const t = useText();
  const { tenant } = useParams({ from: '/t/$tenant' });
  if (cells.length === 0)
    return (
      <Empty kind="blind" title={t.cannotKnow}>
        {t.coverageNone}
      </Empty>
    );
  const classes = [...new Set(cells.map((c) => c.class))].sort((a, b) => order(a) - order(b) || a.localeCompare(b));
  const hosts = [...new Map(cells.map((c) => [c.hostId, c.hostname]))];
  return (
    <div className="overflow-x-auto">
      <table className="w-full border-collapse text-left">
        <thead>
          <tr className="text-xs text-muted">
            <th scope="col" className="px-3 py-1 font-medium">
              {t.coverageHost}
            </th>
            {classes.map((c) => (
              <th key={c} scope="col" className="px-2 py-1 font-medium">
                {classWord(t, c)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {hosts.map(([id, name]) => (
            <tr key={id} className="border-t border-line">
              <th scope="row" className="px-3 py-1 font-medium">
                <Link
                  to="/t/$tenant/hosts"
                  params={{ tenant }}
                  search={{ sel: id }}
                  className="text-accent hover:underline"
                >
                  <Raw text={name || id} />
                </Link>
              </th>
              {classes.map((c) => (
                <Cell key={c} cell={cells.find((x) => x.hostId === id && x.class === c)} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function order(name: string): number {
  const at = ['process', 'file', 'network', 'dns', 'memory', 'sensor'].indexOf(name);
  return at < 0 ? 99 : at;
}

function Cell({ cell }: { cell: CoverageCell | undefined }) {
  const { t, language } = useSpeech();
  if (!cell)
    return (
      <td className="px-2 py-1">
        <Sight state="" />
      </td>
    );
  return (
    <td className="px-2 py-1 align-top" title={pick(cell.why, language) || undefined}>
      <Sight state={cell.state} />
      {cell.lost > 0n && <div className="text-2xs text-high">{t.lostEvents(Number(cell.lost))}</div>}
      {cell.held > 0n && <div className="text-2xs text-muted">{t.heldEvents(Number(cell.held))}</div>}
      {cell.state !== 'full' && cell.since > 0n && (
        <div className="text-2xs text-muted">
          <Age at={micros(cell.since)} />
        </div>
      )}
    </td>
  );
}
