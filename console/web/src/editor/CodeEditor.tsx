import { Compartment, EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { baseExtensions, languageOf, standing } from "./setup";
import { useLook } from "./useLook";

export interface CodeEditorProps {
  /** The text at first, and whenever `version` changes. */
  text: string;
  version: string;
  separator: string;
  format: string;
  label: string;
  readOnly?: boolean;
  onChange?: (text: string) => void;
}

/** A text in an editor. The editor owns the text; onChange hears of it. */
export default function CodeEditor(props: CodeEditorProps) {
  const { text, version, separator, format, label, readOnly = false } = props;
  const look = useLook();
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const parts = useRef({ language: new Compartment(), base: new Compartment(), access: new Compartment() });
  const latest = useRef(props);
  latest.current = props;
  const setting = useRef({ look, label, format, readOnly });
  setting.current = { look, label, format, readOnly };

  // biome-ignore lint/correctness/useExhaustiveDependencies: version stands for text; the rest follows by compartments below
  useEffect(() => {
    const { language, base, access } = parts.current;
    const now = setting.current;
    const made = new EditorView({
      parent: host.current ?? undefined,
      state: EditorState.create({
        doc: text,
        extensions: [
          base.of(baseExtensions(now.look, separator, now.label)),
          standing,
          language.of(languageOf(now.format)),
          access.of(EditorState.readOnly.of(now.readOnly)),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) {
              latest.current.onChange?.(update.state.sliceDoc());
            }
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, [version, separator]);

  useEffect(() => {
    const { language, base, access } = parts.current;
    view.current?.dispatch({
      effects: [
        base.reconfigure(baseExtensions(look, separator, label)),
        language.reconfigure(languageOf(format)),
        access.reconfigure(EditorState.readOnly.of(readOnly)),
      ],
    });
  }, [look, separator, label, format, readOnly]);

  return <div ref={host} className="code-pane" style={{ height: "100%" }} />;
}
