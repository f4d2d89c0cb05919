/**
 * The login of this origin: scheme, host and port. Not a cookie, which a browser sends to, and takes from, every port of
 * a host: a page of another local port can neither read nor write what lies here. All tabs of the origin share it.
 */
const stored = { token: 'yagura.session', device: 'yagura.device' };

export const login = {
  token: (): string => localStorage.getItem(stored.token) ?? '',
  /** What an earlier sign-in gave this browser: the next one goes before strangers. */
  device: (): string => localStorage.getItem(stored.device) ?? '',
  begin: (token: string, device: string): void => {
    localStorage.setItem(stored.device, device);
    localStorage.setItem(stored.token, token);
  },
  /** Forgets a session that is over, unless another tab has begun the next one. */
  end: (token: string): void => {
    if (localStorage.getItem(stored.token) === token) localStorage.removeItem(stored.token);
  },
  /** Tells when another tab signed in (true) or out (false). Gives the way to stop. */
  watch: (changed: (signedIn: boolean) => void): (() => void) => {
    const hear = (e: StorageEvent) => {
      if (e.key === stored.token || e.key === null) changed(login.token() !== '');
    };
    addEventListener('storage', hear);
    return () => removeEventListener('storage', hear);
  },
};
