import { expect, test } from 'vitest';
import { clockText, localTimes } from '../src/ui/time';

const now = Date.UTC(2026, 10, 30, 9, 0, 0);
const at = (...t: [number, number, number, number, number]) => Date.UTC(...t) * 1000;

test('a moment of another day has its date, however few hours ago it was', () => {
  expect(clockText(at(2026, 10, 30, 8, 59), 'en', 'utc', now)).toBe('08:59:00.000');
  expect(clockText(at(2026, 10, 29, 23, 59), 'en', 'utc', now)).toBe('29 Nov, 23:59:00');
  expect(clockText(at(2026, 10, 29, 16, 0), 'ja', 'utc', now)).toBe('11月29日 16:00:00');
  expect(clockText(at(2025, 11, 31, 16, 0), 'en', 'utc', now)).toBe('31 Dec 2025, 16:00:00');
});

test('a time that a sentence gives to the second is shown to the second', () => {
  const said =
    'vm: stopped at 2026-11-30 08:59:12 UTC, seen at 2026-11-30T08:59:12.696123Z and on 2026-11-29 23:59:58 UTC';
  expect(localTimes(said, 'en', 'utc', now)).toBe(
    'vm: stopped at 08:59:12, seen at 08:59:12.696 and on 29 Nov, 23:59:58',
  );
  expect(localTimes('停止: 2026-11-30 08:59:12 UTC', 'ja', 'utc', now)).toBe('停止: 08:59:12');
});
