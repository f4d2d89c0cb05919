import { show } from './show';

/** A value made on a host: escaped, isolated from the text around it, in the fixed font when it is code. */
export function Raw({ text, code = false, full = false }: { text: string; code?: boolean; full?: boolean }) {
  const shown = show(text);
  return (
    <bdi translate="no" title={full ? undefined : shown} className={`raw ${code ? 'font-mono text-xs' : ''}`}>
      {shown}
    </bdi>
  );
}

/**
 * A sentence of the server, which may hold values of a host: drawn as safely as Raw. It is in the page's language,
 * or says with `english` that it has no other: a test walks every screen and refuses what is neither.
 */
export function Told({ text, full = false, english = false }: { text: string; full?: boolean; english?: boolean }) {
  const shown = show(text);
  return (
    <bdi lang={english ? 'en' : undefined} title={full ? undefined : shown} className="raw">
      {shown}
    </bdi>
  );
}

/** A name that is the same in every language: a kind of event, a technique, a rule's field. */
export function Term({ text, code = false }: { text: string; code?: boolean }) {
  return (
    <span translate="no" className={code ? 'font-mono text-xs' : ''}>
      {text}
    </span>
  );
}
