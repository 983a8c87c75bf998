// The page's policy lets only those style elements take effect that carry the
// nonce of this very answer. antd and CodeMirror make theirs from script.

/** The nonce that the server put into this answer; empty in development. */
export function readNonce(): string {
  return document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";
}

/**
 * Gives the nonce to every style element that a script of ours makes. antd
 * passes it to most of its own, but not to all (its scroll lock, for one).
 * Markup that found its way into the page gets none.
 */
export function signStyles(nonce: string): void {
  if (!nonce) {
    return;
  }
  const create = document.createElement.bind(document);
  document.createElement = ((name: string, options?: ElementCreationOptions) => {
    const element = create(name, options);
    if (element instanceof HTMLStyleElement) {
      element.nonce = nonce;
    }
    return element;
  }) as typeof document.createElement;
}
