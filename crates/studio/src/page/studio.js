// The page as a whole: the job on the easel, and the actions on it.

import * as api from "./api.js";
import { Curve } from "./curve.js";
import { $, filesOf } from "./dom.js";
import { Forecast } from "./forecast.js";
import { Form } from "./form.js";
import { Lists } from "./lists.js";
import { Regions } from "./regions.js";
import { Shelf } from "./shelf.js";
import { Sweep } from "./sweep.js";
import { attempt, complain, say } from "./toast.js";
import { View } from "./view.js";
import { Weights } from "./weights.js";
import { duration, isOver, isUnderWay, nameOf, rounded, summary } from "./words.js";

const POLL_INTERVAL = 2000;
const TITLE = "impasto studio";

let shown = null; // The job on the easel.
let applied = ""; // The settings that it has, as the form writes them.
let unfollow = () => {};
let opened = 0; // Counts what was asked onto the easel: a late answer must not replace a newer job.

const view = new View({ walk });
const curve = new Curve($("curve"), $("loss"));
const forecast = new Forecast($("forecast"));
const form = new Form(() => {
  drawActions();
  forecast.ask(form.asked());
});
const lists = new Lists({ open, again, discard, restore, star, sweep: (group) => showSweep(group) });
const shelf = new Shelf($("shelf"), { photograph: (picture) => form.put("content", [picture]), style: (style) => form.useStyle(style), demo: () => form.useDemo() });
const regions = new Regions($("mask-dialog"));
const sweep = new Sweep({ choose: paintLarge });
new Weights($("weights"));

function drawActions() {
  $("start").disabled = $("sweep").disabled = !form.isReady();
  const settings = form.loaded ? JSON.stringify(form.settings()) : "";
  $("apply").hidden = !isUnderWay(shown) || settings === applied;
  // Before the first picture, the page shows only the form.
  document.body.classList.toggle("fresh", !shown);
}

async function start() {
  const asked = form.asked();
  if (!asked) return;
  const created = await attempt(() => api.create(asked));
  if (!created) return;
  const waits = isUnderWay(shown);
  const jobs = await refresh();
  const job = jobs?.find(({ id }) => id === created.id);
  if (!job) return;
  if (waits) return say(`${nameOf(job)} is queued.`);
  await open(job);
  // On a narrow page the picture is below the form.
  $("easel").scrollIntoView({ block: "nearest" });
}

// Shows a job on the easel, and follows it.
async function open({ id }) {
  unfollow();
  const own = ++opened;
  const job = await attempt(() => api.job(id));
  if (!job || own !== opened) return;
  shown = job;
  applied = JSON.stringify(form.settings());
  view.open(api.contentOf(id));
  curve.set(job.losses);
  $("easel-title").textContent = nameOf(job);
  $("easel-settings").textContent = summary(job.settings);
  drawCompare();
  draw();
  if (isOver(job)) {
    if (job.picture) view.show(api.pictureOf(id), Infinity);
    return;
  }
  unfollow = api.follow(id, {
    progress(progress) {
      if (shown !== job) return;
      job.progress = progress;
      curve.add(progress);
      drawProgress();
    },
    picture({ frame }) {
      if (shown === job) view.show(api.pictureOf(id, frame), frame);
    },
    again() {
      if (shown === job) view.countFromOne();
    },
    async state({ state, error }) {
      Object.assign(job, { state, error });
      if (shown === job && isOver(job)) Object.assign(job, await api.job(id).catch(() => ({})));
      // The easel may have been cleared, or have got another job, also while the studio answered.
      if (shown !== job) return;
      if (isOver(job) && job.picture) view.show(api.pictureOf(id, "whole"), Infinity);
      if (state === "done") say("Done.");
      else if (state === "stopped") say(job.picture ? "Stopped. The picture so far is kept." : "Stopped.");
      else if (state === "paused") say("Paused. Queued pictures wait until it is resumed.");
      draw();
      refresh();
    },
  });
}

function draw() {
  const over = shown && isOver(shown);
  $("doing").hidden = !shown || over;
  $("done-tools").hidden = !over;
  $("download").hidden = !shown?.picture;
  $("pause").textContent = shown?.state === "paused" ? "Resume" : "Pause";
  $("pause").disabled = !isUnderWay(shown);
  if (shown?.error) complain(shown.error);
  if (shown) {
    $("download").href = api.pictureOf(shown.id, "whole");
    $("download").download = shown.name;
    $("command").textContent = shown.command;
    $("command-note").textContent = shown.changed ? "Settings were changed while it was painted, so the command makes a similar picture, not the same one." : "";
  }
  drawProgress();
  drawActions();
}

function drawProgress() {
  const progress = shown?.progress;
  const under = isUnderWay(shown);
  $("progress").value = progress?.done ?? 0;
  $("progress").hidden = $("left").hidden = !shown || isOver(shown);
  const percent = progress ? `${Math.floor(100 * progress.done)} %` : "";
  const left = shown?.state === "paused" ? "paused" : progress?.left == null ? "" : `${duration(rounded(progress.left))} left`;
  if (shown?.state === "waiting") $("left").textContent = "queued";
  else if (!progress) $("left").textContent = under ? "starting" : "";
  else $("left").textContent = [`${progress.scale} px`, `step ${progress.iteration} of ${progress.iterations}`, left].filter(Boolean).join(" · ");
  document.title = under && progress ? `${[percent, left].filter(Boolean).join(", ")} – ${TITLE}` : TITLE;
}

// The choice of pictures to compare with the one on the easel.
function drawCompare() {
  const select = $("compare");
  const before = select.value;
  const others = lists.finished().filter((job) => job.picture && job.id !== shown?.id);
  const option = (value, words) => Object.assign(document.createElement("option"), { value, textContent: words });
  select.replaceChildren(option("", "nothing"));
  if (shown) {
    select.append(option(api.contentOf(shown.id), "the photograph"));
    shown.styles.forEach((name, index) => select.append(option(api.styleOf(shown.id, index + 1), `the style ${name}`)));
  }
  select.append(...others.map((job) => option(api.pictureOf(job.id), `#${job.id} ${nameOf(job)}, ${summary(job.settings)}`)));
  select.value = before;
  if (select.selectedIndex < 0) select.value = "";
  view.compare(select.value || null, $("side").checked);
  $("side-row").hidden = !select.value;
}

// Shows the previous or the next picture of the gallery.
function walk(step) {
  const jobs = lists.finished().filter(({ picture }) => picture);
  const index = jobs.findIndex(({ id }) => id === shown?.id);
  const next = jobs[index < 0 ? 0 : index + step];
  if (next) open(next);
}

// Puts a job's settings and pictures into the form.
function again(job) {
  form.setLike(job);
  form.setSettings(job.settings);
  say(`The pictures and settings of ${nameOf(job)} are in the form.`);
  $("start").scrollIntoView({ block: "nearest" });
  $("start").focus();
}

// Asks for each job in turn until a request fails; returns those that were done.
async function each(jobs, ask) {
  const done = [];
  for (const job of jobs) {
    if (!(await attempt(() => ask(job.id).then(() => true)))) break;
    done.push(job);
  }
  return done;
}

const named = (jobs) => (jobs.length === 1 ? nameOf(jobs[0]) : `${jobs.length} pictures`);

async function discard(...jobs) {
  const gone = await each(jobs, api.discard);
  if (gone.some(({ id }) => id === shown?.id)) close();
  await refresh();
  if (gone.length) say(`${named(gone)}: moved to the trash.`, { words: "Undo", act: () => restore(...gone) });
}

async function restore(...jobs) {
  const back = await each(jobs, api.restore);
  await refresh();
  if (!back.length) return;
  if (jobs.length === 1) await open(back[0]);
  say(`${named(back)}: restored.`);
}

async function star(job) {
  await attempt(() => api.favourite(job.id, !job.favourite));
  await refresh();
}

function close() {
  unfollow();
  opened++;
  shown = null;
  draw();
}

const pauseOrResume = () => isUnderWay(shown) && attempt(() => (shown.state === "paused" ? api.resume : api.pause)(shown.id));

async function showSweep(group) {
  sweep.show(group, (await refresh()) ?? []);
  $("sweep-section").scrollIntoView({ block: "nearest" });
}

async function startSweep() {
  const asked = form.asked();
  if (!asked) return;
  $("sweep").disabled = true;
  const group = await attempt(() => sweep.start(asked));
  drawActions();
  if (group) await showSweep(group);
}

// Paints a picture of a sweep at full size.
function paintLarge(job, strength, stroke) {
  const { "style-size": _, size: __, ...settings } = job.settings;
  form.setLike(job);
  form.setSettings({ ...settings, strength });
  $("stroke").value = stroke;
  form.tell();
  sweep.close();
  start();
}

async function refresh() {
  try {
    const { jobs, unreadable } = await api.jobs();
    lists.show(jobs);
    shelf.show(jobs);
    sweep.draw(jobs);
    $("unreadable").textContent = unreadable.join(" ");
    lists.showTrash();
    if (shown && document.activeElement !== $("compare")) drawCompareIfNew();
    return jobs;
  } catch (error) {
    complain(error.message);
    return undefined;
  }
}

let comparable = "";
function drawCompareIfNew() {
  const key = JSON.stringify(lists.finished().map(({ id }) => id));
  if (key === comparable) return;
  comparable = key;
  drawCompare();
}

// A picture made by impasto restores its settings; any other becomes the photograph or a style.
async function take(files) {
  const [file] = files;
  if (!file) return;
  const made = files.length === 1 ? await api.provenance(file) : null;
  if (made) {
    form.setSettings(made.settings);
    say(`The settings of ${file.name} are in the form.`);
  } else {
    form.addAnywhere(files);
  }
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("reset").addEventListener("click", () => {
  const { content, style } = form.pictures;
  const before = { pictures: { content, style }, parts: form.parts, like: form.like, masks: form.masks, settings: form.settings() };
  form.clear();
  say("The form is empty.", {
    words: "Undo",
    act: () => {
      Object.assign(form, { pictures: before.pictures, parts: before.parts, like: before.like, masks: before.masks });
      form.setSettings(before.settings);
    },
  });
});
$("apply").addEventListener("click", async () => {
  const settings = form.settings();
  const job = shown;
  // Options that are no longer set return to their defaults.
  const unset = Object.keys(job.settings).filter((name) => !(name in settings)).map((name) => [name, null]);
  const changed = await attempt(() => api.change(job.id, { ...Object.fromEntries(unset), ...settings }));
  if (!changed) return;
  Object.assign(job, { settings, changed: true });
  if (shown !== job) return;
  applied = JSON.stringify(settings);
  say("Painting continues with these settings.");
  drawActions();
});
$("sweep").addEventListener("click", startSweep);
$("regions").addEventListener("click", async () => {
  const { content: [content], style } = form.pictures;
  const masks = await attempt(() => regions.paint(content, style));
  if (masks === undefined) return;
  form.like = null;
  form.masks = masks;
  form.tell();
});
$("pause").addEventListener("click", pauseOrResume);
$("stop").addEventListener("click", () => attempt(() => api.stop(shown.id)));
$("discard").addEventListener("click", () => discard(shown));
$("again").addEventListener("click", () => again(shown));
$("delete").addEventListener("click", () => discard(shown));
$("new").addEventListener("click", close);
$("zoom-in").addEventListener("click", () => view.zoomIn());
$("zoom-out").addEventListener("click", () => view.zoomOut());
$("zoom-fit").addEventListener("click", () => view.fit());
$("zoom-actual").addEventListener("click", () => view.actualSize());
$("compare").addEventListener("input", drawCompare);
$("side").addEventListener("input", drawCompare);
$("empty-trash").addEventListener("click", async () => {
  if (!confirm("Delete everything in the trash for good?")) return;
  await attempt(api.emptyTrash);
  refresh();
});
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("command").textContent);
    say("Copied.");
  } catch {
    getSelection().selectAllChildren($("command"));
    say("The command is selected: copy it with Ctrl+C.");
  }
});

document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  take(filesOf(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  const files = filesOf(event.clipboardData);
  if (files.length) form.addAnywhere(files);
});
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    start();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, button, a, summary, [role=slider]")) return;
  const toggle = () => {
    const select = $("compare");
    select.value = select.value ? "" : api.contentOf(shown.id);
    drawCompare();
  };
  const act = { " ": pauseOrResume, b: toggle, "+": () => view.zoomIn(), "=": () => view.zoomIn(), "-": () => view.zoomOut(), 0: () => view.fit(), 1: () => view.actualSize(), ArrowLeft: () => walk(-1), ArrowRight: () => walk(1) }[event.key];
  if (!act || !shown) return;
  event.preventDefault();
  act();
});

await attempt(() => form.load());
const jobs = await refresh();
const current = jobs?.find((job) => isUnderWay(job));
if (current && !opened) await open(current);
drawActions();
// The browser's test waits for this.
document.body.dataset.ready = "";
setInterval(() => document.hidden || refresh(), POLL_INTERVAL);
