import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Card, Flex, Modal, Spin, Typography } from "antd";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api } from "../api/calls";
import { codeOf } from "../api/client";
import { useWords } from "../i18n";
import { Failed } from "../parts/Failed";
import { Logo } from "../parts/Logo";
import { Bootstrap, SignIn } from "../screens/SignIn";
import { LanguageSwitch } from "./LanguageSwitch";
import { SessionContext } from "./session";

/**
 * Lets the screens appear once it is known who is there. A session that ends
 * later is renewed in a dialog above the screen, which keeps what it holds.
 */
export function SessionGate({ children }: { children: ReactNode }) {
  const { t } = useWords();
  const client = useQueryClient();
  const session = useQuery({ queryKey: ["session"], queryFn: ({ signal }) => api.session(signal) });
  const [ended, setEnded] = useState(false);
  const leaving = useRef(false);

  useEffect(() => {
    const heard = (event: { type: string; action?: { type: string; error?: unknown } }) => {
      if (event.type === "updated" && event.action?.type === "error" && !leaving.current) {
        if (codeOf(event.action.error) === "unauthenticated") {
          setEnded(true);
        }
      }
    };
    const stopQueries = client.getQueryCache().subscribe(heard);
    const stopMutations = client.getMutationCache().subscribe((event) => {
      // Sign-in itself answers a wrong password so; there the dialog stays as it is.
      if (event.type === "updated" && event.mutation.options.meta?.signIn !== true) {
        heard(event);
      }
    });
    return () => {
      stopQueries();
      stopMutations();
    };
  }, [client]);

  const signedIn = useCallback(async () => {
    leaving.current = false;
    await client.refetchQueries({ queryKey: ["session"] });
    setEnded(false);
    await client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== "session" });
  }, [client]);
  const signOut = useCallback(async () => {
    leaving.current = true;
    await api.logout().catch(() => undefined);
    client.removeQueries({ predicate: (q) => q.queryKey[0] !== "session" });
    setEnded(false);
    await client.refetchQueries({ queryKey: ["session"] });
  }, [client]);

  const state = session.data;
  const handle = useMemo(() => (state ? { state, signOut } : null), [state, signOut]);

  if (!state || !handle) {
    return (
      <div className="sign-in">
        {session.error ? (
          <Failed error={session.error} onRetry={() => session.refetch()} />
        ) : (
          <Spin size="large" aria-label={t("common.loading")} />
        )}
      </div>
    );
  }
  if (state.auth && !state.user && !ended) {
    return (
      <div className="sign-in">
        <Card style={{ width: 400, maxWidth: "100%" }}>
          <Flex justify="space-between" align="center" style={{ marginBottom: 20 }}>
            <Flex gap={12} align="center">
              <Logo size={34} />
              <Typography.Title level={4} style={{ margin: 0 }}>
                {state.bootstrap ? t("signin.first") : t("signin.title")}
              </Typography.Title>
            </Flex>
            <LanguageSwitch />
          </Flex>
          {state.bootstrap ? <Bootstrap onDone={signedIn} /> : <SignIn onDone={signedIn} />}
        </Card>
      </div>
    );
  }
  return (
    <SessionContext.Provider value={handle}>
      {children}
      <Modal
        open={ended}
        title={t("signin.again")}
        footer={null}
        closable={false}
        keyboard={false}
        mask={{ closable: false }}
        width={400}
        destroyOnHidden
      >
        <Typography.Paragraph type="secondary">{t("signin.againHint")}</Typography.Paragraph>
        <SignIn onDone={signedIn} />
      </Modal>
    </SessionContext.Provider>
  );
}
