import type { Language } from './language';

/**
 * ATT&CK tactics. The two marked with an asterisk came when ATT&CK split defense evasion; SigmaHQ's rules use them already,
 * ours and older ones do not.
 */
const tactics: Record<string, { en: string; ja: string }> = {
  reconnaissance: { en: 'reconnaissance', ja: '偵察' },
  'resource-development': { en: 'resource development', ja: 'リソース開発' },
  'initial-access': { en: 'initial access', ja: '初期アクセス' },
  execution: { en: 'execution', ja: '実行' },
  persistence: { en: 'persistence', ja: '永続化' },
  'privilege-escalation': { en: 'privilege escalation', ja: '権限昇格' },
  'defense-evasion': { en: 'defense evasion', ja: '防御回避' },
  stealth: { en: 'stealth*', ja: '隠密*' },
  'defense-impairment': { en: 'defense impairment*', ja: '防御の妨害*' },
  'credential-access': { en: 'credential access', ja: '認証情報アクセス' },
  discovery: { en: 'discovery', ja: '探索' },
  'lateral-movement': { en: 'lateral movement', ja: '横展開' },
  collection: { en: 'collection', ja: '収集' },
  'command-and-control': { en: 'command and control', ja: '遠隔操作（C2）' },
  exfiltration: { en: 'exfiltration', ja: '持ち出し' },
  impact: { en: 'impact', ja: '影響' },
};

const split: Record<Language, string> = {
  en: '* Part of defense evasion until ATT&CK split it',
  ja: '* ATT&CK で分割されるまでは防御回避の一部',
};

/** A tag of a rule as people read it: a technique's id, or a tactic's name. A name we do not know stays as it is. */
export function attackName(tag: string, language: Language): string {
  if (!tag.startsWith('tactic:')) return tag;
  const name = tag.slice('tactic:'.length);
  return tactics[name]?.[language] ?? name;
}

/** What a tactic's asterisk means; nothing for the others. */
export function attackNote(tag: string, language: Language): string | undefined {
  return attackName(tag, language).endsWith('*') ? split[language] : undefined;
}

/** Tags in the order written, each once: some rules name a technique twice. */
export function attackTags(tags: string[]): string[] {
  return [...new Set(tags)];
}
