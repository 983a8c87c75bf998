import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { editorText, eventually, gone, seen } from "./expect.mjs";

const key = { namespace: "public", group: "DEFAULT_GROUP" };
const md5 = (text) => createHash("md5").update(text).digest("hex");

export default async function editor({ page, t, open, shot }) {
  // What another user does, past this page.
  const read = async (dataId) => {
    const answer = await fetch(`${open}/console/api/config?${new URLSearchParams({ ...key, dataId })}`);
    return answer.json();
  };
  const publishElsewhere = async (dataId, content) => {
    const now = await read(dataId);
    const answer = await fetch(`${open}/console/api/config`, {
      method: "POST",
      headers: { "X-Zensus-Console": "1" },
      body: JSON.stringify({ ...key, dataId, content, type: now.type, expectMd5: now.md5 }),
    });
    assert.equal(answer.status, 200);
  };
  const content = page.locator(".screen-full .cm-content");
  const type = async (text) => {
    await content.click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.insertText(text);
  };
  const address = (dataId) =>
    `${open}/config?${new URLSearchParams({ ns: "public", group: key.group, dataId })}`;

  // Edit, look at the difference, publish.
  await page.goto(address("policy.yaml"));
  await seen(page.locator(".cm-line", { hasText: "Who may call whom" }));
  await seen(page.getByText(t("editor.unchanged")));
  assert.equal(await page.getByTestId("publish").isDisabled(), true);
  await shot("open");
  await type("# Second edition.\n");
  await seen(page.getByText(t("editor.changed")));
  await page.getByTestId("publish").click();
  await seen(page.getByText(t("editor.diffHint")));
  await seen(page.locator(".cm-merge-b .cm-changedLine", { hasText: "Second edition" }));
  await shot("diff");
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("editor.published", { dataId: "policy.yaml" })));
  await seen(page.getByText(t("editor.unchanged")));
  const second = await read("policy.yaml");
  assert.ok(second.content.startsWith("# Second edition.\n# Who may call whom."));
  await eventually(
    async () => (await page.getByTestId("md5").textContent()).trim(),
    md5(second.content),
    "the md5 shown",
  );

  // Two editors on one config: the second learns of the first, and merges.
  await type("# Mine.\n");
  await publishElsewhere("policy.yaml", `${second.content}# Theirs.\n`);
  await page.getByTestId("publish").click();
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("editor.conflictTitle")));
  await seen(page.locator(".cm-merge-a .cm-line", { hasText: "# Theirs." }));
  await shot("conflict");
  await page.locator(".cm-merge-revert button").last().click(); // take over their line
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("editor.published", { dataId: "policy.yaml" })));
  const merged = await read("policy.yaml");
  assert.equal(merged.content, `# Mine.\n${second.content}# Theirs.\n`);
  await eventually(() => editorText(content), merged.content, "the editor shows what was merged");

  // Line ends survive.
  await page.goto(address("application.properties"));
  await seen(page.getByText("CRLF"));
  await type("a=b\n");
  await page.getByTestId("publish").click();
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("editor.published", { dataId: "application.properties" })));
  assert.equal(
    (await read("application.properties")).content,
    "a=b\r\nserver.port=8080\r\nspring.application.name=shop\r\n",
  );

  // JSON that is none is marked.
  await page.goto(address("feature-flags.json"));
  await seen(page.locator(".cm-line", { hasText: "newCart" }));
  await type("oops ");
  await seen(page.locator(".cm-lint-marker-error"));
  await shot("lint");

  // Leaving asks first.
  await page.getByRole("link", { name: t("nav.services") }).click();
  await seen(page.getByText(t("editor.leaveTitle")));
  await page.getByRole("button", { name: t("editor.stay") }).click();
  await gone(page.getByText(t("editor.leaveTitle")));
  await page.getByRole("button", { name: t("editor.reload") }).click();
  await eventually(
    () => editorText(content),
    '{\n  "newCart": true,\n  "darkMode": false\n}\n',
    "the text as it was",
  );

  // A new one; its format follows its name; it does not overwrite another.
  await page.goto(`${open}/config?ns=public`);
  await page.getByLabel(t("configs.dataId")).fill("policy.yaml");
  await type("new: true\n");
  await page.getByTestId("publish").click();
  await seen(page.getByText(t("editor.diffNew")));
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("editor.conflictTitle")));
  await page.getByRole("button", { name: t("common.cancel") }).click();
  await page.getByLabel(t("configs.dataId")).fill("a/b 100% <i>.yaml");
  await seen(
    page
      .locator(".ant-select-content-value, .ant-select-selection-item, .ant-select-content")
      .getByText("yaml"),
  );
  await shot("new");
  await page.getByTestId("publish").click();
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByRole("heading", { name: "a/b 100% <i>.yaml" }));
  assert.equal((await read("a/b 100% <i>.yaml")).content, "new: true\n");
  assert.equal((await read("a/b 100% <i>.yaml")).type, "yaml");

  // What is no text is not shown.
  await page.goto(`${open}/config?ns=public&group=gateway&dataId=blob.bin`);
  await seen(page.getByText(t("editor.binary")));
  await shot("binary");
}
