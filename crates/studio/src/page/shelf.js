// The shelf: the demo's pair and the styles used so far, to click on.

import * as api from "./api.js";
import { button, element } from "./dom.js";

const MOST = 12;

export const DEMO = {
  content: { name: "harbour.png", address: "demo/content", url: "api/demo/content" },
  style: { name: "swirls.png", address: "demo/style", url: "api/demo/style" },
};

export class Shelf {
  // `choose` is called with a style, `demo` when the demo's pair is chosen.
  constructor(list, { choose, demo }) {
    Object.assign(this, { list, choose, demo });
  }

  show(jobs) {
    const seen = new Set([DEMO.style.name]);
    const styles = [];
    for (const job of jobs.toReversed()) {
      job.styles.forEach((name, index) => {
        if (seen.has(name) || styles.length === MOST) return;
        seen.add(name);
        styles.push({ name, address: `jobs/${job.id}/styles/${index + 1}`, url: api.styleOf(job.id, index + 1) });
      });
    }
    const key = JSON.stringify(styles);
    if (this.key === key) return;
    this.key = key;
    const item = (words, label, act, ...pictures) => {
      const node = button("", act, { className: "picture", ariaLabel: label });
      node.append(...pictures.map(({ url }) => element("img", { src: url, alt: "" })), element("span", { textContent: words }));
      return element("li", {}, node);
    };
    const pair = item("Try this pair", "Try this pair: a harbour in the style of swirls", this.demo, DEMO.content, DEMO.style);
    pair.className = "pair";
    this.list.replaceChildren(pair, ...[DEMO.style, ...styles].map((style) =>
      item(style.name.replace(/\.[^.]*$/, ""), `Use the style ${style.name}`, () => this.choose(style), style)));
  }
}
