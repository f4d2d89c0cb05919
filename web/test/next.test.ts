import { expect, test } from 'vitest';
import { ourPath } from '../src/app/next';

const origin = 'http://localhost:8443';

test('sign-in goes on to paths of this console and nowhere else', () => {
  for (const path of ['/incidents/i-1', '/t/main/hosts?sel=h-1', '/t/main/incidents/i-1?sel=a#b'])
    expect(ourPath(path, origin)).toBe(path);
  for (const bad of [
    undefined,
    '',
    'https://evil.example/',
    '//evil.example/t/main',
    '/\\evil.example',
    '\\/evil.example',
    '/\t/evil.example',
    '/\n//evil.example',
    'javascript:alert(1)',
    't/main/home',
    '/..//evil.example',
    '/t/..//evil.example',
    '/sign-in?next=/sign-in',
    '/',
  ])
    expect(ourPath(bad, origin), String(bad)).toBeUndefined();
});
