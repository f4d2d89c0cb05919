import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import type { RejectedRule } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import { attackName, attackTags } from '../../i18n/attack';
import type { Messages } from '../../i18n/en';
import { onlyEnglish, pick, useSpeech } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { Button } from '../../ui/button';
import { FilterField, holds } from '../../ui/filter';
import { Chip, Panel } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Rows } from '../../ui/rows';
import { Severity } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';

/** The rules in use and, above them, those that were rejected with the reason. */
export function RulesPage() {
  const { t, language } = useSpeech();
  const { data, error, isPending, refetch } = useQuery(reads.rules());
  const [sel, setSel] = useState<string | undefined>(undefined);
  const [typed, setTyped] = useState('');
  const rules = useMemo(() => {
    const all = data?.rules ?? [];
    return all.filter((r) => holds(typed, [r.title?.en ?? '', r.title?.ja ?? '', r.id, r.file, ...r.attack]));
  }, [data, typed]);
  useKeys({ escape: sel ? () => setSel(undefined) : undefined });
  return (
    <div className="flex h-full flex-col" data-pane>
      <header className="flex min-h-11 items-center gap-3 border-b border-line px-3">
        <h1 className="text-base font-semibold">{t.rulesTitle}</h1>
        <FilterField label={t.rulesFilter} value={typed} onChange={setTyped} />
        {data && (
          <span className="text-xs text-muted">
            {t.rulesCount(data.rules.length, data.rules.filter((r) => r.canFire).length, data.rejected.length)}
          </span>
        )}
      </header>
      {isPending && <Loading rows={12} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && data.warnings.length > 0 && <Documents title={t.rulesWarnings} list={data.warnings} />}
      {data && data.rejected.length > 0 && <Documents title={t.rulesRejected} list={data.rejected} />}
      {data && data.rules.length === 0 && (
        <Empty kind="blind" title={t.rulesNone}>
          {t.rulesNoneText}
        </Empty>
      )}
      {data && data.rules.length > 0 && rules.length === 0 && (
        <Empty kind="filter" title={t.emptyFilter}>
          <Button onClick={() => setTyped('')}>{t.clearFilter}</Button>
        </Empty>
      )}
      {rules.length > 0 && (
        <Rows
          label={t.rulesTitle}
          items={rules}
          idOf={(r) => r.id}
          selected={sel}
          onSelect={setSel}
          columns="7.5rem minmax(16rem,2.4fr) minmax(9rem,1fr) 9rem 4.5rem minmax(7rem,0.8fr) minmax(8rem,1fr)"
          narrow={{ line: [0, 4], below: 1 }}
          heads={[t.ruleLevel, t.ruleTitle, t.attackLabel, t.ruleSource, t.ruleHits, t.ruleFilters, t.ruleFile]}
          row={(r) => [
            <Severity key="l" level={r.level} />,
            <span key="t" className="flex items-center gap-1 font-semibold">
              <span className="min-w-0 truncate">
                <Told text={pick(r.title, language)} english={onlyEnglish(r.title, language)} />
              </span>
              {r.ours && <Chip whole>{t.ruleOurs}</Chip>}
              {!r.canFire && (
                <Chip whole tone="warn" title={r.blindFields.join(', ')}>
                  {blindReason(t, r.blindReason)}
                </Chip>
              )}
            </span>,
            <Told
              key="a"
              text={attackTags(r.attack)
                .map((a) => attackName(a, language))
                .join(', ')}
            />,
            <Raw key="s" text={r.logsource} code />,
            <span key="h" className="tnum">
              {r.hits.toLocaleString(language)}
            </span>,
            <span key="n">
              {r.filters.map((f) => (
                <Chip key={`${f.file} ${f.line}`} tone={f.wide ? 'warn' : undefined} title={`${f.file}:${f.line}`}>
                  <Raw text={f.title} />
                </Chip>
              ))}
            </span>,
            <Raw key="f" text={r.file} code />,
          ]}
        />
      )}
    </div>
  );
}

/** Why a rule can never fire on this fleet, in the reader's language. */
function blindReason(t: Messages, reason: string): string {
  switch (reason) {
    case 'no sensor for the product':
      return t.ruleNoSensor;
    case 'log source not collected':
      return t.ruleNoLogSource;
    case 'hash not computed':
      return t.ruleNoHash;
    default:
      return t.ruleBlind;
  }
}

function Documents({ title, list }: { title: string; list: RejectedRule[] }) {
  const { t, language } = useSpeech();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: hundreds may be listed, and what scrolls must do so by keyboard
    <div role="group" aria-label={title} tabIndex={0} className="max-h-1/3 shrink-0 overflow-auto p-3">
      <Panel title={title}>
        <table className="w-full text-left text-xs">
          <thead className="text-muted">
            <tr>
              <th scope="col" className="px-3 py-1 font-medium">
                {t.ruleFile}
              </th>
              <th scope="col" className="pr-3 font-medium">
                {t.ruleLine}
              </th>
              <th scope="col" className="font-medium">
                {t.ruleReason}
              </th>
            </tr>
          </thead>
          <tbody>
            {list.map((r) => (
              <tr key={`${r.file} ${r.line} ${r.reason}`} className="border-t border-line">
                <td className="px-3 py-1">
                  <Raw text={r.file} code full />
                </td>
                <td className="tnum pr-3">{r.line || ''}</td>
                <td className="pr-3">
                  <Told text={pick(r.why, language) || r.reason} english={onlyEnglish(r.why, language)} full />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Panel>
    </div>
  );
}
