import { expect, test } from 'vitest';
import { baseName, show } from '../src/ui/show';

// The same examples as event.Show holds to on the server.
test.each([
  ['plain', 'plain'],
  ['日本語 🗼', '日本語 🗼'],
  ['a\u202eb', 'a⟦U+202E⟧b'],
  ['\u2066x\u2069', '⟦U+2066⟧x⟦U+2069⟧'],
  ['a\nb\tc\rd', 'a\\nb\\tc\\rd'],
  ['\u001b[31m', '\\x1b[31m'],
  ['\u0000\u007f\u009f', '\\x00\\x7f\\x9f'],
  ['\u{10FEA5}\u{10FEFF}', '\\xa5\\xff'],
  ['zero\u200bwidth\ufeff', 'zero⟦U+200B⟧width⟦U+FEFF⟧'],
  ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
])('show(%j) is %j', (text, want) => expect(show(text)).toBe(want));

test('the name of an image is its last part, by its own separators', () => {
  expect(baseName('/usr/bin/sh')).toBe('sh');
  expect(baseName('C:\\Windows\\System32\\cmd.exe')).toBe('cmd.exe');
  expect(baseName('')).toBe('');
});
