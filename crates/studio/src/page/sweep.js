// A sweep: small pictures of several strengths and stroke sizes on one contact sheet; a click on one paints it large.

import * as api from "./api.js";
import { $, button, element } from "./dom.js";
import { STATES, nameOf } from "./words.js";

export const STRENGTHS = [0.25, 0.5, 0.75];
export const STROKES = [50, 100, 200];
const SIZE = 192;
const LEAST_STYLE = 16;

// The settings of each picture of a sweep, row by row.
const cells = () => STROKES.flatMap((stroke) => STRENGTHS.map((strength) => ({ strength, stroke })));

export class Sweep {
  // `choose` is called with a picture's job, its strength and its stroke size in percent.
  constructor({ choose }) {
    this.choose = choose;
    $("sweep-close").addEventListener("click", () => this.close());
  }

  // Starts the jobs; returns the sweep's name.
  async start({ content, styles, like, masks, settings }) {
    const group = `variants ${new Date().toISOString().slice(0, 19).replace("T", " ")}`;
    let first = like;
    for (const { strength, stroke } of cells()) {
      const given = { ...settings, size: SIZE, strength, "style-size": Math.max(LEAST_STYLE, Math.round((SIZE * stroke) / 100)) };
      const created = await api.create({ content, styles, like: first, masks, group, settings: given });
      // Send the pictures once only.
      first ??= created.id;
    }
    return group;
  }

  show(group, jobs) {
    this.group = group;
    this.draw(jobs);
  }

  close() {
    this.group = null;
    $("sweep-section").hidden = true;
  }

  draw(jobs) {
    const own = this.group ? jobs.filter((job) => job.group === this.group) : [];
    $("sweep-section").hidden = !own.length;
    if (!own.length) return;
    const key = JSON.stringify(own.map(({ id, state, picture }) => [id, state, picture]));
    if (this.key === key) return;
    this.key = key;
    $("sweep-title").textContent = nameOf(own[0]);
    const head = element("tr", {}, element("td", {}), ...STRENGTHS.map((strength) => element("th", { scope: "col", textContent: `strength ${strength}` })));
    const rows = STROKES.map((stroke) => element("tr", {}, element("th", { scope: "row", textContent: `strokes ${stroke} %` }),
      ...STRENGTHS.map((strength) => element("td", {}, this.cell(own, strength, stroke)))));
    $("sweep-sheet").replaceChildren(head, ...rows);
  }

  cell(jobs, strength, stroke) {
    const side = Math.max(LEAST_STYLE, Math.round((SIZE * stroke) / 100));
    const job = jobs.find(({ settings }) => Number(settings.strength ?? 0.5) === strength && Number(settings["style-size"]) === side);
    if (!job) return "";
    if (job.state !== "done" || !job.picture) return element("span", { className: "hint", textContent: STATES[job.state] });
    const node = button("", () => this.choose(job, strength, stroke), { className: "picture", ariaLabel: `Paint large: strength ${strength}, strokes ${stroke} %` });
    node.append(element("img", { src: api.thumbnailOf(job.id), alt: "" }));
    return node;
  }
}
