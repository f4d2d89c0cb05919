import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import type { Language } from '../i18n/language';
import { Console, SaidSchema, type SessionResponse, SignIn } from './gen/console/v1/console_pb';
import { login } from './login';

const sendToken: Interceptor = (next) => (request) => {
  const token = login.token();
  if (token !== '') request.header.set('Authorization', `Bearer ${token}`);
  return next(request);
};

// Cookies of this host are of other ports: none is sent, and none that is huge stops a call.
const transport = createConnectTransport({
  baseUrl: '/',
  useBinaryFormat: true,
  interceptors: [sendToken],
  fetch: (url, init) => fetch(url, { ...init, credentials: 'omit' }),
});

export const api = createClient(Console, transport);
export const signIn = createClient(SignIn, transport);

/** Whose session this page has. Without a token nobody is asked: the answer is known. */
export async function whoAmI(signal?: AbortSignal): Promise<SessionResponse> {
  const sent = login.token();
  if (sent === '') throw new ConnectError('no session: sign in', Code.Unauthenticated);
  try {
    return await signIn.who({}, { signal });
  } catch (error) {
    if (isSignedOut(error)) login.end(sent);
    throw error;
  }
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ConnectError && (error.code === Code.NotFound || error.code === Code.InvalidArgument);
}

/** True where another changed a thing after the reader had decided what to do with it. */
export function wasMoved(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Aborted;
}

/** What the server said went wrong, in the page's language where the server has it. */
export function reasonOf(error: unknown, language: Language): string {
  if (error instanceof ConnectError) {
    const said = error.findDetails(SaidSchema)[0];
    return (language === 'ja' && said?.ja) || error.rawMessage;
  }
  return error instanceof Error ? error.message : String(error);
}

/** µs since 1970 as a plain number: exact until the year 2255. */
export function micros(t: bigint): number {
  return Number(t);
}
