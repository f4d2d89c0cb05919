import { useState } from 'react';
import { useText } from '../i18n/language';
import { Button, Key } from '../ui/button';
import { Sheet } from '../ui/sheet';
import { useSingleKeys } from './keys';
import { type Binding, bindings, keyTexts, type Scope } from './registry';

export function KeyHelp({ onClose }: { onClose: () => void }) {
  const t = useText();
  const { enabled, setEnabled, active } = useSingleKeys();
  const [works] = useState(active); // of the page behind this sheet, when it opened
  const scopes: [Scope, string][] = [
    ['global', t.keysGlobal],
    ['list', t.keysLists],
    ['story', t.keysStory],
  ];
  const all: readonly (Binding & { id: (typeof bindings)[number]['id'] })[] = bindings;
  return (
    <Sheet title={t.keysTitle} onClose={onClose}>
      <div className="grid gap-6 sm:grid-cols-3">
        {scopes
          .filter(([scope]) => all.some((b) => b.scope === scope && works.has(b.id)))
          .map(([scope, name]) => (
            <section key={scope} aria-label={name}>
              <h3 className="mb-1 text-xs font-semibold text-muted">{name}</h3>
              <ul className="flex flex-col gap-1">
                {all
                  .filter((b) => b.scope === scope && works.has(b.id))
                  .map((b) => (
                    <li key={b.id} data-key={b.id} className="flex items-center gap-2">
                      <span>{t[b.label]}</span>
                      <span className="ml-auto flex gap-1">
                        {keyTexts(b.id).map((k) => (
                          <Key key={k} text={k} />
                        ))}
                      </span>
                    </li>
                  ))}
              </ul>
            </section>
          ))}
      </div>
      <div className="mt-4 flex items-center gap-3 border-t border-line pt-3">
        <Button onClick={() => setEnabled(!enabled)}>{enabled ? t.keysOff : t.keysOn}</Button>
        {!enabled && <p className="text-muted">{t.keysAreOff}</p>}
      </div>
    </Sheet>
  );
}
