import { eventually, rows, seen } from "./expect.mjs";

export default async function configs({ page, t, open, shot }) {
  await page.goto(`${open}/configs`);
  await eventually(() => rows(page).count(), 6, "rows");
  await seen(page.getByText(t("configs.by", { name: "lin" })));
  await shot("list");

  await page.getByLabel(t("configs.groupPlaceholder")).fill("gate");
  await eventually(() => rows(page).count(), 2, "rows of the group");
  await page.getByLabel(t("configs.dataIdPlaceholder")).fill("nothing");
  await seen(page.getByText(t("configs.emptySearch")));

  // Delete, after a question; and a config that was deleted meanwhile.
  await page.goto(`${open}/configs`);
  await page.getByLabel(`${t("common.delete")} logback.xml`).click();
  await seen(page.locator(".ant-modal-confirm-title").getByText(t("configs.deleteTitle")));
  await shot("delete");
  await page
    .locator(".ant-modal")
    .getByRole("button", { name: t("common.delete") })
    .click();
  await seen(page.getByText(t("configs.deleted", { dataId: "logback.xml" })));
  await eventually(() => rows(page).count(), 5, "rows after the deletion");

  await page.goto(`${open}/configs?ns=strange`);
  await eventually(() => rows(page).count(), 11, "rows of the strange namespace");
  await page.getByRole("link", { name: "<script>alert(1)</script>", exact: true }).click();
  await seen(page.locator(".cm-line", { hasText: "content of <script>alert(1)</script>" }));

  await page.goto(`${open}/configs?ns=empty`);
  await seen(page.getByText(t("configs.empty")));
  await shot("empty");
}
