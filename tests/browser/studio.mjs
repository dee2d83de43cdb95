// The studio's page in a real browser: from drop to download, as a user would go through it.
//
//   node studio.mjs IMPASTO WEIGHTS PICTURES [FOLDER FOR SCREENSHOTS]
//
// IMPASTO is the built command, WEIGHTS an npz file, PICTURES a folder with content.png and style.png. CHROMIUM names the browser; /usr/bin/chromium by default.

import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [impasto, weights, pictures, screenshots] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const folder = mkdtempSync(join(tmpdir(), "impasto-studio-"));
const environment = { ...process.env, IMPASTO_WEIGHTS: weights, HOME: folder };
let studio;

async function start() {
  const child = spawn(impasto, ["studio", join(folder, "studio"), "--no-open", "--port", "0"], { env: environment });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => resolve(String(data).match(/http:\S+/)[0]));
    child.on("exit", (code) => reject(new Error(`the studio ended with ${code}`)));
  });
  studio = { child, url };
}

async function end() {
  const ended = new Promise((resolve) => studio.child.on("exit", resolve));
  studio.child.kill("SIGINT");
  await ended;
}

async function step(name, work) {
  const begin = performance.now();
  await work();
  console.log(`ok: ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
}

// Drops files onto an element, as from a file manager.
async function drop(page, selector, paths, type = "image/png") {
  const files = paths.map((path) => ({ name: path.split("/").pop(), type, data: readFileSync(path).toString("base64") }));
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, type, data } of files) {
      transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
    }
    return transfer;
  }, files);
  await page.dispatchEvent(selector, "drop", { dataTransfer: transfer });
}

const slide = (page, id, value) => page.locator(id).fill(String(value));
const setOption = (page, name, value) => page.locator(`[name="${name}"]`).fill(String(value));

// The page answers to none of axe's rules that it could break, in both colour schemes.
async function accessible(page, where) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const results = await page.evaluate(() => window.axe.run());
    const found = results.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    assert.deepEqual(found.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => html + failureSummary)]), [], `${where}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

async function shoot(page, name) {
  if (!screenshots) return;
  for (const [width, height, size] of [[1280, 900, "desktop"], [390, 844, "phone"]]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(200);
      await page.screenshot({ path: join(screenshots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const [content, style] = ["content.png", "style.png"].map((name) => join(pictures, name));
  await start();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, bypassCSP: false });
  // Long enough for a loaded machine.
  context.setDefaultTimeout(120_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol === "http:" && host !== new URL(studio.url).host || protocol === "https:") complaints.push(`asks ${request.url()}`);
  });
  // Playwright runs this outside of the page's own policy.
  const load = async () => {
    await page.goto(studio.url);
    await page.evaluate(readFileSync(axe, "utf8"));
    await page.locator("#options .option").first().waitFor({ state: "attached" });
  };
  const state = () => page.evaluate(async () => (await (await fetch("api/jobs")).json()).jobs.map(({ state }) => state));
  const until = (wanted) => page.waitForFunction(async (wanted) => JSON.stringify((await (await fetch("api/jobs")).json()).jobs.map(({ state }) => state)) === JSON.stringify(wanted), wanted, { polling: 100 });

  await step("an empty studio", async () => {
    await load();
    assert.ok(await page.locator("#start").isDisabled());
    await accessible(page, "empty");
    await shoot(page, "empty");
  });

  await step("from drop to download; pictures on the way come in their order", async () => {
    await drop(page, "#content-zone", [content]);
    await drop(page, "#style-zone", [style]);
    await slide(page, "#size", 128);
    await slide(page, "#strength", 0.75);
    await page.locator("#advanced summary").click();
    await setOption(page, "scales", "32,64,128");
    await setOption(page, "steps", "60,60,60");
    await page.waitForFunction(() => /^Takes about .* of memory; painted at 32, 64 and 128 pixels\.$/.test(document.querySelector("#forecast").textContent));
    await accessible(page, "form");
    await shoot(page, "form");
    await page.evaluate(() => {
      window.frames_seen = [];
      new MutationObserver(() => window.frames_seen.push(document.querySelector("#after").dataset.frame)).observe(document.querySelector("#after"), { attributeFilter: ["data-frame"] });
    });
    await page.keyboard.press("Control+Enter");
    await page.waitForFunction(() => window.frames_seen.length > 0);
    await shoot(page, "painting");
    await page.locator("#done-tools").waitFor({ state: "visible", timeout: 120_000 });
    await page.waitForFunction(() => window.frames_seen.at(-1) === "final");
    const frames = (await page.evaluate(() => window.frames_seen)).slice(0, -1).map(Number);
    assert.ok(frames.length >= 1 && frames.every((frame, index) => index === 0 || frame > frames[index - 1]), `frames ${frames}`);
    assert.match(await page.locator("#message").textContent(), /Done/);
    assert.ok((await page.locator("#curve path").getAttribute("d")).split("L").length >= 20);
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()]);
    assert.equal(download.suggestedFilename(), "content-style.png");
    await download.saveAs(join(folder, "saved.png"));
    const command = execFileSync(impasto, ["show", join(folder, "saved.png"), "--as-command"], { encoding: "utf8" }).trim();
    assert.equal(await page.locator("#command").textContent(), command);
    await accessible(page, "done");
    await shoot(page, "done");
  });

  await step("compare, zoom, and the command, by keyboard", async () => {
    await page.locator("#stage").focus();
    await page.keyboard.press("b");
    assert.equal(await page.locator("#compare").inputValue(), "100");
    await page.keyboard.press("b");
    assert.equal(await page.locator("#compare").inputValue(), "0");
    await page.keyboard.press("+");
    assert.match(await page.locator("#sheet").evaluate((sheet) => sheet.style.transform), /scale\(1.25\)/);
    await page.keyboard.press("0");
    assert.match(await page.locator("#sheet").evaluate((sheet) => sheet.style.transform), /scale\(1\)/);
    await page.locator("#command-details summary").click();
    await page.locator("#copy").click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^impasto transfer /);
  });

  await step("a dropped result brings its settings back", async () => {
    await page.locator("#reset").click();
    assert.equal(await page.locator("#strength").inputValue(), "0.5");
    await drop(page, "#easel", [join(folder, "saved.png")]);
    await page.waitForFunction(() => document.querySelector("#strength").value === "0.75");
    assert.equal(await page.locator("[name=steps]").inputValue(), "60,60,60");
    assert.equal(await page.locator("#size").inputValue(), "128");
  });

  await step("the same pictures again, a change on the way, pause, stop and keep", async () => {
    await page.locator("#gallery").getByRole("button", { name: /^Settings again/ }).click();
    await setOption(page, "steps", "100000");
    await setOption(page, "scales", "1");
    await page.locator("#start").click();
    await until(["done", "running"]);
    await page.waitForFunction(() => document.querySelector("#after").dataset.frame === "1" || Number(document.querySelector("#after").dataset.frame) > 0);
    await slide(page, "#strength", 0.95);
    await page.locator("#apply").click();
    await page.waitForFunction(async () => (await (await fetch("api/jobs/2")).json()).changed);
    await page.locator("#stage").focus();
    await page.keyboard.press(" ");
    await until(["done", "paused"]);
    // The page hears of it a little later.
    await page.waitForFunction(() => document.querySelector("#pause").textContent === "Resume");
    await page.locator("#pause").click();
    await until(["done", "running"]);
    await page.locator("#stop").click();
    await until(["done", "stopped"]);
    await page.locator("#done-tools").waitFor({ state: "visible" });
    await page.waitForFunction(() => document.querySelector("#command-note").textContent.includes("changed while"));
  });

  await step("stop and discard; a queue over a restart", async () => {
    await page.locator("#start").click();
    await until(["done", "stopped", "running"]);
    await page.waitForFunction(() => !document.querySelector("#pause").disabled);
    await page.locator("#discard").click();
    await until(["done", "stopped"]);
    await page.locator("#start").click();
    await until(["done", "stopped", "running"]);
    await setOption(page, "steps", "2");
    await page.locator("#start").click();
    await until(["done", "stopped", "running", "waiting"]);
    await page.locator("#queue li").nth(1).waitFor();
    await accessible(page, "queue");
    await shoot(page, "queue");
    await end();
    await start();
    await load();
    // While it was away, the page said that nobody answers.
    complaints.length = 0;
    await until(["done", "stopped", "running", "waiting"]);
    await page.locator("#stop").click();
    await until(["done", "stopped", "stopped", "done"]);
  });

  await step("what is wrong is told", async () => {
    await drop(page, "#style-zone", [style]);
    await drop(page, "#content-zone", [axe], "image/png");
    await page.locator("#start").click();
    await page.waitForFunction(() => document.querySelector("#problem").textContent.includes("axe.min.js"));
    // The refusal itself is in the console.
    assert.ok(complaints.every((complaint) => complaint.includes("422")), complaints.join("\n"));
    await accessible(page, "problem");
  });
  await end();
  console.log("the studio in a browser: all is well");
} finally {
  await browser.close();
  studio?.child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
