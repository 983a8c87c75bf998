/** The formats of a config, as Nacos names them. */
export const formats = ["text", "json", "xml", "yaml", "html", "properties", "toml"] as const;

const byExtension: Record<string, string> = {
  json: "json",
  xml: "xml",
  yml: "yaml",
  yaml: "yaml",
  html: "html",
  htm: "html",
  properties: "properties",
  toml: "toml",
  txt: "text",
};

/** The format that a dataId's extension speaks for, if it does. */
export function formatOfName(dataId: string): string | undefined {
  const at = dataId.lastIndexOf(".");
  return at < 0 ? undefined : byExtension[dataId.slice(at + 1).toLowerCase()];
}

/** The format that a text without a name looks like. */
export function formatOfText(text: string): string {
  const start = text.trimStart().slice(0, 1);
  if (start === "{" || start === "[") {
    try {
      JSON.parse(text);
      return "json";
    } catch {
      return "text";
    }
  }
  return start === "<" ? "xml" : "text";
}
