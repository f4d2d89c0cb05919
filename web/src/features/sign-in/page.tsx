import { Code, ConnectError } from '@connectrpc/connect';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { reasonOf, signIn, whoAmI } from '../../api/client';
import type { BeginResponse, SessionResponse } from '../../api/gen/console/v1/console_pb';
import { login } from '../../api/login';
import { reads } from '../../api/reads';
import { linkOf, ourPath } from '../../app/next';
import { useTheme } from '../../app/theme';
import { languages, useSpeech, useText } from '../../i18n/language';
import { Button, CopyButton } from '../../ui/button';
import { Icon, Tower } from '../../ui/icon';
import { show } from '../../ui/show';

/** The only page without a session. A one-time link (behind #) leads to set-up, everything else to sign-in. */
export function SignInPage() {
  const { t, language, setLanguage } = useSpeech();
  const { theme, setTheme } = useTheme();
  const [link] = useState(() => linkOf(location.hash));
  return (
    <div className="flex h-full flex-col overflow-auto">
      <header className="flex items-center gap-2 p-3">
        <Tower />
        <span className="text-base font-bold">{t.product}</span>
        <div className="ml-auto flex gap-1">
          {languages.map((l) => (
            <Button key={l} tone="ghost" pressed={language === l} onClick={() => setLanguage(l)}>
              <span lang={l}>{l === 'en' ? 'English' : '日本語'}</span>
            </Button>
          ))}
          <Button
            tone="ghost"
            onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}
            label={theme === 'dark' ? t.themeToLight : t.themeToDark}
          >
            <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
          </Button>
        </div>
      </header>
      <main className="mx-auto w-full max-w-md px-4 pt-[6vh] pb-8">
        {link === '' ? <Open /> : <ByLink link={link} />}
      </main>
    </div>
  );
}

function useEnter(): (s: SessionResponse) => void {
  const client = useQueryClient();
  const router = useRouter();
  const navigate = useNavigate();
  const { next } = useSearch({ from: '/sign-in' });
  return (s) => {
    client.clear();
    client.setQueryData(reads.who().queryKey, s);
    const path = ourPath(next, location.origin);
    if (path !== undefined) router.history.replace(path);
    else void navigate({ to: '/t/$tenant/home', params: { tenant: s.tenantName }, replace: true });
  };
}

function useWords(): (error: unknown) => string {
  const { t, language } = useSpeech();
  return (error) => {
    if (!(error instanceof ConnectError)) return reasonOf(error, language);
    if (error.code === Code.Unauthenticated) return t.signInFailed;
    return reasonOf(error, language);
  };
}

function Open({ note, link = '', lost }: { note?: string; link?: string; lost?: () => void }) {
  const t = useText();
  const { next } = useSearch({ from: '/sign-in' });
  const enter = useEnter();
  const words = useWords();
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const [two, setTwo] = useState(false);
  const entered = useRef(enter);
  entered.current = enter;
  useEffect(
    // Another tab of this browser has signed in: so has this one.
    () => login.watch((signedIn) => void (signedIn && whoAmI().then((s) => entered.current(s), ignore))),
    [],
  );
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    if (busy) return; // not a disabled button: that would lose the focus
    const f = new FormData(e.currentTarget);
    setBusy(true);
    setError('');
    signIn
      .open({
        name: value(f, 'name'),
        password: value(f, 'password'),
        totpCode: value(f, 'code'),
        nextCode: value(f, 'nextCode'),
        device: login.device(),
        link,
      })
      .then(begin)
      .then(enter)
      .catch((reason: unknown) => {
        const more = reason instanceof ConnectError && reason.code === Code.FailedPrecondition;
        setTwo(two || more);
        setError(more ? t.twoCodes : words(reason));
      })
      .finally(() => setBusy(false));
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <h1 className="text-xl font-semibold">{t.signInTitle}</h1>
      {note && <p className="text-text-2">{note}</p>}
      {!note && next && <p className="text-text-2">{t.signInNext}</p>}
      <Field label={t.userName} name="name" autoComplete="username" focus />
      <Field label={t.password} name="password" type="password" autoComplete="current-password" />
      <Field label={t.code} name="code" autoComplete="one-time-code" numeric hint={t.codeHint} />
      {two && <Field label={t.nextCode} name="nextCode" autoComplete="off" numeric hint={t.nextCodeHint} focus />}
      <Problem text={error} />
      <Button type="submit" tone="primary">
        {t.signIn}
      </Button>
      {lost && <Button onClick={lost}>{t.lostCredentials}</Button>}
    </form>
  );
}

function ignore() {}

/** Keeps what was told once. */
function begin(s: SessionResponse): SessionResponse {
  login.begin(s.token, s.device);
  return s;
}

/** A link makes the first user; where there is one it opens the form, and replaces the user only when that is asked for. */
function ByLink({ link }: { link: string }) {
  const t = useText();
  const [lost, setLost] = useState(false);
  const begun = useQuery({
    queryKey: ['begin', link],
    queryFn: () => signIn.begin({ link }),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (begun.isPending) return <p role="status">{t.linkChecking}</p>;
  if (begun.error) {
    const done = reasonOf(begun.error, 'en').startsWith('set-up is done');
    return <Open note={done ? t.setUpDone : t.linkBad} />;
  }
  if (begun.data.replaces !== '' && !lost) return <Open note={t.linkKnown} link={link} lost={() => setLost(true)} />;
  return <SetUp link={link} begun={begun.data} />;
}

function SetUp({ link, begun }: { link: string; begun: BeginResponse }) {
  const t = useText();
  const enter = useEnter();
  const words = useWords();
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const qr = useDataURL(begun.totpQrPng);
  const { replaces } = begun;
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    if (busy) return; // not a disabled button: that would lose the focus
    const f = new FormData(e.currentTarget);
    setBusy(true);
    setError('');
    signIn
      .finish({
        link,
        name: value(f, 'name'),
        password: value(f, 'password'),
        totpCode: value(f, 'code'),
        totpSecret: begun.totpSecret,
      })
      .then(begin)
      .then(enter)
      .catch((reason: unknown) => setError(words(reason)))
      .finally(() => setBusy(false));
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <div>
        <h1 className="text-xl font-semibold">{replaces === '' ? t.setUpTitle : t.resetTitle}</h1>
        {replaces !== '' && (
          <p role="note" className="mt-2 rounded border border-warn bg-warn-bg p-2 text-warn">
            {t.resetText(show(replaces))}
          </p>
        )}
        <p className="mt-1 text-text-2">{t.setUpText}</p>
      </div>
      <Field label={t.userName} name="name" autoComplete="username" focus first={replaces} />
      <Field label={t.password} name="password" type="password" autoComplete="new-password" hint={t.passwordHint} />
      <div className="flex gap-4 rounded-md border border-line bg-surface-1 p-3">
        {qr && <img src={qr} alt={t.qrAlt} width={148} height={148} className="size-37 rounded bg-white" />}
        <div className="min-w-0 flex-1">
          <p className="text-text-2">{t.secretLabel}</p>
          <code data-totp-secret translate="no" className="mt-1 block font-mono text-sm break-all">
            {begun.totpSecret}
          </code>
          <CopyButton text={begun.totpSecret} />
        </div>
      </div>
      <Field label={t.code} name="code" autoComplete="one-time-code" numeric hint={t.codeHint} />
      <Problem text={error} />
      <Button type="submit" tone="primary">
        {replaces === '' ? t.setUpSubmit : t.resetSubmit}
      </Button>
    </form>
  );
}

function value(f: FormData, name: string): string {
  const v = f.get(name);
  return typeof v === 'string' ? v : '';
}

function useDataURL(png: Uint8Array | undefined): string | undefined {
  if (!png) return undefined;
  let bytes = '';
  for (const b of png) bytes += String.fromCharCode(b);
  return `data:image/png;base64,${btoa(bytes)}`;
}

function Problem({ text }: { text: string }): ReactNode {
  return (
    <div role="alert" className={text === '' ? '' : 'rounded border border-critical bg-critical-bg p-2 text-critical'}>
      {text}
    </div>
  );
}

function Field({
  label,
  name,
  type = 'text',
  autoComplete,
  hint,
  numeric = false,
  focus = false,
  first = '',
}: {
  label: string;
  name: string;
  type?: 'text' | 'password';
  autoComplete: string;
  hint?: string;
  numeric?: boolean;
  focus?: boolean;
  /** what stands in it at first */
  first?: string;
}) {
  const id = useId();
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (focus) ref.current?.focus();
  }, [focus]);
  return (
    <div>
      <label htmlFor={id} className="mb-1 block font-semibold">
        {label}
      </label>
      <input
        ref={ref}
        id={id}
        name={name}
        type={type}
        defaultValue={first}
        required
        autoComplete={autoComplete}
        inputMode={numeric ? 'numeric' : undefined}
        pattern={numeric ? '[0-9 ]{6,7}' : undefined}
        aria-describedby={hint ? `${id}-hint` : undefined}
        className="field"
      />
      {hint && (
        <p id={`${id}-hint`} className="mt-1 text-xs text-muted">
          {hint}
        </p>
      )}
    </div>
  );
}
