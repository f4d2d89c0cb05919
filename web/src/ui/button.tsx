import { type ReactNode, useState } from 'react';
import { useText } from '../i18n/language';

const tones = {
  plain: 'border-line-strong bg-surface-2 text-text hover:bg-hover',
  primary: 'border-transparent bg-accent-fill text-on-accent hover:brightness-110',
  danger: 'border-critical bg-critical-bg text-critical hover:brightness-110',
  ghost: 'border-transparent bg-transparent text-text-2 hover:bg-hover hover:text-text',
} as const;

export function Button({
  children,
  onClick,
  tone = 'plain',
  type = 'button',
  disabled = false,
  label,
  title,
  pressed,
  hint,
}: {
  children: ReactNode;
  onClick?: () => void;
  tone?: keyof typeof tones;
  type?: 'button' | 'submit';
  disabled?: boolean;
  /** the name of a button without words */
  label?: string;
  /** what a button with words adds for the pointer */
  title?: string;
  pressed?: boolean;
  hint?: string;
}) {
  return (
    <button
      type={type === 'submit' ? 'submit' : 'button'}
      onClick={onClick}
      disabled={disabled}
      aria-label={label}
      title={title ?? label}
      aria-pressed={pressed}
      className={`inline-flex min-h-7 items-center justify-center gap-1.5 rounded border px-2 py-0.5 text-sm whitespace-nowrap disabled:cursor-not-allowed disabled:opacity-60 ${tones[tone]}`}
    >
      {children}
      {hint && <Key text={hint} />}
    </button>
  );
}

/** A key as it stands beside what it does. */
export function Key({ text }: { text: string }) {
  return (
    <kbd className="ml-auto rounded-sm border border-line-strong bg-surface-1 px-1 font-mono text-2xs leading-4 text-text-2">
      {text}
    </kbd>
  );
}

export function CopyButton({ text }: { text: string }) {
  const t = useText();
  const [copied, setCopied] = useState(false);
  return (
    <Button tone="ghost" onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>
      {copied ? t.copied : t.copy}
    </Button>
  );
}
