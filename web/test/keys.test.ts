import { expect, test } from 'vitest';
import { type Binding, bindings } from '../src/keys/registry';

test('no key means two things inside a scope or against the global keys', () => {
  const all: readonly Binding[] = bindings;
  for (const scope of ['list', 'story'] as const) {
    const seen = new Map<string, string>();
    for (const b of all.filter((x) => x.scope === scope || x.scope === 'global')) {
      for (const k of b.keys) {
        expect(seen.get(k), `${k} is ${b.id} and`).toBeUndefined();
        seen.set(k, b.id);
      }
    }
    // A sequence may not begin with a key that acts alone.
    for (const k of seen.keys()) if (k.includes(' ')) expect(seen.has(k.split(' ')[0] ?? '')).toBe(false);
  }
});
