import { useText } from '../i18n/language';
import { Button, Key } from '../ui/button';
import { Sheet } from '../ui/sheet';
import { useSingleKeys } from './keys';
import { type Binding, bindings, keyText, type Scope } from './registry';

export function KeyHelp({ onClose }: { onClose: () => void }) {
  const t = useText();
  const { enabled, setEnabled } = useSingleKeys();
  const scopes: [Scope, string][] = [
    ['global', t.keysGlobal],
    ['list', t.keysLists],
    ['story', t.keysStory],
  ];
  const all: readonly (Binding & { id: (typeof bindings)[number]['id'] })[] = bindings;
  return (
    <Sheet title={t.keysTitle} onClose={onClose}>
      <div className="grid gap-6 sm:grid-cols-3">
        {scopes.map(([scope, name]) => (
          <section key={scope} aria-label={name}>
            <h3 className="mb-1 text-xs font-semibold text-muted">{name}</h3>
            <ul className="flex flex-col gap-1">
              {all
                .filter((b) => b.scope === scope)
                .map((b) => (
                  <li key={b.id} className="flex items-center gap-2">
                    <span>{t[b.label]}</span>
                    <Key text={keyText(b.id)} />
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
