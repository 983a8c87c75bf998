import { App } from "antd";
import { useMemo } from "react";
import { codeOf } from "../api/client";
import { errorKey, useWords } from "../i18n";
import { detailOf } from "./Failed";

/** Short messages at the top of the page: what was done, or why it was not. */
export function useTell() {
  const { message, notification } = App.useApp();
  const { t } = useWords();
  return useMemo(
    () => ({
      done: (text: string) => message.success(text),
      failed: (error: unknown) => {
        // Who is no longer signed in is asked to by a dialog; see SessionGate.
        if (codeOf(error) !== "unauthenticated") {
          notification.error({ title: t(errorKey(codeOf(error))), description: detailOf(error) });
        }
      },
    }),
    [message, notification, t],
  );
}
