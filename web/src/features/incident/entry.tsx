import { Link, useParams } from '@tanstack/react-router';
import type { Story, Words } from '../../api/story';
import { pick, useSpeech } from '../../i18n/language';
import { confidenceWord } from '../../story/words';
import { Chip } from '../../ui/panel';
import { Told } from '../../ui/raw';
import { clockText, useLocalTimes, useZone } from '../../ui/time';
import { classWord, stateWord } from '../home/coverage';

/** The way in with its steps, or why it is not known; then what could not be seen. */
export function EntryLine({
  story,
  cite,
  onCite,
  onSelect,
}: {
  story: Story;
  cite: string | undefined;
  onCite: (cite: string | undefined) => void;
  onSelect: (ref: string) => void;
}) {
  const { t, language } = useSpeech();
  const { zone } = useZone();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const { entry } = story;
  const unknown = entry.route === '' || entry.route === 'unknown';
  const local = useLocalTimes();
  const stopped = local(pick(entry.stopped.why, language));
  return (
    <section
      aria-label={t.entryRoute}
      data-entry={entry.route}
      data-pane
      className="flex flex-wrap items-center gap-x-2 gap-y-1 border-b border-line bg-surface-2 px-3 py-1"
    >
      <h2 className="text-xs text-muted">{t.entryRoute}</h2>
      <Chip tone={unknown ? 'warn' : 'plain'}>
        {unknown ? (
          <>
            <span aria-hidden="true">?</span> {pick(entry.label, language) || t.entryUnknown}
          </>
        ) : (
          <Told text={pick(entry.label, language)} />
        )}
      </Chip>
      {!unknown && <span className="text-xs text-text-2">{confidenceWord(t, entry.confidence)}</span>}
      {entry.chain.length > 0 && (
        <ol className="flex flex-wrap items-center gap-1">
          {entry.chain.map((c, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a step has no id but its place
            <li key={i} className="flex min-w-0 items-center gap-1">
              {i > 0 && (
                <span aria-hidden="true" className="text-muted">
                  →
                </span>
              )}
              <button
                type="button"
                aria-pressed={cite === `step:${i}`}
                onClick={() => {
                  onSelect(c.ref);
                  onCite(`step:${i}`);
                }}
                className="max-w-[min(26rem,76vw)] min-h-6 truncate rounded-sm border border-line bg-surface-1 px-1.5 text-xs hover:bg-hover aria-pressed:bg-selected"
              >
                <Told text={local(pick(c.text, language))} />
              </button>
            </li>
          ))}
        </ol>
      )}
      {entry.steps.map((c, i) => (
        <button
          // biome-ignore lint/suspicious/noArrayIndexKey: a step has no id but its place
          key={i}
          type="button"
          aria-pressed={cite === `hop:${i}`}
          onClick={() => {
            onSelect(c.ref);
            onCite(`hop:${i}`);
          }}
          className="max-w-[min(34rem,76vw)] min-h-6 truncate rounded-sm border border-line bg-surface-1 px-1.5 text-xs hover:bg-hover aria-pressed:bg-selected"
        >
          <Told text={local(pick(c.text, language))} />
        </button>
      ))}
      {unknown && stopped !== '' && (
        <span className="text-xs text-text-2">
          <span className="text-muted">{t.entryStopped}: </span>
          <Told text={stopped} full />
        </span>
      )}
      {entry.alternatives.map((a, i) => (
        <button
          // biome-ignore lint/suspicious/noArrayIndexKey: an alternative has no id but its place
          key={i}
          type="button"
          onClick={() => onCite(`other:${i}`)}
          className="min-h-6 rounded-sm border border-dashed border-inferred px-1.5 text-xs text-inferred"
        >
          {t.entryAlternatives}: <Told text={pick(a.label, language)} />
          {t.aside(confidenceWord(t, a.confidence))}
        </button>
      ))}
      {relatedByReason(story).map(({ first, reason, incidents }) => (
        <span
          key={reason.en}
          className="inline-flex min-h-6 items-center gap-1.5 rounded-sm border border-dashed border-inferred px-1.5 text-xs text-inferred"
        >
          <button
            type="button"
            onClick={() => onCite(`related:${first}`)}
            className="min-h-6 text-left hover:underline"
          >
            {t.related}: <Told text={pick(reason, language)} />
          </button>
          {incidents.length > 1 && <span aria-hidden="true">{t.openIncident}:</span>}
          {incidents.map((id, n) => (
            <Link
              key={id}
              to="/t/$tenant/incidents/$id"
              params={{ tenant, id }}
              search={{}}
              aria-label={incidents.length > 1 ? `${t.openIncident} ${n + 1}` : undefined}
              className="inline-flex min-h-6 min-w-6 items-center justify-center font-semibold whitespace-nowrap underline"
            >
              {incidents.length > 1 ? n + 1 : t.openIncident}
            </Link>
          ))}
        </span>
      ))}
      {story.holes.map((h) => (
        <span
          key={`${h.host} ${h.class} ${h.from}`}
          className="rounded-sm bg-warn-bg px-1.5 text-xs text-warn"
          title={language === 'en' ? h.reason : undefined}
        >
          {t.holesTitle}: {classWord(t, h.class)} {stateWord(t, h.state)} {clockText(h.from, language, zone)} –{' '}
          {h.to > 0 ? clockText(h.to, language, zone) : '…'}
        </span>
      ))}
    </section>
  );
}

/** Incidents that are related for the same reason stand together: each apart would push the story off the screen. */
function relatedByReason(story: Story) {
  const groups = new Map<string, { first: number; reason: Words; incidents: string[] }>();
  story.related.forEach((r, i) => {
    const g = groups.get(r.reason.en) ?? { first: i, reason: r.reason, incidents: [] };
    if (r.incident !== '') g.incidents.push(r.incident);
    groups.set(r.reason.en, g);
  });
  return [...groups.values()];
}
