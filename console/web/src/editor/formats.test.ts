import { expect, test } from "vitest";
import { formatOfName, formatOfText } from "./formats";

test("a name's extension speaks for its format", () => {
  expect(formatOfName("a.YML")).toBe("yaml");
  expect(formatOfName("a.b.properties")).toBe("properties");
  expect(formatOfName("plain")).toBeUndefined();
  expect(formatOfName("a.exe")).toBeUndefined();
});

test("a text speaks for itself only where it is sure", () => {
  expect(formatOfText(' {"a":1}')).toBe("json");
  expect(formatOfText("{not json")).toBe("text");
  expect(formatOfText("<a/>")).toBe("xml");
  expect(formatOfText("a: b")).toBe("text");
});
