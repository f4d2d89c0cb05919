import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useText } from '../i18n/language';
import { Button } from './button';

/**
 * A modal sheet on the native dialog: it keeps the focus inside, Esc closes it, and the focus goes back. It opens on
 * its content, so that Space or Enter pressed in haste do not press the close button.
 */
export function Sheet({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const t = useText();
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>('[data-sheet] :is(input, textarea, button, a[href])')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      className="m-auto w-[min(56rem,92vw)] rounded-lg border border-line-strong bg-surface-1 p-0 text-text shadow-2xl"
    >
      <header className="flex items-center border-b border-line px-4 py-2">
        <h2 id={id} className="text-base font-semibold">
          {title}
        </h2>
        <div className="ml-auto">
          <Button tone="ghost" onClick={onClose} label={t.close}>
            ✕
          </Button>
        </div>
      </header>
      <div data-sheet className="max-h-[75vh] overflow-auto p-4">
        {children}
      </div>
    </dialog>
  );
}
