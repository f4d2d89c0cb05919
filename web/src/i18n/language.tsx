import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import type { Said } from '../api/gen/console/v1/console_pb';
import { en, type Messages } from './en';
import { ja } from './ja';

export type Language = 'en' | 'ja';
export const languages: readonly Language[] = ['en', 'ja'];
const table: Record<Language, Messages> = { en, ja };
const stored = 'yagura.language';

export function firstLanguage(kept: string | null, wanted: readonly string[]): Language {
  if (kept === 'en' || kept === 'ja') return kept;
  return wanted.some((w) => w.toLowerCase().startsWith('ja')) ? 'ja' : 'en';
}

interface Speech {
  language: Language;
  t: Messages;
  setLanguage: (l: Language) => void;
}

const Context = createContext<Speech>({ language: 'en', t: en, setLanguage: () => undefined });

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, set] = useState<Language>(() => firstLanguage(localStorage.getItem(stored), navigator.languages));
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const setLanguage = useCallback((l: Language) => {
    localStorage.setItem(stored, l);
    set(l);
  }, []);
  const speech = useMemo(() => ({ language, t: table[language], setLanguage }), [language, setLanguage]);
  return <Context.Provider value={speech}>{children}</Context.Provider>;
}

export function useSpeech(): Speech {
  return useContext(Context);
}

/** The messages of the chosen language. */
export function useText(): Messages {
  return useContext(Context).t;
}

/** True where the page is Japanese and the server has the sentence in English only. */
export function onlyEnglish(said: Pick<Said, 'en' | 'ja'> | undefined, language: Language): boolean {
  return language === 'ja' && said !== undefined && said.ja === '';
}

/** A sentence of the server in the chosen language; English when it has no Japanese. */
export function pick(said: Pick<Said, 'en' | 'ja'> | undefined, language: Language): string {
  if (!said) return '';
  return language === 'ja' && said.ja !== '' ? said.ja : said.en;
}
