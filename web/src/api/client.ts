import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import type { Language } from '../i18n/language';
import { Console, SaidSchema, SignIn } from './gen/console/v1/console_pb';

/** The CSRF token of the session; `who` sets it, every call sends it. */
const token = { csrf: '' };

export function holdToken(csrf: string): void {
  token.csrf = csrf;
}

const sendToken: Interceptor = (next) => (request) => {
  if (token.csrf !== '') request.header.set('Yagura-Csrf', token.csrf);
  return next(request);
};

const transport = createConnectTransport({ baseUrl: '/', useBinaryFormat: true, interceptors: [sendToken] });

export const api = createClient(Console, transport);
export const signIn = createClient(SignIn, transport);

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
