// The queue and the gallery.

import * as api from "./api.js";
import { element } from "./form.js";

const OVER = ["done", "stopped", "failed"];
const STATES = { waiting: "waits", running: "is painted", paused: "is paused", done: "done", stopped: "stopped early", failed: "failed" };

export const nameOf = ({ content, styles }) => `${stem(content)} as ${styles.map(stem).join(" and ")}`;
const stem = (name) => name.replace(/\.[^.]*$/, "");

// "strength 0.7, size 1024"
export const summary = (settings) =>
  Object.entries(settings).map(([name, value]) => (value === true ? name : `${name} ${value}`)).join(", ") || "usual settings";

export class Lists {
  // `actions`: open, again, pause, resume, stop, discard; each takes a job.
  constructor({ queue, gallery, actions }) {
    Object.assign(this, { queue, gallery, actions });
  }

  show(jobs) {
    fill(this.queue, jobs.filter(({ state }) => !OVER.includes(state)), (job) => this.waiting(job), "Nothing waits.");
    fill(this.gallery, jobs.filter(({ state }) => OVER.includes(state)).reverse(), (job) => this.picture(job), "Pictures that are done come here.");
  }

  waiting(job) {
    const { actions } = this;
    const done = job.progress ? `, ${Math.round(100 * job.progress.done)} %` : "";
    const name = element("span", { className: "name", textContent: `${nameOf(job)}: ${STATES[job.state]}${done}` });
    const item = element("li", {}, name, action("Show", nameOf(job), () => actions.open(job)));
    if (job.state === "waiting") item.append(action("Remove", nameOf(job), () => actions.discard(job)));
    return item;
  }

  picture(job) {
    const { actions } = this;
    const name = nameOf(job);
    const item = element("li", {});
    if (job.picture) {
      const image = element("img", { src: api.pictureOf(job.id), alt: name, loading: "lazy" });
      const open = element("button", { type: "button", className: "picture", ariaLabel: `Show ${name}` }, image);
      open.addEventListener("click", () => actions.open(job));
      item.append(open);
    }
    item.append(element("strong", { className: "name", textContent: name }));
    if (job.state !== "done") item.append(element("span", { textContent: STATES[job.state] }));
    if (job.error) item.append(element("p", { className: "hint", textContent: job.error }));
    const size = job.size ? `${job.size[0]}×${job.size[1]}, ${Math.round(job.seconds)} s; ` : "";
    item.append(element("p", { className: "hint", textContent: size + summary(job.settings) }));
    const row = element("div", { className: "row" }, action("Settings again", name, () => actions.again(job)));
    if (job.picture) {
      const link = element("a", { className: "button", textContent: "Download", href: api.pictureOf(job.id), download: job.name });
      link.setAttribute("aria-label", `Download ${name}`);
      row.append(link);
    }
    row.append(action("Delete", name, () => actions.discard(job)));
    item.append(row);
    return item;
  }
}

function action(words, name, act) {
  const button = element("button", { type: "button", textContent: words, ariaLabel: `${words}: ${name}` });
  button.addEventListener("click", act);
  return button;
}

// Fills a list, and leaves items that did not change, with the focus in them.
function fill(list, jobs, make, otherwise) {
  const old = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const items = jobs.map((job) => {
    const { command, ...rest } = job;
    const key = JSON.stringify(rest);
    const item = old.get(key) ?? make(job);
    item.dataset.key = key;
    return item;
  });
  if (!items.length) items.push(element("li", { className: "hint", textContent: otherwise }));
  const same = items.length === list.children.length && items.every((item, index) => item === list.children[index]);
  if (!same) list.replaceChildren(...items);
}
