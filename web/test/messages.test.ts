import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { en } from '../src/i18n/en';
import { ja } from '../src/i18n/ja';
import { firstLanguage, pick } from '../src/i18n/language';

const keys = Object.keys(en) as (keyof typeof en)[];
const said = (table: typeof en | typeof ja, key: keyof typeof en): string => {
  const m: unknown = table[key];
  return typeof m === 'function' ? String((m as (...a: unknown[]) => string)(2, 3, 4, 5)) : String(m);
};

describe('messages', () => {
  test('both languages have the same keys and no empty message', () => {
    expect(Object.keys(ja).sort()).toEqual([...keys].sort());
    const blank = ['sinceBefore', 'sinceAfter'];
    for (const key of keys) {
      if (blank.includes(key)) continue;
      expect(said(en, key).trim(), key).not.toBe('');
      expect(said(ja, key).trim(), key).not.toBe('');
    }
  });

  test('Japanese messages are in Japanese, but for names', () => {
    const names = [
      'product',
      'utc',
      'sha256',
      'classDns',
      'rowPid',
      'pid',
      'kindUrl',
      'attackLabel',
      'sinceBefore',
      'hostOs',
      'aside',
    ];
    for (const key of keys) {
      if (!names.includes(key)) expect(said(ja, key), key).toMatch(/[぀-ヿ一-鿿]/);
    }
  });

  test('the words of the glossary are kept', () => {
    for (const key of keys) {
      const text = said(ja, key);
      expect(text, key).not.toMatch(/端末/);
      // 隔離 alone means two things in Japan: ネットワーク隔離 for a host, ファイル検疫 for a file.
      expect(text.replaceAll('ネットワーク隔離', ''), key).not.toMatch(/隔離/);
      expect(text, key).not.toMatch(/アラート|エンドポイント/);
      expect(said(en, key), key).not.toMatch(/\b(alert|endpoint|asset|machine)s?\b/i);
    }
    // Words that were two for one thing, or claimed too much (docs/glossary.md has what to write).
    for (const key of keys) {
      const at = `${key}: ${said(ja, key)}`;
      expect(at).not.toMatch(
        /命令|操作|却下|利用者|自前|イメージ|視界|沈黙|配送|待機|被害アカウント|不可視|帰属なし|結論なし/,
      );
      expect(at.replaceAll('攻撃ストーリー', ''), key).not.toMatch(/ストーリー/);
      expect(at, 'parentheses beside Japanese text are full-width').not.toMatch(
        /[ぁ-んァ-ヶ一-鿿]\(|\)[ぁ-んァ-ヶ一-鿿]/,
      );
    }
    for (const [key, word] of [
      ['critical', '緊急'],
      ['high', '高'],
      ['medium', '中'],
      ['low', '低'],
    ] as const) {
      expect(ja[key]).toContain(word);
      expect(ja[key]).toContain(en[key]);
    }
  });

  test('no component holds words of its own', () => {
    const found: string[] = [];
    const walk = (dir: string) => {
      for (const f of readdirSync(dir, { withFileTypes: true })) {
        const path = join(dir, f.name);
        if (f.isDirectory()) walk(path);
        else if (f.name.endsWith('.tsx')) {
          for (const m of readFileSync(path, 'utf8').matchAll(/>\s*([A-Za-z][A-Za-z ]{2,}[a-z.!?])\s*<\//g))
            found.push(`${path}: ${m[1]}`);
        }
      }
    };
    walk(join(import.meta.dirname, '../src'));
    // The enrolment command is the same in every language.
    expect(found.filter((f) => !/DIR enroll token/.test(f))).toEqual([]);
  });

  test('the language comes from the choice, then from the browser', () => {
    expect(firstLanguage(null, ['ja-JP', 'en'])).toBe('ja');
    expect(firstLanguage(null, ['de'])).toBe('en');
    expect(firstLanguage('en', ['ja'])).toBe('en');
    expect(pick({ en: 'a', ja: '' }, 'ja')).toBe('a');
    expect(pick({ en: 'a', ja: 'あ' }, 'ja')).toBe('あ');
  });
});
