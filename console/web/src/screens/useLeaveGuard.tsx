import { Modal } from "antd";
import { type ReactNode, useEffect, useRef } from "react";
import { useBlocker } from "react-router";
import { useWords } from "../i18n";

/** Asks before a screen with unpublished changes is left. */
export function useLeaveGuard(dirty: boolean): { dialog: ReactNode; letGo: () => void } {
  const { t } = useWords();
  const free = useRef(false);
  const blocker = useBlocker(
    ({ currentLocation: from, nextLocation: next }) =>
      dirty && !free.current && from.pathname + from.search !== next.pathname + next.search,
  );

  useEffect(() => {
    if (!dirty) {
      return;
    }
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [dirty]);

  const blocked = blocker.state === "blocked";
  return {
    letGo: () => {
      free.current = true;
    },
    dialog: (
      <Modal
        open={blocked}
        title={t("editor.leaveTitle")}
        okText={t("editor.leave")}
        okButtonProps={{ danger: true }}
        cancelText={t("editor.stay")}
        onOk={() => blocked && blocker.proceed()}
        onCancel={() => blocked && blocker.reset()}
      >
        {t("editor.leaveText")}
      </Modal>
    ),
  };
}
