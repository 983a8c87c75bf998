import { useSyncExternalStore } from "react";

const dark = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : undefined;

/** Whether the system asks for dark colours, now and as it changes. */
export function useDark(): boolean {
  return useSyncExternalStore(
    (changed) => {
      dark?.addEventListener("change", changed);
      return () => dark?.removeEventListener("change", changed);
    },
    () => dark?.matches ?? false,
  );
}
