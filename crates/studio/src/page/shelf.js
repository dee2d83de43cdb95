// The shelf: pictures to try, drawn by the program, and the styles used so far, to click on.

import * as api from "./api.js";
import { button, element } from "./dom.js";

const MOST = 12;

const drawn = (name, place) => ({ name: `${name}.png`, address: `demo/${place}`, url: `api/demo/${place}` });
export const DEMO = { content: drawn("harbour", "content"), style: drawn("swirls", "style") };
const PHOTOGRAPHS = [DEMO.content, drawn("portrait", "portrait"), drawn("fox", "fox")];
const STYLES = [DEMO.style, ...["ink", "mosaic", "cut-paper"].map((name) => drawn(name, name))];

export class Shelf {
  // `photograph` and `style` are called with a picture, `demo` when the demo's pair is chosen.
  constructor(box, actions) {
    Object.assign(this, { box, actions });
  }

  show(jobs) {
    const seen = new Set(STYLES.map(({ name }) => name));
    const used = [];
    for (const job of jobs.toReversed()) {
      job.styles.forEach((name, index) => {
        if (seen.has(name) || used.length === MOST) return;
        seen.add(name);
        used.push({ name, address: `jobs/${job.id}/styles/${index + 1}`, url: api.styleOf(job.id, index + 1) });
      });
    }
    const key = JSON.stringify(used);
    if (this.key === key) return;
    this.key = key;
    const { photograph, style, demo } = this.actions;
    const pair = item("Try this pair", "Try this pair: a harbour in the style of swirls", demo, DEMO.content, DEMO.style);
    pair.className = "pair";
    const list = (words, ...items) => [element("h3", { textContent: words }), element("ul", { ariaLabel: words }, ...items)];
    this.box.replaceChildren(
      ...list("Pictures to try", pair, ...PHOTOGRAPHS.map((one) => item(bare(one), `Repaint ${one.name}`, () => photograph(one), one))),
      ...list("Styles", ...[...used, ...STYLES].map((one) => item(bare(one), `Use the style ${one.name}`, () => style(one), one))));
  }
}

const bare = ({ name }) => name.replace(/\.[^.]*$/, "");

function item(words, label, act, ...pictures) {
  const node = button("", act, { className: "picture", ariaLabel: label });
  node.append(...pictures.map(({ url }) => element("img", { src: url, alt: "" })), element("span", { textContent: words }));
  return element("li", {}, node);
}
