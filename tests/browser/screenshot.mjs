// The README's screenshot of the studio: its first screen with a photograph and a style chosen.
//
//   node screenshot.mjs IMPASTO OUT.png
//
// CHROMIUM names the browser; weights are found as by the command.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [impasto, out] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "impasto-studio-"));
const studio = spawn(impasto, ["studio", folder, "--no-open", "--port", "0"]);
const url = await new Promise((resolve, reject) => {
  studio.stdout.on("data", (data) => resolve(String(data).match(/http:\S+/)[0]));
  studio.on("exit", (code) => reject(new Error(`the studio ended with ${code}`)));
});
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await (await browser.newContext({ viewport: { width: 1100, height: 790 } })).newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(url);
  await page.getByRole("button", { name: "Repaint fox.png" }).click();
  await page.getByRole("button", { name: "Use the style ink.png" }).click();
  await page.locator("#shelf img").evaluateAll((images) => Promise.all(images.map((image) => image.decode())));
  await page.locator(".thumbs img").evaluateAll((images) => Promise.all(images.map((image) => image.decode())));
  await page.waitForFunction(() => document.querySelector("#forecast").textContent.startsWith("Takes"));
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  await page.screenshot({ path: out });
} finally {
  await browser.close();
  studio.kill("SIGINT");
  await new Promise((resolve) => studio.on("exit", resolve));
  rmSync(folder, { recursive: true, force: true });
}
