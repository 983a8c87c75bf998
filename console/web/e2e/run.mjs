// Uses every screen in a real browser: node e2e/run.mjs <open> <secured>, the
// addresses of two servers that console/e2e_test.go starts, without and with
// authentication. Ends with 1 if anything was not as promised, on any page.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import configs from "./configs.mjs";
import editor from "./editor.mjs";
import places from "./places.mjs";
import service from "./service.mjs";
import services from "./services.mjs";
import signin from "./signin.mjs";
import tree from "./tree.mjs";

const screens = { signin, services, service, configs, editor, tree, places };
const [open, secured] = process.argv.slice(2);
const only = (process.env.ZENSUS_E2E_ONLY ?? "").split(",").filter(Boolean);
const shots = process.env.ZENSUS_E2E_SHOTS;
if (shots) {
  mkdirSync(shots, { recursive: true });
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
process.on("SIGINT", () => {
  console.log("FAIL out of time");
  browser.close().finally(() => process.exit(1));
});

let failures = 0;
for (const [language, colorScheme] of [
  ["en", "light"],
  ["zh", "dark"],
]) {
  const words = JSON.parse(readFileSync(new URL(`../src/i18n/${language}.json`, import.meta.url), "utf8"));
  const t = (key, values = {}) => {
    if (!(key in words)) {
      throw new Error(`no word for ${key}`);
    }
    return words[key].replace(/\{\{(\w+)\}\}/g, (_, name) => String(values[name]));
  };
  const context = await browser.newContext({
    locale: language === "zh" ? "zh-CN" : "en-US",
    timezoneId: "UTC",
    colorScheme,
    reducedMotion: "reduce",
    viewport: { width: 1366, height: 820 },
  });
  for (const [name, use] of Object.entries(screens)) {
    if (only.length > 0 && !only.includes(name)) {
      continue;
    }
    const began = Date.now();
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(`page error: ${error.stack ?? error}`));
    page.on("console", (message) => {
      // The browser itself logs each answer of 4xx or 5xx; those are asked for here.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
        complaints.push(`console: ${message.text()}`);
      }
    });
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`); // a script of a nasty name would open one
      dialog.dismiss();
    });
    const tools = {
      page,
      t,
      language,
      open,
      secured,
      stage: async (server, what) => {
        const answer = await fetch(`${server}/stage/${what}`, { method: "POST" });
        if (!answer.ok) {
          throw new Error(`stage ${what}: ${answer.status}`);
        }
      },
      shot: async (label) => {
        if (shots) {
          await page.waitForTimeout(200); // for what comes a frame later
          await page.screenshot({ path: join(shots, `${name}-${label}-${language}.png`) });
        }
      },
    };
    try {
      await tools.stage(open, "fresh");
      await tools.stage(secured, "fresh");
      await use(tools);
    } catch (error) {
      complaints.push(String(error.stack ?? error));
      await tools.shot("FAILED").catch(() => undefined);
    }
    await page.evaluate(() => localStorage.clear()).catch(() => undefined);
    await page.close();
    await context.clearCookies();
    failures += complaints.length;
    console.log(
      `${complaints.length ? "FAIL" : "ok  "} ${name} ${language} ${colorScheme} ${Date.now() - began} ms`,
    );
    for (const complaint of complaints) {
      console.log(`     ${complaint}`);
    }
  }
  await context.close();
}
await browser.close();
process.exit(failures ? 1 : 0);
