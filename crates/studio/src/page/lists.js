// The queue, the gallery and the trash.

import * as api from "./api.js";
import { $, button, element, fill } from "./dom.js";
import { STATES, isOver, nameOf, summary } from "./words.js";

const without = ({ command, progress, ...rest }) => JSON.stringify(rest);

export class Lists {
  // `actions`: open, again, discard, restore, sweep, star; each takes a job, and sweep a group's jobs.
  constructor(actions) {
    this.actions = actions;
    this.jobs = [];
    this.chosen = new Set();
    for (const id of ["search", "favourites-only"]) $(id).addEventListener("input", () => this.drawGallery());
    $("zip").addEventListener("click", () => setTimeout(() => this.choose(), 500));
  }

  show(jobs) {
    this.jobs = jobs;
    const queue = jobs.filter((job) => !isOver(job));
    $("queue-section").hidden = !queue.length;
    fill($("queue"), queue, (job) => `${without(job)}${Math.round(100 * (job.progress?.done ?? 0))}`, (job) => this.queued(job));
    this.drawGallery();
  }

  // The finished pictures that match the search, newest first.
  finished() {
    const words = $("search").value.trim().toLowerCase().split(/\s+/);
    const text = (job) => [nameOf(job), job.content, ...job.styles, job.name, summary(job.settings)].join(" ").toLowerCase();
    return this.jobs
      .filter(isOver)
      .filter((job) => !$("favourites-only").checked || job.favourite)
      .filter((job) => words.every((word) => text(job).includes(word)))
      .reverse();
  }

  drawGallery() {
    const jobs = this.finished();
    $("gallery-section").hidden = $("to-gallery").hidden = !this.jobs.some(isOver);
    // A sweep is one card, in the place of its latest picture.
    const cards = [];
    const groups = new Map();
    for (const job of jobs) {
      if (!job.group) cards.push({ job });
      else if (groups.has(job.group)) groups.get(job.group).push(job);
      else cards.push({ group: job.group, jobs: groups.set(job.group, [job]).get(job.group) });
    }
    const any = this.jobs.some(isOver);
    fill($("gallery"), cards, (card) => JSON.stringify(card.job ? without(card.job) : card.jobs.map(without)), (card) => (card.job ? this.card(card.job) : this.sheet(card.jobs)),
      any ? "No name or settings match." : "Finished pictures appear here.");
    this.choose();
  }

  queued(job) {
    const name = nameOf(job);
    const done = job.progress ? `, ${Math.round(100 * job.progress.done)} %` : "";
    const item = element("li", {}, element("span", { className: "name", textContent: name }), element("span", { className: "hint", textContent: STATES[job.state] + done }));
    item.append(action("Show", name, () => this.actions.open(job)));
    if (job.state === "waiting") item.append(action("Remove", name, () => this.actions.discard(job)));
    return item;
  }

  card(job) {
    const { actions } = this;
    const name = nameOf(job);
    const item = element("li", { className: "card" });
    if (job.picture) {
      const image = element("img", { src: api.thumbnailOf(job.id), alt: "", loading: "lazy" });
      item.append(button("", () => actions.open(job), { className: "picture", ariaLabel: `Show ${name}` }));
      item.firstChild.append(image);
      const box = element("input", { type: "checkbox", checked: this.chosen.has(job.id), ariaLabel: `Select ${name}` });
      box.addEventListener("input", () => {
        if (box.checked) this.chosen.add(job.id);
        else this.chosen.delete(job.id);
        this.choose();
      });
      const star = button(job.favourite ? "★" : "☆", () => actions.star(job), { className: "round star", ariaLabel: `Favourite: ${name}` });
      star.setAttribute("aria-pressed", job.favourite);
      item.append(element("div", { className: "over-picture" }, box, star));
    }
    item.append(element("strong", { className: "name", textContent: name }));
    const size = job.size ? `${job.size[0]} × ${job.size[1]} px, ${Math.round(job.seconds)} s` : STATES[job.state];
    item.append(element("p", { className: "hint", textContent: job.state === "stopped" && job.size ? `${size}, ${STATES.stopped}` : size }));
    item.append(element("p", { className: "hint", textContent: summary(job.settings) }));
    if (job.error) item.append(element("p", { className: "hint failed", textContent: job.error }));
    const row = element("div", { className: "row" }, action("Use again", name, () => actions.again(job)));
    if (job.picture) {
      const link = element("a", { className: "button", textContent: "Download", href: api.pictureOf(job.id), download: job.name });
      link.setAttribute("aria-label", `Download: ${name}`);
      row.append(link);
    }
    row.append(action("Delete", name, () => actions.discard(job)));
    item.append(row);
    return item;
  }

  // A sweep: all its pictures on one card.
  sheet(jobs) {
    const name = nameOf(jobs[0]);
    const open = button("", () => this.actions.sweep(jobs[0].group), { className: "picture sheet", ariaLabel: `Show the variants: ${name}` });
    const pictures = jobs.filter(({ picture }) => picture).toReversed();
    open.append(...pictures.map(({ id }) => element("img", { src: api.thumbnailOf(id), alt: "", loading: "lazy" })));
    return element("li", { className: "card" }, open, element("strong", { className: "name", textContent: name }),
      element("p", { className: "hint", textContent: `${jobs.length} variants` }),
      element("div", { className: "row" }, action("Delete", `the variants of ${name}`, () => this.actions.discard(...jobs))));
  }

  choose() {
    const there = new Set(this.jobs.filter(({ picture }) => picture).map(({ id }) => id));
    const ids = [...this.chosen].filter((id) => there.has(id)).sort((one, other) => one - other);
    this.chosen = new Set(ids);
    $("zip").hidden = !ids.length;
    $("zip").textContent = ids.length === 1 ? "Download 1 picture as zip" : `Download ${ids.length} pictures as zip`;
    $("zip").href = api.zipOf(ids);
  }

  async showTrash() {
    const jobs = await api.trash().catch(() => []);
    $("trash-section").hidden = !jobs.length;
    $("trash-count").textContent = jobs.length;
    fill($("trash"), jobs.toReversed(), without, (job) => {
      const name = nameOf(job);
      const day = new Date(1000 * (job.deleted + 30 * 24 * 3600)).toLocaleDateString();
      return element("li", {}, element("span", { className: "name", textContent: name }), element("span", { className: "hint", textContent: `kept until ${day}` }),
        action("Restore", name, () => this.actions.restore(job)));
    });
  }
}

function action(words, name, act) {
  return button(words, act, { ariaLabel: `${words}: ${name}` });
}
