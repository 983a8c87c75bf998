import assert from "node:assert/strict";
import { eventually, gone, rows, seen } from "./expect.mjs";

export default async function signin({ page, t, secured, stage, shot }) {
  await page.goto(`${secured}/services`);

  // The first user needs the token of the file.
  await seen(page.getByText(t("signin.firstHint")));
  await shot("bootstrap");
  const field = (key) => page.getByLabel(t(key), { exact: true });
  await field("signin.token").fill("not the token");
  await field("signin.name").fill("ann <script>");
  await field("signin.password").fill("long enough");
  await field("signin.repeat").fill("but different");
  await page.getByRole("button", { name: t("signin.create") }).click();
  await seen(page.getByText(t("signin.mismatch")));
  await field("signin.repeat").fill("long enough");
  await page.getByRole("button", { name: t("signin.create") }).click();
  await seen(page.getByText(t("signin.tokenWrong")));
  await field("signin.token").fill(" token-from-the-file\n");
  await page.getByRole("button", { name: t("signin.create") }).click();

  // One is signed in, on the screen that was asked for.
  await seen(rows(page));
  await seen(page.getByTestId("user").getByText("ann <script>"));
  const [cookie] = await page.context().cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  assert.equal(cookie.path, "/console/api");
  assert.equal(await page.evaluate(() => document.cookie), "");
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.ok(!kept.includes(cookie.value), "the session's token is in a storage that scripts read");

  // Out, wrong password, in.
  await page.getByTestId("user").click();
  await page.getByText(t("frame.signOut")).click();
  await seen(page.getByText(t("signin.title")));
  await shot("form");
  await field("signin.name").fill("ann <script>");
  await field("signin.password").fill("wrong");
  await page.keyboard.press("Enter");
  await seen(page.getByText(t("signin.wrong")));
  await shot("wrong");
  await field("signin.password").fill("long enough");
  await page.keyboard.press("Enter");
  await seen(rows(page));

  // A session that ends in mid-edit keeps the draft.
  await page.goto(`${secured}/config?ns=public&group=DEFAULT_GROUP&dataId=policy.yaml`);
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("# my draft\n");
  await stage(secured, "expire");
  await page.getByTestId("publish").click();
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("signin.again")));
  await shot("ended");
  await field("signin.name").fill("ann <script>");
  await field("signin.password").fill("long enough");
  await page.keyboard.press("Enter");
  await gone(page.getByText(t("signin.again")));
  await page.getByTestId("confirm-publish").click();
  await seen(page.getByText(t("editor.published", { dataId: "policy.yaml" })));
  await eventually(
    () => page.locator(".cm-line").first().textContent(),
    "# my draft",
    "first line of the draft",
  );
}
