import type { Action } from '../../api/gen/console/v1/console_pb';
import type { Messages } from '../../i18n/en';
import { useText } from '../../i18n/language';
import { Chip } from '../../ui/panel';
import { Raw } from '../../ui/raw';

/** Where a command stands: word and mark, and "unknown" never looks like done. */
export function ActionState({ state, notProven }: { state: string; notProven: boolean }) {
  const t = useText();
  const words: Record<string, [string, string, 'plain' | 'ok' | 'warn' | 'bad']> = {
    queued: [t.actionQueued, '…', 'plain'],
    delivered: [t.actionDelivered, '→', 'plain'],
    running: [t.actionRunning, '↻', 'plain'],
    done: notProven ? [t.actionNotProven, '!', 'warn'] : [t.actionDone, '✓', 'ok'],
    failed: [t.actionFailed, '✕', 'bad'],
    refused: [t.actionRefused, '⊘', 'bad'],
    expired: [t.actionExpired, '⊖', 'warn'],
  };
  const [word, mark, tone] = words[state] ?? [t.actionUnknown, '?', 'warn'];
  return (
    <Chip tone={tone}>
      <span aria-hidden="true">{mark}</span> {word}
    </Chip>
  );
}

/** What a verb of the command line does, in words. */
export function verbWord(t: Messages, verb: string): string {
  const words: Record<string, string> = {
    kill: t.verbKill,
    suspend: t.verbSuspend,
    resume: t.verbResume,
    isolate: t.verbIsolate,
    release: t.verbRelease,
    maintenance: t.verbMaintenance,
  };
  return words[verb] ?? verb;
}

/** What an action acted on, as a person knows it: the process by name and pid, else the host; the key in the details. */
export function Target({ action: a, full = false }: { action: Action; full?: boolean }) {
  const t = useText();
  const host = a.hostname || a.hostId;
  if (a.target === '') return <Raw text={host} full={full} />;
  if (a.targetName === '') return <Raw text={a.target} code full={full} />;
  return (
    <>
      <Raw text={a.targetName} full={full} />{' '}
      <span className="text-text-2">
        {t.pid} {String(a.targetPid)}
      </span>{' '}
      <Raw text={a.targetCommandLine} code full={full} />
    </>
  );
}
