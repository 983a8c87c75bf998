import { expect, test } from "vitest";
import { fromBase64, fromText, hexDump, parseHex, toBase64, toHex, toText } from "./bytes";
import { bytes } from "./format";
import { separatorOf, withSeparator } from "./lines";
import { ancestors, baseName, joinPath, parentPath } from "./paths";

test("bytes survive base64 and hexadecimal", () => {
  const all = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
  expect(fromBase64(toBase64(all))).toEqual(all);
  expect(parseHex(toHex(all))).toEqual(all);
  expect(toBase64(new Uint8Array())).toBe("");
});

test("text is text only where nothing is lost", () => {
  expect(toText(fromText("名称\n"))).toBe("名称\n");
  expect(toText(fromText("\uFEFFbom"))).toBe("\uFEFFbom");
  expect(toText(Uint8Array.of(0xff, 0xfe))).toBeNull();
  expect(toText(Uint8Array.of(0x61, 0, 0x62))).toBeNull();
  expect(toText(new Uint8Array())).toBe("");
});

test("what is no pair of digits is no hexadecimal", () => {
  expect(parseHex("0")).toBeNull();
  expect(parseHex("0x41")).toBeNull();
  expect(parseHex("zz")).toBeNull();
  expect(parseHex(" 41\n4a ")).toEqual(Uint8Array.of(0x41, 0x4a));
  expect(parseHex("")).toEqual(new Uint8Array());
});

test("a dump shows offset, bytes and what can be printed", () => {
  const data = fromText("0123456789abcdefXY\u0001");
  expect(hexDump(data, 0, 64)).toBe(
    "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n" +
      `00000010  58 59 01${" ".repeat(40)}  XY.`,
  );
  expect(hexDump(data, 16, 17)).toMatch(/^00000010 {2}58 .*X$/);
});

test("line ends are kept byte for byte", () => {
  const throughEditor = (text: string) => text.split(separatorOf(text)).join(separatorOf(text));
  for (const text of ["", "a", "a\nb", "a\r\nb\r\n", "a\r\nb\n", "a\rb", "\r\n\r", "\r\r\n"]) {
    expect(throughEditor(text)).toBe(text);
  }
  expect(separatorOf("a\r\nb\r\n")).toBe("\r\n");
  expect(separatorOf("a\r\nb\n")).toBe("\n");
  expect(separatorOf("a\r\nb\rc\r\n")).toBe("\n");
  expect(withSeparator("a\r\nb\rc\n", "\n")).toBe("a\nb\nc\n");
  expect(withSeparator("a\nb", "\r\n")).toBe("a\r\nb");
});

test("paths are cut as the engine cuts them", () => {
  expect(joinPath("/", "a")).toBe("/a");
  expect(joinPath("/a", "b")).toBe("/a/b");
  expect(parentPath("/a/b")).toBe("/a");
  expect(parentPath("/a")).toBe("/");
  expect(baseName("/a/b")).toBe("b");
  expect(ancestors("/a/b/c")).toEqual(["/", "/a", "/a/b"]);
  expect(ancestors("/a")).toEqual(["/"]);
  expect(ancestors("/")).toEqual([]);
  expect(ancestors("nonsense")).toEqual([]);
});

test("sizes are readable", () => {
  expect(bytes(0)).toBe("0 B");
  expect(bytes(1023)).toBe("1023 B");
  expect(bytes(1536)).toBe("1.5 KiB");
  expect(bytes(3 * 1024 * 1024)).toBe("3.0 MiB");
});
