import i18n from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";
import en from "./en.json";
import zhWords from "./zh.json";

/** The names of all words. Flat, with dots in them. */
export type Key = keyof typeof en;

const zh: Record<Key, string> = zhWords; // a missing word does not compile

export type Language = "en" | "zh";

const storageKey = "zensus.language";

function firstLanguage(): Language {
  const stored = readStored();
  if (stored === "en" || stored === "zh") {
    return stored;
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

// Storage may be switched off; the choice then lasts as long as the page.
function readStored(): string | null {
  try {
    return localStorage.getItem(storageKey);
  } catch {
    return null;
  }
}

i18n.use(initReactI18next).init({
  resources: { en: { translation: en }, zh: { translation: zh } },
  lng: firstLanguage(),
  fallbackLng: "en",
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false }, // React escapes
  initAsync: false,
});
document.documentElement.lang = i18n.language;

export function setLanguage(language: Language): void {
  i18n.changeLanguage(language);
  document.documentElement.lang = language;
  try {
    localStorage.setItem(storageKey, language);
  } catch {
    // see readStored
  }
}

export type Translate = (key: Key, values?: Record<string, string | number>) => string;

/** The words of the language in use. */
export function useWords(): { t: Translate; language: Language } {
  const { t, i18n: instance } = useTranslation();
  return { t: t as unknown as Translate, language: instance.language === "zh" ? "zh" : "en" };
}

/** The words for a failure's code, as the server spells it. */
export function errorKey(code: string): Key {
  const key = `error.${code}`;
  return key in en ? (key as Key) : "error.internal";
}
