import { Skeleton } from "antd";
import { lazy, Suspense } from "react";
import type { CodeEditorProps } from "./CodeEditor";
import type { DiffViewProps } from "./DiffView";

// CodeMirror is a third of the page; it comes when a screen needs it.
const LazyEditor = lazy(() => import("./CodeEditor"));
const LazyDiff = lazy(() => import("./DiffView"));

const waiting = <Skeleton active paragraph={{ rows: 8 }} style={{ padding: 16 }} />;

export function CodeEditor(props: CodeEditorProps) {
  return (
    <Suspense fallback={waiting}>
      <LazyEditor {...props} />
    </Suspense>
  );
}

export function DiffView(props: DiffViewProps) {
  return (
    <Suspense fallback={waiting}>
      <LazyDiff {...props} />
    </Suspense>
  );
}
