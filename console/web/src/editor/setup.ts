import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { xml } from "@codemirror/lang-xml";
import { yaml } from "@codemirror/lang-yaml";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  StreamLanguage,
  syntaxHighlighting,
} from "@codemirror/language";
import { properties } from "@codemirror/legacy-modes/mode/properties";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { linter, lintGutter, lintKeymap } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { withSeparator } from "../lib/lines";

/** Highlighting, folding and checking for a config's format. */
export function languageOf(format: string): Extension {
  switch (format) {
    case "json":
      return [
        json(),
        linter((view) => (view.state.doc.length === 0 ? [] : jsonParseLinter()(view))),
        lintGutter(),
      ];
    case "yaml":
      return yaml();
    case "xml":
      return xml();
    case "html":
      return html();
    case "properties":
      return StreamLanguage.define(properties);
    case "toml":
      return StreamLanguage.define(toml);
    default:
      return [];
  }
}

// Colours come from main.css, which knows light from dark.
const highlight = HighlightStyle.define([
  { tag: [tags.comment, tags.meta], color: "var(--code-comment)" },
  { tag: [tags.keyword, tags.bool, tags.null, tags.atom], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.attributeValue], color: "var(--code-string)" },
  { tag: [tags.number], color: "var(--code-number)" },
  { tag: [tags.propertyName, tags.attributeName, tags.definition(tags.name)], color: "var(--code-name)" },
  { tag: [tags.tagName, tags.heading], color: "var(--code-tag)" },
  { tag: tags.invalid, textDecoration: "underline wavy" },
]);

export interface Look {
  dark: boolean;
  text: string;
  background: string;
  muted: string;
  border: string;
  primary: string;
  nonce: string;
  phrases: Record<string, string>;
}

function themeOf(look: Look): Extension {
  return EditorView.theme(
    {
      "&": { color: look.text, backgroundColor: look.background, fontSize: "13px" },
      "&.cm-focused": { outline: "none" },
      ".cm-scroller": {
        fontFamily:
          'ui-monospace, "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace',
        lineHeight: "1.6",
      },
      ".cm-content": { caretColor: look.text },
      ".cm-gutters": { backgroundColor: look.background, color: look.muted, border: "none" },
      ".cm-lineNumbers .cm-gutterElement": { paddingLeft: "14px", paddingRight: "8px" },
      ".cm-activeLine, .cm-activeLineGutter": {
        backgroundColor: look.dark ? "rgba(255,255,255,0.05)" : "rgba(0,0,0,0.035)",
      },
      "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
        backgroundColor: look.dark ? "#23584f !important" : "#c5e8e2 !important",
      },
      ".cm-panels": { backgroundColor: look.background, color: look.text, borderColor: look.border },
      ".cm-textfield, .cm-button": {
        backgroundColor: look.background,
        color: look.text,
        backgroundImage: "none",
        borderColor: look.border,
      },
      ".cm-tooltip": { backgroundColor: look.background, color: look.text, borderColor: look.border },
      "&.cm-merge-a .cm-changedLine, .cm-deletedChunk": { backgroundColor: "var(--diff-old)" },
      "&.cm-merge-b .cm-changedLine, .cm-inlineChangedLine": { backgroundColor: "var(--diff-new)" },
      "&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText": {
        background: "var(--diff-old-strong)",
      },
      "&.cm-merge-b .cm-changedText": { background: "var(--diff-new-strong)" },
      ".cm-collapsedLines": {
        background: look.dark ? "#1c2624" : "#eef4f2",
        color: look.muted,
      },
    },
    { dark: look.dark },
  );
}

/** What every editor has, whether or not it can be written in. */
export function baseExtensions(look: Look, separator: string, label: string): Extension {
  return [
    lineNumbers(),
    highlightSpecialChars(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    highlightSelectionMatches(),
    search({ top: true }),
    EditorState.lineSeparator.of(separator),
    EditorState.phrases.of(look.phrases),
    EditorState.tabSize.of(2),
    EditorView.clipboardInputFilter.of((text) => withSeparator(text, separator)),
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
    ...(look.nonce ? [EditorView.cspNonce.of(look.nonce)] : []),
    syntaxHighlighting(highlight),
    themeOf(look),
    keymap.of([
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...lintKeymap,
      indentWithTab,
    ]),
  ];
}

/** What an editor has that stands by itself, not in a comparison. */
export const standing: Extension = [foldGutter(), highlightActiveLine(), highlightActiveLineGutter()];
