/**
 * The line separator that keeps text as it is, byte for byte, through an editor
 * that thinks in lines: CRLF only if every line ends so, otherwise LF, where a
 * lone carriage return stays a character of its line.
 */
export function separatorOf(text: string): "\n" | "\r\n" {
  const crlf = text.split("\r\n").length - 1;
  const lf = text.split("\n").length - 1;
  const cr = text.split("\r").length - 1;
  return crlf > 0 && crlf === lf && crlf === cr ? "\r\n" : "\n";
}

/** Text from elsewhere, with its line ends made those of the document. */
export function withSeparator(text: string, separator: string): string {
  return text.replace(/\r\n|\r|\n/g, separator);
}
