import { useText } from '../../i18n/language';
import { Chip } from '../../ui/panel';

/** Where a command stands: word and mark, and "unknown" never looks like done. */
export function ActionState({ state }: { state: string }) {
  const t = useText();
  const words: Record<string, [string, string, 'plain' | 'ok' | 'warn' | 'bad']> = {
    queued: [t.actionQueued, '…', 'plain'],
    delivered: [t.actionDelivered, '→', 'plain'],
    running: [t.actionRunning, '↻', 'plain'],
    done: [t.actionDone, '✓', 'ok'],
    failed: [t.actionFailed, '✕', 'bad'],
    refused: [t.actionRefused, '⊘', 'bad'],
    expired: [t.actionExpired, '⌛', 'warn'],
  };
  const [word, mark, tone] = words[state] ?? [t.actionUnknown, '?', 'warn'];
  return (
    <Chip tone={tone}>
      <span aria-hidden="true">{mark}</span> {word}
    </Chip>
  );
}
