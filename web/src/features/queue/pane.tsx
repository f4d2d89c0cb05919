import { Link } from '@tanstack/react-router';
import { micros } from '../../api/client';
import type { Detection } from '../../api/gen/console/v1/console_pb';
import { attackName, attackNote, attackTags } from '../../i18n/attack';
import { onlyEnglish, pick, useSpeech } from '../../i18n/language';
import { CopyButton, Key } from '../../ui/button';
import { Chip, Fact, Head } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { Moment } from '../../ui/time';

/** Which rule fired, on which fields, why that matters and what to do. */
export function DetectionPane({ detection: d, tenant }: { detection: Detection; tenant: string }) {
  const { t, language } = useSpeech();
  return (
    <>
      <div className="flex items-center gap-2">
        <Severity level={d.severity} />
        <Moment at={micros(d.time)} />
        {d.titleMachineEnglish && language === 'ja' && <Chip>{t.machineEnglish}</Chip>}
      </div>
      <h2 className="mt-1 text-base font-semibold">
        <Told text={pick(d.title, language)} english={onlyEnglish(d.title, language)} full />
      </h2>
      <p className="mt-2">
        {d.incidentId !== '' ? (
          <Link
            to="/t/$tenant/incidents/$id"
            params={{ tenant, id: d.incidentId }}
            search={{ sel: d.process || undefined }}
            className="inline-flex min-h-7 items-center gap-2 rounded bg-accent-fill px-3 font-semibold text-on-accent hover:brightness-110"
          >
            {t.openIncident} <Key text="↵" />
          </Link>
        ) : (
          <span className="text-muted">{t.noIncident}</span>
        )}
      </p>
      {d.commandLine !== '' && (
        <div className="mt-3 rounded border border-line bg-bg p-2">
          <div className="flex items-center text-xs text-muted">
            {t.commandLine}
            <span className="ml-auto">
              <CopyButton text={d.commandLine} />
            </span>
          </div>
          <Raw text={d.commandLine} code full />
        </div>
      )}
      <Head>{t.whyMatters}</Head>
      <p>
        <Told text={pick(d.why, language)} english={onlyEnglish(d.why, language)} full />
      </p>
      <Head>{t.whatToDo}</Head>
      <p>
        <Told text={pick(d.todo, language)} english={onlyEnglish(d.todo, language)} full />
      </p>
      <Head>{t.matchedFields}</Head>
      <table className="w-full border-collapse text-left text-xs">
        <thead className="text-muted">
          <tr>
            <th scope="col" className="pr-2 font-normal whitespace-nowrap">
              {t.field}
            </th>
            <th scope="col" className="font-normal">
              {t.value}
            </th>
            <th scope="col" className="font-normal whitespace-nowrap">
              {t.selection}
            </th>
          </tr>
        </thead>
        <tbody>
          {d.matched.map((m) => (
            <tr key={`${m.selection} ${m.field} ${m.value}`} className="border-t border-line align-top">
              <td translate="no" className="py-0.5 pr-2 font-mono whitespace-nowrap">
                {m.field}
              </td>
              <td className="py-0.5 pr-2">
                <Raw text={m.value} code full />
              </td>
              <td translate="no" className="py-0.5 font-mono">
                {m.selection}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Head>{t.details}</Head>
      <dl>
        <Fact name={t.host}>
          <Raw text={d.hostname || d.hostId} full />
        </Fact>
        <Fact name={t.user}>
          <Raw text={d.user} full />
        </Fact>
        <Fact name={t.image}>
          <Raw text={d.image} code full />
        </Fact>
        <Fact name={t.attackLabel}>
          <span className="flex flex-wrap gap-1">
            {attackTags(d.attack).map((a) => (
              <Chip key={a} title={attackNote(a, language)}>
                {attackName(a, language)}
              </Chip>
            ))}
          </span>
        </Fact>
        <Fact name={t.detectedAt}>
          <Moment at={micros(d.detected)} />
        </Fact>
        <Fact name={t.latency}>
          <span className="tnum">
            {Math.max(0, Math.round((micros(d.detected) - micros(d.time)) / 1000)).toLocaleString(language)} ms
          </span>
        </Fact>
        <Fact name={t.ruleLabel}>
          <Raw text={d.ruleId} code full />
        </Fact>
        <Fact name={t.ruleAuthor}>
          <Raw text={`${d.author}${d.licence === '' ? '' : ` · ${d.licence}`}`} full />
        </Fact>
        {d.process !== '' && (
          <Fact name={t.processKey}>
            <Raw text={d.process} code full />
          </Fact>
        )}
        <Fact name={t.eventLabel}>
          <Raw text={d.eventId} code full />
        </Fact>
      </dl>
    </>
  );
}
