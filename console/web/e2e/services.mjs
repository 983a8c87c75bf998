import assert from "node:assert/strict";
import { eventually, rows, seen } from "./expect.mjs";

export default async function services({ page, t, open, stage, shot }) {
  await page.goto(`${open}/`);
  await eventually(() => new URL(page.url()).pathname, "/services", "the start page goes on to the services");
  await eventually(() => rows(page).count(), 20, "rows of the first page");
  await seen(page.getByText(t("common.total", { n: 29 })));
  await seen(page.getByText(t("services.protected")));
  await shot("list");

  // Second page, kept by a reload and by the back button.
  await page.locator(".ant-pagination-item-2").click();
  await eventually(() => rows(page).count(), 9, "rows of the second page");
  await page.reload();
  await eventually(() => rows(page).count(), 9, "rows of the second page after a reload");
  await page.goBack();
  await eventually(() => rows(page).count(), 20, "rows after going back");

  // Search, by any case and within.
  await page.getByLabel(t("services.namePlaceholder")).fill("CHECK");
  await eventually(() => rows(page).count(), 1, "rows that match");
  assert.ok(page.url().includes("name=CHECK"), "the search is in the address");
  await page.getByLabel(t("services.namePlaceholder")).fill("no such service");
  await seen(page.getByText(t("services.emptySearch")));
  await shot("none");
  await page.getByLabel(t("services.namePlaceholder")).fill("");
  await page.getByLabel(t("services.hideEmpty")).click();
  await seen(page.getByText(t("common.total", { n: 28 })));
  await page.getByLabel(t("services.hideEmpty")).click();

  // Another namespace, whose names are strange.
  await page.getByTestId("namespace").click();
  await page.getByTitle("names that trip pages over").click();
  await eventually(() => rows(page).count(), 11, "rows of the strange namespace");
  await seen(page.getByRole("link", { name: "<script>alert(1)</script>" }));
  await shot("strange");
  await page.getByTestId("namespace").click();
  await page.getByTitle("empty", { exact: true }).click();
  await seen(page.getByText(t("services.empty")));

  // Without a quorum the list is shown, and says that it may be old.
  await stage(open, "stale");
  await page.goto(`${open}/services`);
  await seen(page.getByText(t("common.stale")));
  await shot("stale");

  // The other language, at once.
  await page.getByTestId("language").click();
  const other = await page.evaluate(() => document.documentElement.lang);
  await seen(page.getByRole("heading", { name: other === "zh" ? "服务" : "Services" }));
}
