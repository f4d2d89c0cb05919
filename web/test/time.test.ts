import { expect, test } from 'vitest';
import { clockText } from '../src/ui/time';

const now = Date.UTC(2026, 10, 30, 9, 0, 0);
const at = (...t: [number, number, number, number, number]) => Date.UTC(...t) * 1000;

test('a moment of another day has its date, however few hours ago it was', () => {
  expect(clockText(at(2026, 10, 30, 8, 59), 'en', 'utc', now)).toBe('08:59:00.000');
  expect(clockText(at(2026, 10, 29, 23, 59), 'en', 'utc', now)).toBe('29 Nov, 23:59:00');
  expect(clockText(at(2026, 10, 29, 16, 0), 'ja', 'utc', now)).toBe('11月29日 16:00:00');
  expect(clockText(at(2025, 11, 31, 16, 0), 'en', 'utc', now)).toBe('31 Dec 2025, 16:00:00');
});
