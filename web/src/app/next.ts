/**
 * Where to go after sign-in: a path of this console, or nothing. The text comes from the address and may hold
 * anything; only what a browser would resolve to our own origin, and not to the sign-in page again, is taken.
 */
export function ourPath(next: string | undefined, origin: string): string | undefined {
  if (!next?.startsWith('/')) return undefined;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: browsers drop them and read what is left
  if (/^[/\\]{2}|[\u0000-\u001f\\]/.test(next)) return undefined;
  const url = URL.parse(next, origin);
  if (url === null || url.origin !== origin || url.pathname.startsWith('//')) return undefined;
  if (/^\/*(sign-in\/*)?$/i.test(decoded(url.pathname))) return undefined; // as the router reads paths
  return url.pathname + url.search + url.hash;
}

/** The one-time link behind #. One that a mail program has mangled stays as it is: the server says that it is not valid. */
export function linkOf(hash: string): string {
  return decoded(hash.replace(/^#/, ''));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
