// The page as a whole: which job is shown, and what happens to it.

import * as api from "./api.js";
import { Curve } from "./curve.js";
import { Forecast, duration } from "./forecast.js";
import { Form, filesOf } from "./form.js";
import { Lists, nameOf } from "./lists.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const LOOK = 2000;

let shown = null; // The job on the easel.
let unfollow = () => {};

const view = new View({ stage: $("stage"), sheet: $("sheet"), before: $("before"), after: $("after"), compare: $("compare") });
const curve = new Curve($("curve"), $("loss"));
const forecast = new Forecast($("forecast"));
const form = new Form({
  form: $("form"),
  zones: { content: $("content-zone"), style: $("style-zone") },
  thumbs: { content: $("content-thumbs"), style: $("style-thumbs") },
  knobs: { strength: $("strength"), stroke: $("stroke"), size: $("size"), own: $("own-size") },
  outputs: { strength: $("strength-value"), stroke: $("stroke-value"), size: $("size-value") },
  options: $("options"),
  changed: () => {
    drawActions();
    forecast.ask(form.asked());
  },
});
const lists = new Lists({ queue: $("queue"), gallery: $("gallery"), actions: { open, again, discard } });

const say = (words) => ($("message").textContent = words);

// Does what may fail, and shows why it did.
async function attempt(work) {
  $("problem").textContent = "";
  try {
    return await work();
  } catch (error) {
    $("problem").textContent = error.message;
    return undefined;
  }
}

const isUnderWay = () => shown && ["running", "paused"].includes(shown.state);

function drawActions() {
  $("start").disabled = !(form.hasContent() && form.hasStyle());
  const settings = form.described ? JSON.stringify(form.settings()) : "";
  $("apply").hidden = !isUnderWay() || settings === applied;
}

let applied = ""; // The settings of the job on the easel, as the form has them.

async function start() {
  const { content: [content], style: styles } = form.pictures;
  const created = await attempt(() => api.create({ content, styles, like: form.like?.id, settings: form.settings() }));
  if (!created) return;
  const waits = isUnderWay();
  const jobs = await refresh();
  const job = jobs?.find(({ id }) => id === created.id);
  if (!job) return;
  if (waits) say(`${nameOf(job)} waits until the other is done.`);
  else await open(job);
  // On a narrow page the picture is below the form.
  $("easel").scrollIntoView({ block: "nearest" });
}

// Puts a job on the easel, and follows it.
async function open({ id }) {
  unfollow();
  const job = await attempt(() => api.job(id));
  if (!job) return;
  shown = job;
  applied = JSON.stringify(form.settings());
  view.open(api.contentOf(id));
  curve.set(job.losses);
  $("invitation").hidden = true;
  $("tools").hidden = false;
  $("easel-title").textContent = nameOf(job);
  draw();
  if (["done", "stopped", "failed"].includes(job.state)) {
    if (job.picture) view.show(api.pictureOf(id), Infinity);
    say("");
    return;
  }
  say(job.state === "waiting" ? "It waits for its turn." : "");
  unfollow = api.follow(id, {
    progress(progress) {
      if (shown?.id !== id) return;
      shown.progress = progress;
      curve.add(progress);
      drawProgress();
    },
    picture({ frame }) {
      if (shown?.id === id) view.show(api.pictureOf(id, frame), frame);
    },
    again() {
      if (shown?.id === id) view.countAnew();
    },
    async state({ state, error }) {
      if (shown?.id !== id) return;
      const before = shown.state;
      Object.assign(shown, { state, error });
      if (["done", "stopped", "failed"].includes(state)) {
        Object.assign(shown, await api.job(id).catch(() => ({})));
        if (shown.picture) view.show(api.pictureOf(id, "whole"), Infinity);
      }
      if (state === "done") say("Done.");
      else if (state === "stopped") say(shown.picture ? "Stopped; the picture so far is kept." : "Stopped.");
      else if (state === "failed") say("");
      else if (state === "paused") say("Paused. Nothing else is painted until it goes on.");
      else if (state === "running" && before !== "running") say("");
      draw();
      refresh();
    },
  });
}

function draw() {
  const over = shown && ["done", "stopped", "failed"].includes(shown.state);
  $("doing").hidden = !shown || over;
  $("done-tools").hidden = !over;
  $("download").hidden = !shown?.picture;
  $("pause").textContent = shown?.state === "paused" ? "Resume" : "Pause";
  $("pause").disabled = !isUnderWay();
  $("problem").textContent = shown?.error ?? "";
  if (shown) {
    $("download").href = api.pictureOf(shown.id, "whole");
    $("download").download = shown.name;
    $("command").textContent = shown.command;
    $("command-note").textContent = shown.changed ? "Settings were changed while it was painted: the command makes a similar picture, not the same." : "";
  }
  drawProgress();
  drawActions();
}

function drawProgress() {
  const progress = shown?.progress;
  $("progress").value = progress?.done ?? 0;
  if (!progress) {
    $("left").textContent = shown?.state === "running" ? "begins" : "";
    return;
  }
  const left = shown.state === "paused" ? "paused" : progress.left === null ? "" : `${duration(progress.left)} left`;
  $("left").textContent = `${progress.scale} px, step ${progress.iteration} of ${progress.iterations}, ${left}`;
}

// Takes a job's settings and pictures into the form.
function again(job) {
  form.setSettings(job.settings);
  form.setLike(job);
  say(`The settings and pictures of ${nameOf(job)} are in the form.`);
  $("start").focus();
}

async function discard(job) {
  await attempt(() => api.discard(job.id));
  if (shown?.id === job.id) close();
  await refresh();
}

function close() {
  unfollow();
  shown = null;
  $("tools").hidden = true;
  $("sheet").hidden = true;
  $("stage").classList.add("empty");
  $("invitation").hidden = false;
  $("easel-title").textContent = "Picture";
  say("");
  drawActions();
}

const pauseOrResume = () => isUnderWay() && attempt(() => (shown.state === "paused" ? api.resume : api.pause)(shown.id));

async function refresh() {
  try {
    const jobs = await api.jobs();
    lists.show(jobs);
    return jobs;
  } catch (error) {
    $("problem").textContent = error.message;
    return undefined;
  }
}

// A picture that impasto made brings its settings back; any other is the photograph or a style.
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
  form.setLike(null);
  form.setSettings({});
});
$("apply").addEventListener("click", async () => {
  const settings = form.settings();
  // What is not set any more is as usual again.
  const unset = Object.keys(shown.settings).filter((name) => !(name in settings)).map((name) => [name, null]);
  const changed = await attempt(() => api.change(shown.id, { ...Object.fromEntries(unset), ...settings }));
  if (!changed) return;
  applied = JSON.stringify(settings);
  Object.assign(shown, { settings, changed: true });
  say("It goes on with these settings.");
  drawActions();
});
$("pause").addEventListener("click", pauseOrResume);
$("stop").addEventListener("click", () => attempt(() => api.stop(shown.id)));
$("discard").addEventListener("click", () => discard(shown));
$("again").addEventListener("click", () => again(shown));
$("zoom-in").addEventListener("click", () => view.zoomIn());
$("zoom-out").addEventListener("click", () => view.zoomOut());
$("zoom-fit").addEventListener("click", () => view.fit());
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
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!$("start").disabled) start();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, button, a, summary")) return;
  const act = { " ": pauseOrResume, b: () => view.toggleCompare(), "+": () => view.zoomIn(), "=": () => view.zoomIn(), "-": () => view.zoomOut(), 0: () => view.fit() }[event.key];
  if (!act || !shown) return;
  event.preventDefault();
  act();
});

await attempt(() => form.load());
const jobs = await refresh();
const current = jobs?.find(({ state }) => ["running", "paused"].includes(state));
if (current) {
  form.setSettings(current.settings);
  await open(current);
}
setInterval(() => document.hidden || refresh(), LOOK);
