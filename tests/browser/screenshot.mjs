// The README's screenshot of the studio: the fox in ink, painted in the studio itself and compared with the photograph.
//
//   node screenshot.mjs IMPASTO OUT.png [SIZE]
//
// CHROMIUM names the browser; weights are found as by the command.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [impasto, out, size = "512"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "impasto-studio-"));
const studio = spawn(impasto, ["studio", folder, "--no-open", "--port", "0"]);
const url = await new Promise((resolve, reject) => {
  studio.stdout.on("data", (data) => resolve(String(data).match(/http:\S+/)[0]));
  studio.on("exit", (code) => reject(new Error(`the studio ended with ${code}`)));
});
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await (await browser.newContext({ viewport: { width: 1100, height: 720 } })).newPage();
  // Long enough for a slow or a loaded machine.
  page.setDefaultTimeout(3_600_000);
  await page.goto(url);
  await page.getByRole("button", { name: "Repaint fox.png" }).click();
  await page.getByRole("button", { name: "Use the style ink.png" }).click();
  await page.locator("#size").fill(size);
  await page.locator("#start").click();
  await page.locator("#done-tools").waitFor({ state: "visible" });
  await page.locator("#compare").selectOption({ label: "the photograph" });
  await page.locator("#divider").focus();
  for (const _ of [1, 2, 3, 4]) await page.keyboard.press("ArrowLeft");
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForFunction(() => !document.querySelector(".toast"));
  await page.screenshot({ path: out });
} finally {
  await browser.close();
  studio.kill("SIGINT");
  await new Promise((resolve) => studio.on("exit", resolve));
  rmSync(folder, { recursive: true, force: true });
}
