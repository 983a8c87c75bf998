import assert from "node:assert/strict";

/** Waits until the locator is there to be seen. */
export async function seen(locator) {
  await locator.first().waitFor({ state: "visible" });
}

/** Waits until it is not. */
export async function gone(locator) {
  await locator.first().waitFor({ state: "hidden" });
}

/** Waits until a value is as it should be, and says what it was if it never is. */
export async function eventually(read, want, what) {
  const until = Date.now() + 20_000;
  let got;
  do {
    got = await read();
    if (JSON.stringify(got) === JSON.stringify(want)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 60));
  } while (Date.now() < until);
  assert.deepEqual(got, want, what);
}

/** The text of an editor, line by line as it is shown. */
export async function editorText(editor) {
  return (await editor.locator(".cm-line").allTextContents()).join("\n");
}

/** The rows of the table on the screen, without its measuring and empty rows. */
export function rows(page) {
  return page.locator(".ant-table-tbody .ant-table-row");
}
