import { useState } from 'react';
import type { Answer, Sentence, Story } from '../../api/story';
import { pick, useSpeech } from '../../i18n/language';
import { answerWord, confidenceWord } from '../../story/words';
import { Chip } from '../../ui/panel';
import { Told } from '../../ui/raw';
import { useLocalTimes } from '../../ui/time';

const five = ['when', 'where', 'what', 'why', 'who'] as const;
const beside = ['accounts', 'how'] as const;

interface Props {
  cite: string | undefined;
  onCite: (cite: string | undefined) => void;
  onLight: (ids: ReadonlySet<string>) => void;
}

/** The five answers, then accounts and techniques. Each sentence opens the events it stands on. */
export function Answers({ story, cite, onCite, onLight }: Props & { story: Story }) {
  const { t } = useSpeech();
  const find = (a: string): Answer => story.answers.find((x) => x.answer === a) ?? { answer: a, sentences: [] };
  return (
    <section aria-label={t.answersLabel} data-pane className="border-b border-line">
      <div className="grid gap-px bg-line sm:grid-cols-2 md:grid-cols-3 xl:grid-cols-[4fr_5fr_5fr_6fr_4fr]">
        {five.map((a) => (
          <Cell key={a} answer={find(a)} first={2} cite={cite} onCite={onCite} onLight={onLight} />
        ))}
      </div>
      <div className="grid gap-px border-t border-line bg-line md:grid-cols-2">
        {beside.map((a) => (
          <Cell key={a} answer={find(a)} first={1} cite={cite} onCite={onCite} onLight={onLight} />
        ))}
      </div>
    </section>
  );
}

function Cell({ answer, first, cite, onCite, onLight }: Props & { answer: Answer; first: number }) {
  const { t } = useSpeech();
  const [open, setOpen] = useState(false);
  const shown = open ? answer.sentences : answer.sentences.slice(0, first);
  const rest = answer.sentences.length - shown.length;
  return (
    <div data-answer={answer.answer} className={`min-w-0 bg-surface-1 px-3 py-1.5 ${first === 1 ? 'flex gap-3' : ''}`}>
      <h2 className={`text-xs text-muted ${first === 1 ? 'shrink-0 pt-1' : ''}`}>{answerWord(t, answer.answer)}</h2>
      <div className={`min-w-0 flex-1 ${open ? 'max-h-48 overflow-auto' : ''}`}>
        {answer.sentences.length === 0 && <p className="font-semibold text-muted">{t.unknown}</p>}
        <ul className={first === 1 && !open ? 'flex min-w-0 items-baseline gap-2' : ''}>
          {shown.map((s, i) => (
            <Line
              // biome-ignore lint/suspicious/noArrayIndexKey: a sentence has no id but its place
              key={i}
              id={`${answer.answer}.${i}`}
              sentence={s}
              clamp={open ? '' : answer.sentences.length === 1 && first > 1 ? 'line-clamp-4' : 'line-clamp-2'}
              lead={i === 0}
              cite={cite}
              onCite={onCite}
              onLight={onLight}
            />
          ))}
          {first === 1 && (rest > 0 || open) && <More open={open} rest={rest} onToggle={() => setOpen(!open)} />}
        </ul>
        {first !== 1 && (rest > 0 || open) && <More open={open} rest={rest} onToggle={() => setOpen(!open)} plain />}
      </div>
    </div>
  );
}

function More({
  open,
  rest,
  onToggle,
  plain = false,
}: {
  open: boolean;
  rest: number;
  onToggle: () => void;
  plain?: boolean;
}) {
  const { t } = useSpeech();
  const button = (
    <button
      type="button"
      aria-expanded={open}
      onClick={onToggle}
      className="min-h-6 text-xs whitespace-nowrap text-accent hover:underline"
    >
      {open ? t.answerLess : t.answerMore(rest)}
    </button>
  );
  return plain ? button : <li className="shrink-0">{button}</li>;
}

function Line({
  id,
  sentence,
  clamp,
  lead,
  cite,
  onCite,
  onLight,
}: Props & { id: string; sentence: Sentence; clamp: string; lead: boolean }) {
  const { t, language } = useSpeech();
  const text = useLocalTimes()(pick(sentence.text, language));
  const chosen = cite === id;
  if (sentence.unknown || sentence.eventIds.length === 0) {
    return (
      <li className={`min-w-0 text-text-2 ${clamp}`}>
        <span aria-hidden="true" className="font-bold text-warn">
          ?{' '}
        </span>
        <Told text={text} />
      </li>
    );
  }
  return (
    <li className="min-w-0">
      <button
        type="button"
        aria-pressed={chosen}
        title={t.citedEvents(sentence.eventIds.length)}
        onClick={() => onCite(chosen ? undefined : id)}
        onPointerEnter={() => onLight(new Set(sentence.eventIds))}
        onPointerLeave={() => onLight(new Set())}
        onFocus={() => onLight(new Set(sentence.eventIds))}
        onBlur={() => onLight(new Set())}
        className={`min-h-6 rounded-sm text-left hover:bg-hover ${lead ? 'font-semibold' : ''} ${clamp} ${chosen ? 'bg-selected' : ''}`}
      >
        {sentence.inferred && (
          <>
            <Chip tone="inferred" title={confidenceWord(t, sentence.confidence)}>
              {t.inferred}
            </Chip>{' '}
          </>
        )}
        <Told text={text} />
      </button>
    </li>
  );
}
