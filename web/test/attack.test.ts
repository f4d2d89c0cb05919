import { expect, test } from 'vitest';
import { attackName, attackNote, attackTags } from '../src/i18n/attack';

test('tactics have a name in both languages, new ones say where they come from, unknown ones stay', () => {
  expect(attackName('tactic:lateral-movement', 'en')).toBe('lateral movement');
  expect(attackName('tactic:lateral-movement', 'ja')).toBe('横展開');
  expect(attackName('T1059.004', 'ja')).toBe('T1059.004');
  for (const tag of ['tactic:stealth', 'tactic:defense-impairment']) {
    expect(attackNote(tag, 'en')).toContain('defense evasion');
    expect(attackNote(tag, 'ja')).toContain('防御回避');
  }
  expect(attackNote('tactic:defense-evasion', 'en')).toBeUndefined();
  expect(attackName('tactic:something-new', 'ja')).toBe('something-new');
  expect(attackTags(['T1053.003', 'T1053.003', 'tactic:execution'])).toEqual(['T1053.003', 'tactic:execution']);
});
