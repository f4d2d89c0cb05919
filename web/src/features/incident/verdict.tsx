import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useId, useRef, useState } from 'react';
import { api, micros, reasonOf, wasMoved } from '../../api/client';
import type { IncidentChange } from '../../api/gen/console/v1/console_pb';
import { maxNote, maxReason, verdicts } from '../../api/gen/verdicts';
import { type Language, pick, useSpeech } from '../../i18n/language';
import { stateWord } from '../../story/words';
import { Button } from '../../ui/button';
import { Chip, Head } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Sheet } from '../../ui/sheet';
import { Moment } from '../../ui/time';

function useChange<T>(id: string, act: (to: T) => Promise<unknown>, done?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['incident', id] });
      void client.invalidateQueries({ queryKey: ['incidents'] });
      void client.invalidateQueries({ queryKey: ['home'] });
      done?.();
    },
  });
}

/** Claims, gives back, closes or reopens an incident that is in the state `from`; left as it is when it no longer is. */
export function useSetState(id: string, done?: () => void) {
  return useChange(
    id,
    (to: { state: string; from: string; verdict?: string; reason?: string }) => api.setIncidentState({ id, ...to }),
    done,
  );
}

/** A verdict as a person reads it; one of another version as it is stored. */
export function verdictWord(id: string, language: Language): string {
  const v = verdicts.find((x) => x.id === id);
  return v ? pick(v.word, language) : id;
}

/**
 * Asks for the verdict and the reason. None is chosen when it opens, so that no slip closes an incident; it stays
 * with all that was typed until the server has taken it. What another did to the incident after it was opened is told
 * before anything is changed; pressed again, the later verdict stands.
 */
export function VerdictSheet({
  id,
  state,
  title,
  written,
  onClose,
}: {
  id: string;
  state: string;
  title: string;
  /** what was typed and not sent, by incident: Esc pressed in haste loses nothing */
  written: Map<string, string>;
  onClose: () => void;
}) {
  const { t, language } = useSpeech();
  const base = useId();
  const set = useSetState(id, () => {
    written.delete(id);
    onClose();
  });
  const [from, setFrom] = useState(state);
  const [cut, setCut] = useState('');
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    if (set.isPending) return; // not a disabled button: that would lose the focus
    const f = new FormData(e.currentTarget);
    const reason = String(f.get('reason') ?? '');
    const over = tooLong(reason, maxReason);
    setCut(over > 0 ? t.tooLong(over, maxReason) : '');
    if (over > 0) return;
    set.mutate(
      { state: 'closed', from, verdict: String(f.get('verdict') ?? ''), reason },
      // it was read what the incident is now
      { onError: (error) => wasMoved(error) && setFrom('') },
    );
  };
  return (
    <Sheet title={t.closeIncident} onClose={onClose}>
      <p className="mb-2 text-text-2">
        <Told text={title} full />
      </p>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <fieldset>
          <legend className="mb-1 font-semibold">{t.verdict}</legend>
          <div className="grid gap-x-6 sm:grid-cols-2">
            {verdicts.map((v) => (
              <label key={v.id} className="flex min-h-7 items-start gap-2 py-1">
                <input
                  type="radio"
                  name="verdict"
                  value={v.id}
                  required
                  aria-describedby={`${base}-${v.id}`}
                  className="mt-1"
                />
                <span>
                  {pick(v.word, language)} <Raw text={v.id} code full />
                  <span id={`${base}-${v.id}`} className="block text-xs text-muted">
                    {pick(v.means, language)}
                  </span>
                </span>
              </label>
            ))}
          </div>
        </fieldset>
        <label className="block">
          <span className="mb-1 block font-semibold">{t.verdictReason}</span>
          <textarea
            name="reason"
            required
            rows={3}
            defaultValue={written.get(id)}
            onChange={(e) => written.set(id, e.target.value)}
            className="field"
          />
        </label>
        <Refusal text={cut || (set.error ? reasonOf(set.error, language) : '')} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="primary">
            {t.closeIncident}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

/** How many characters a text has more than are kept, counted as the server does; the spaces around it are not kept. */
export function tooLong(text: string, most: number): number {
  return Math.max(0, [...text.trim()].length - most);
}

function Refusal({ text }: { text: string }) {
  return text === '' ? null : (
    <p role="alert" className="rounded border border-critical bg-critical-bg p-2 text-critical">
      {text}
    </p>
  );
}

/** What people did to an incident and what they wrote about it, with a place to write more. */
export function NotesSheet({
  id,
  history,
  written,
  onClose,
}: {
  id: string;
  history: IncidentChange[];
  written: Map<string, string>;
  onClose: () => void;
}) {
  const { t, language } = useSpeech();
  const note = useChange(id, (text: string) => api.addIncidentNote({ id, text }));
  const field = useRef<HTMLTextAreaElement>(null);
  const [cut, setCut] = useState('');
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    if (note.isPending) return;
    const text = String(new FormData(e.currentTarget).get('note') ?? '');
    const over = tooLong(text, maxNote);
    setCut(over > 0 ? t.tooLong(over, maxNote) : '');
    if (over > 0) return;
    note.mutate(text, {
      onSuccess: () => {
        written.delete(id);
        if (field.current) field.current.value = '';
        field.current?.focus(); // for the next one
      },
    });
  };
  return (
    <Sheet title={t.notesTitle} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-2">
        <label className="block">
          <span className="mb-1 block font-semibold">{t.noteWrite}</span>
          <textarea
            ref={field}
            name="note"
            required
            rows={3}
            defaultValue={written.get(id)}
            onChange={(e) => written.set(id, e.target.value)}
            className="field"
          />
        </label>
        <Refusal text={cut || (note.error ? reasonOf(note.error, language) : '')} />
        <div className="flex justify-end">
          <Button type="submit" tone="primary">
            {t.noteAdd}
          </Button>
        </div>
      </form>
      <Head>{t.historyTitle}</Head>
      {history.length === 0 && <p className="text-muted">{t.historyNone}</p>}
      <ol>
        {[...history].reverse().map((c) => (
          <li
            key={`${c.at} ${c.state}`}
            data-change={c.state || 'note'}
            className="border-b border-line py-1.5 last:border-0"
          >
            <p className="flex flex-wrap items-center gap-2 text-xs text-text-2">
              <Moment at={micros(c.at)} />
              {c.who === '' ? t.historyServer : <Raw text={c.who} />}
              <Chip tone={c.state === 'closed' ? 'ok' : c.state === 'new' ? 'warn' : 'plain'}>
                {c.state === '' ? t.noteWord : stateWord(t, c.state)}
              </Chip>
              {c.verdict !== '' && <span className="font-semibold">{verdictWord(c.verdict, language)}</span>}
            </p>
            {c.text !== '' && (
              <p className="whitespace-pre-wrap">
                {c.who === '' && c.state === 'new' ? t.historyReopened : <Written text={c.text} />}
              </p>
            )}
          </li>
        ))}
      </ol>
    </Sheet>
  );
}

/** What a person wrote, line by line as it was written, each as safe as a value of a host. */
function Written({ text }: { text: string }) {
  return text.split('\n').map((line, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a line has no id but its place
    <span key={i} className="block">
      <Raw text={line} full />
    </span>
  ));
}
