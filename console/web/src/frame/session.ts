import { createContext, useContext } from "react";
import type { SessionState } from "../api/types";

export interface SessionHandle {
  state: SessionState;
  signOut: () => void;
}

export const SessionContext = createContext<SessionHandle | null>(null);

export function useSession(): SessionHandle {
  const session = useContext(SessionContext);
  if (!session) {
    throw new Error("no session around this component");
  }
  return session;
}
