import { expect, test } from 'vitest';
import { linkOf, ourPath } from '../src/app/next';

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
    '/sign-in/',
    '/sign-in//?next=%2F',
    '/Sign-In',
    '/%73ign-in/#x',
    '/t/../sign-in/',
    '/',
  ])
    expect(ourPath(bad, origin), String(bad)).toBeUndefined();
});

test('a mangled one-time link is handed on as it came, and breaks no page', () => {
  expect(linkOf('#abc-_1')).toBe('abc-_1');
  expect(linkOf('#a%3Db')).toBe('a=b');
  expect(linkOf('#%E0%A4%A')).toBe('%E0%A4%A');
  expect(linkOf('')).toBe('');
});
