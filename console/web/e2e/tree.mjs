import assert from "node:assert/strict";
import { editorText, eventually, seen } from "./expect.mjs";

export default async function tree({ page, t, open, shot }) {
  const node = (name) => page.locator(".ant-tree-title", { has: page.locator(`text="${name}"`) }).first();
  const tab = (key, values) => page.getByRole("tab", { name: t(key, values) });

  await page.goto(`${open}/tree`);
  await seen(node("dubbo"));
  await seen(page.getByText(t("tree.nullData")));

  // Lazily, page by page.
  await node("many").click();
  await tab("tree.children", { n: 250 }).click();
  await seen(page.getByText(t("common.total", { n: 250 })));
  await seen(page.getByText("item-0001", { exact: true }));
  await page.getByLabel(t("tree.filter")).fill("0249");
  await seen(page.getByText(t("common.total", { n: 1 })));
  await page.locator(".ant-tree-treenode-selected .ant-tree-switcher").click();
  await seen(node("item-0000"));
  await shot("many");
  await page.locator(".ant-tree-list-holder").hover();
  await page.mouse.wheel(0, 100_000);
  await page
    .getByText(t("tree.more", { n: 100 }))
    .last()
    .click();
  await eventually(
    async () => {
      await page.mouse.wheel(0, 100_000);
      return page.getByText(t("tree.more", { n: 50 })).count();
    },
    1,
    "the second hundred, and what is left",
  );
  await seen(node("item-0199"));

  // A path from the address is shown in the tree, beyond the pages read.
  await page.goto(`${open}/tree?path=/many/item-0249`);
  await seen(page.locator(".ant-tree-treenode-selected"));

  // Text: change it; a second writer is not overwritten.
  await page.goto(`${open}/tree?path=/app`);
  const content = page.locator(".cm-content");
  await seen(page.locator(".cm-line", { hasText: "leader" }));
  await shot("text");
  await content.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText("// one\n");
  await page.getByTestId("save-data").click();
  await seen(page.getByText(t("tree.saved", { path: "/app", version: 1 })));
  await seen(page.getByText(/ · v1$/)); // it was read again
  const write = await fetch(`${open}/console/api/znode`, {
    method: "PUT",
    headers: { "X-Zensus-Console": "1" },
    body: JSON.stringify({ path: "/app", data: btoa("theirs"), version: 1 }),
  });
  assert.equal(write.status, 200);
  await content.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText("// two\n");
  await page.getByTestId("save-data").click();
  await seen(page.getByText(t("tree.conflict")));
  await shot("conflict");
  assert.match(await editorText(content), /one\n\/\/ two/);
  await page.getByRole("button", { name: t("tree.readAgain") }).click();
  await eventually(() => editorText(content), "theirs", "what the second writer wrote");

  // Stat and ACL.
  await tab("tree.stat").click();
  await seen(page.getByText("czxid", { exact: true }));
  await shot("stat");
  await page.goto(`${open}/tree?path=/app/guarded`);
  await tab("tree.acl").click();
  await seen(page.getByText("ann:x", { exact: true }));
  assert.equal(await page.getByText("aGFzaG9m").count(), 0, "a password's hash is shown");
  await shot("acl");

  // Bytes.
  await page.goto(`${open}/tree?path=/app/binary`);
  await seen(page.getByText("00000000  00 01 fe 7a 6b"));
  await seen(page.getByText(t("tree.bytesRange", { from: 0, to: 4095, total: 10000 })));
  await shot("hex");
  await page.getByRole("button", { name: t("common.edit") }).click();
  await page.getByLabel(t("tree.hex"), { exact: true }).last().fill("ff 00 zz");
  assert.equal(await page.getByTestId("save-data").isDisabled(), true);
  await page.getByLabel(t("tree.hex"), { exact: true }).last().fill("ff 00 61");
  await page.getByTestId("save-data").click();
  await seen(page.getByText("00000000  ff 00 61"));

  // Create and delete.
  await page.goto(`${open}/tree?path=/app`);
  await page.getByRole("button", { name: t("tree.create") }).click();
  const dialog = page.locator(".ant-modal");
  await dialog.getByLabel(t("tree.name"), { exact: true }).fill("a/b");
  await dialog.getByRole("button", { name: t("common.create") }).click();
  await seen(page.getByText(t("tree.nameBad")));
  await dialog.getByLabel(t("tree.name"), { exact: true }).fill("<b>100% 名");
  await dialog.getByLabel(t("tree.data"), { exact: true }).fill("hello");
  await shot("create");
  await dialog.getByRole("button", { name: t("common.create") }).click();
  await seen(page.getByText(t("tree.created", { path: "/app/<b>100% 名" })));
  await seen(node("<b>100% 名"));
  await eventually(() => editorText(content), "hello", "data of the new znode");
  await page.getByRole("button", { name: t("common.delete") }).click();
  await page
    .locator(".ant-modal")
    .getByRole("button", { name: t("common.delete") })
    .click();
  await seen(page.getByText(t("tree.deleted", { path: "/app/<b>100% 名" })));
  await eventually(() => node("<b>100% 名").count(), 0, "the deleted znode in the tree");

  // What Zensus keeps for itself is not written here, and secrets are not shown.
  await page.goto(`${open}/tree?path=/zensus/access/users`);
  await seen(page.getByText(t("tree.hidden")));
  await seen(page.getByText(t("tree.readOnly")));
  assert.equal(await page.getByRole("button", { name: t("common.delete") }).isDisabled(), true);
  await shot("system");

  // Strange names, and one that is not there.
  await page.goto(`${open}/tree?${new URLSearchParams({ path: "/strange/<script>alert(1)<script>" })}`);
  await eventually(
    () => editorText(content),
    "<script>alert(1)<script>",
    "data of a znode with a strange name",
  );
  await page.goto(`${open}/tree?${new URLSearchParams({ path: "/strange/a?b=c&d#e" })}`);
  await eventually(() => editorText(content), "a?b=c&d#e", "data of a znode with a strange name");
  await page.goto(`${open}/tree?path=/nowhere/at/all`);
  await seen(page.getByText(t("error.not_found")));
  await shot("gone");
}
