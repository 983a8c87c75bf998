import { useCallback, useRef } from "react";
import { useSearchParams } from "react-router";

/** The namespace of the address; the public one where it names none. */
export function useNamespace(): string {
  const [params] = useSearchParams();
  return params.get("ns") || "public";
}

type Values = Record<string, string | number | boolean>;

/**
 * State that lives in the query of the address, so that a link, a reload and the
 * back button keep it. What equals its default is left out.
 */
export function useUrlState<T extends Values>(defaults: T): [T, (change: Partial<T>) => void] {
  const [params, setParams] = useSearchParams();
  const state = Object.fromEntries(
    Object.entries(defaults).map(([name, fallback]) => [name, parse(params.get(name), fallback)]),
  ) as T;
  // The router shows a change only when the screen has rendered; a second change
  // may come before that and must not undo the first.
  const latest = useRef(params);
  const shown = useRef(params);
  if (shown.current !== params) {
    shown.current = params;
    latest.current = params;
  }
  const set = useCallback(
    (change: Partial<T>) => {
      const next = new URLSearchParams(latest.current);
      for (const [name, value] of Object.entries(change)) {
        if (value === undefined || value === defaults[name]) {
          next.delete(name);
        } else {
          next.set(name, String(value));
        }
      }
      if (next.toString() !== latest.current.toString()) {
        latest.current = next;
        setParams(next);
      }
    },
    [setParams, defaults],
  );
  return [state, set];
}

function parse(text: string | null, fallback: string | number | boolean): string | number | boolean {
  if (text === null) {
    return fallback;
  }
  if (typeof fallback === "number") {
    const n = Number(text);
    return Number.isSafeInteger(n) && n > 0 ? n : fallback;
  }
  return typeof fallback === "boolean" ? text === "true" : text;
}

/** An address of one of the screens, relative to the context path. */
export function to(screen: string, params: Record<string, string>): string {
  return `/${screen}?${new URLSearchParams(params)}`;
}
