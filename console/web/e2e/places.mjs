import assert from "node:assert/strict";
import { eventually, rows, seen } from "./expect.mjs";

/** The same page under a context path, and behind a proxy that strips one. */
export default async function places({ page, t, open, secured, shot }) {
  for (const place of ["/x", "/proxy"]) {
    await page.goto(`${open}${place}/`);
    await eventually(() => new URL(page.url()).pathname, `${place}/services`, "the start page goes on");
    await eventually(() => rows(page).count(), 20, "rows");
    await page.getByRole("link", { name: t("nav.configs") }).click();
    await eventually(() => rows(page).count(), 6, "rows");
    await page.getByRole("link", { name: "policy.yaml", exact: true }).click();
    await seen(page.locator(".cm-line", { hasText: "Who may call whom" }));
    await page.reload();
    await seen(page.locator(".cm-line", { hasText: "Who may call whom" }));
    await page.getByRole("link", { name: t("nav.tree") }).click();
    await seen(page.locator(".ant-tree-title"));
    assert.equal(new URL(page.url()).pathname, `${place}/tree`);
  }

  // The session's cookie belongs to the place.
  await page.goto(`${secured}/proxy/configs`);
  const field = (key) => page.getByLabel(t(key), { exact: true });
  await field("signin.token").fill("token-from-the-file");
  await field("signin.name").fill("ann");
  await field("signin.password").fill("long enough");
  await field("signin.repeat").fill("long enough");
  await page.getByRole("button", { name: t("signin.create") }).click();
  await eventually(() => rows(page).count(), 6, "rows");
  const [cookie] = await page.context().cookies();
  assert.equal(cookie.path, "/proxy/console/api");

  // A narrow window.
  await page.setViewportSize({ width: 420, height: 760 });
  await page.goto(`${open}/services`);
  await eventually(() => rows(page).count(), 20, "rows");
  await shot("narrow");
}
