import { eventually, gone, rows, seen } from "./expect.mjs";

const nasty = ["a/b", "100%", "%2e%2e", "..", "<script>alert(1)</script>", "a?b=c&d#e", "a+b", "{{name}}"];

export default async function service({ page, t, open, stage, shot }) {
  await page.goto(`${open}/services?name=checkout`);
  await page.getByRole("link", { name: "checkout" }).click();
  await eventually(() => rows(page).count(), 20, "rows of the first page");
  await seen(page.getByText("10.2.0.1:8080"));
  await seen(page.getByText("owner=team-shop"));
  await shot("instances");

  // Take one off; it stays so after a reload.
  const enabled = page.getByLabel(t("service.enableAria", { address: "10.2.0.1:8080" }));
  await enabled.click();
  await seen(page.getByText(t("service.disabledDone", { address: "10.2.0.1:8080" })));
  await page.reload();
  await eventually(() => enabled.getAttribute("aria-checked"), "false", "switch of the instance taken off");

  // Another weight.
  await page.getByLabel(`${t("service.editWeight")}: 10.2.0.2:8080`).click();
  await page.getByLabel(t("service.weight"), { exact: true }).fill("2.5");
  await shot("weight");
  await page.getByRole("button", { name: t("common.save") }).click();
  await seen(page.getByText(t("service.weightDone", { address: "10.2.0.2:8080", weight: 2.5 })));
  await eventually(
    () => page.getByLabel(`${t("service.editWeight")}: 10.2.0.2:8080`).textContent(),
    "2.5",
    "the weight shown",
  );

  // Filters.
  await page.getByLabel(t("service.textPlaceholder")).fill("zone=z3");
  await seen(page.getByText(t("common.total", { n: 11 })));
  await page.getByLabel(t("service.textPlaceholder")).fill("");
  await page.getByLabel(t("service.cluster"), { exact: true }).click();
  await page.getByTitle("shanghai").click();
  await seen(page.getByText(t("common.total", { n: 22 })));
  await page.getByLabel(t("service.health"), { exact: true }).click();
  await page.getByTitle(t("service.unhealthy"), { exact: true }).click();
  await seen(page.getByText(t("common.total", { n: 2 })));

  // Without a quorum a change is refused, in words.
  await stage(open, "stale");
  await page.goto(`${open}/service?ns=public&group=DEFAULT_GROUP&service=payment`);
  await seen(page.getByText("[fd00::7]:9000"));
  await page.getByLabel(t("service.enableAria", { address: "10.3.0.1:9000" })).click();
  await seen(page.getByText(t("error.no_quorum")));
  await shot("refused");

  // Names that are no addresses.
  await page.goto(`${open}/services?ns=strange`);
  for (const name of nasty) {
    await page.getByRole("link", { name, exact: true }).click();
    await seen(page.getByText("10.6.0.1:80"));
    await seen(page.getByRole("heading", { name, exact: true }));
    await page.goBack();
  }

  // One that is not there.
  await page.goto(`${open}/service?ns=public&group=g&service=gone`);
  await seen(page.getByText(t("error.not_found")));
  await shot("gone");
  await gone(page.locator(".ant-spin-spinning"));
}
