import { afterEach, expect, test } from "vitest";
import { readNonce, signStyles } from "./nonce";

const create = document.createElement;
afterEach(() => {
  document.createElement = create;
  document.head.innerHTML = "";
});

test("styles that scripts make carry the nonce of the page, and nothing else does", () => {
  const meta = document.createElement("meta");
  meta.setAttribute("property", "csp-nonce");
  meta.nonce = "ABC";
  document.head.append(meta);
  expect(readNonce()).toBe("ABC");

  signStyles(readNonce());
  expect(document.createElement("style").nonce).toBe("ABC");
  expect(document.createElement("script").nonce || "").toBe("");
});

test("without a nonce nothing is changed", () => {
  signStyles(readNonce());
  expect(document.createElement).toBe(create);
});
