import { expect, test } from "vitest";
import en from "./en.json";
import { errorKey, type Key } from "./index";
import zh from "./zh.json";

const sources = import.meta.glob(["../**/*.{ts,tsx}", "!../**/*.test.*"], {
  query: "?raw",
  import: "default",
  eager: true,
}) as Record<string, string>;
const keys = Object.keys(en) as Key[];
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort();

test("both languages have the same words, in the same order", () => {
  expect(Object.keys(zh)).toEqual(keys);
});

test("both languages fill in the same values", () => {
  for (const key of keys) {
    expect(placeholders(zh[key]), key).toEqual(placeholders(en[key]));
  }
});

test("no word is missing its text, and Chinese is Chinese", () => {
  const same = ["configs.dataId", "configs.md5", "editor.crlf", "editor.lf"]; // names, in any language
  for (const key of keys) {
    expect(en[key].trim(), key).not.toBe("");
    if (!same.includes(key)) {
      expect(zh[key], key).toMatch(/\p{Script=Han}/u);
    }
  }
});

test("every word is used", () => {
  const all = Object.values(sources).join("\n");
  for (const key of keys) {
    if (!key.startsWith("error.")) {
      expect(all.includes(`"${key}"`), `${key} is used nowhere`).toBe(true);
    }
  }
});

test("an unknown code of the server has words too", () => {
  expect(errorKey("conflict")).toBe("error.conflict");
  expect(errorKey("some_day")).toBe("error.internal");
});
