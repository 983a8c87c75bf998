import { useSyncExternalStore } from "react";

function query(text: string): MediaQueryList | undefined {
  return typeof matchMedia === "function" ? matchMedia(text) : undefined;
}

const dark = query("(prefers-color-scheme: dark)");
const still = query("(prefers-reduced-motion: reduce)");

function useQuery(list: MediaQueryList | undefined): boolean {
  return useSyncExternalStore(
    (changed) => {
      list?.addEventListener("change", changed);
      return () => list?.removeEventListener("change", changed);
    },
    () => list?.matches ?? false,
  );
}

/** Whether the system asks for dark colours, now and as it changes. */
export const useDark = () => useQuery(dark);

/** Whether the system asks for less motion. */
export const useStill = () => useQuery(still);
