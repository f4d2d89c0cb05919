import { useCallback, useState } from 'react';

export type Theme = 'dark' | 'light';
const stored = 'yagura.theme';

/** Sets the theme before the first paint: the kept choice, else dark, as rooms with this screen are. */
export function applyTheme(): Theme {
  const kept = localStorage.getItem(stored);
  const theme: Theme = kept === 'light' ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  return theme;
}

export function useTheme(): { theme: Theme; setTheme: (t: Theme) => void } {
  const [theme, set] = useState<Theme>(() => (document.documentElement.dataset.theme === 'light' ? 'light' : 'dark'));
  const setTheme = useCallback((t: Theme) => {
    localStorage.setItem(stored, t);
    document.documentElement.dataset.theme = t;
    set(t);
  }, []);
  return { theme, setTheme };
}
