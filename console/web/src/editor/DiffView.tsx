import { MergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { baseExtensions, languageOf } from "./setup";
import { useLook } from "./useLook";

export interface DiffViewProps {
  before: string;
  after: string;
  separator: string;
  format: string;
  label: string;
  /** Makes the right side writable, with arrows that take over from the left. */
  onChange?: (text: string) => void;
}

/** Two texts side by side: as it is on the left, as it will be on the right. */
export default function DiffView(props: DiffViewProps) {
  const look = useLook();
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const editable = props.onChange !== undefined;
  const { before, separator, format, label } = props;

  useEffect(() => {
    const common = [baseExtensions(look, separator, label), languageOf(format), EditorView.lineWrapping];
    const made = new MergeView({
      parent: host.current ?? undefined,
      a: { doc: before, extensions: [common, EditorState.readOnly.of(true)] },
      b: {
        doc: latest.current.after,
        extensions: [
          common,
          EditorState.readOnly.of(!editable),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) {
              latest.current.onChange?.(update.state.sliceDoc());
            }
          }),
        ],
      },
      revertControls: editable ? "a-to-b" : undefined,
      collapseUnchanged: { margin: 3, minSize: 6 },
      diffConfig: { scanLimit: 2000, timeout: 1000 },
    });
    return () => made.destroy();
  }, [look, before, separator, format, label, editable]);

  return <div ref={host} className="diff-pane" />;
}
