import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verdicts } from '../src/api/gen/verdicts';

test('the verdicts of the console are those of the server, each with its words', () => {
  const go = readFileSync(join(import.meta.dirname, '../../internal/incident/verdict.go'), 'utf8');
  const ids = [...go.matchAll(/^\t\t\{"([A-Za-z-]+)", Said/gm)].map((m) => m[1]);
  expect(ids.length).toBeGreaterThanOrEqual(5);
  expect(verdicts.map((v) => v.id)).toEqual(ids);
  for (const v of verdicts) expect(v.word.ja + v.means.ja).toMatch(/[ぁ-んァ-ヶ一-鿿]/);
});
