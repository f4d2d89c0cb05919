import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useText } from '../i18n/language';
import { Button } from './button';

/** A modal sheet on the native dialog: it keeps the focus inside, Esc closes it, and the focus goes back. */
export function Sheet({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const t = useText();
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
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
      <div className="max-h-[75vh] overflow-auto p-4">{children}</div>
    </dialog>
  );
}
