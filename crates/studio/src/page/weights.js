// The banner about trained weights: offers to download them if they are missing.

import * as api from "./api.js";
import { button, element } from "./dom.js";
import { complain, say } from "./toast.js";
import { amount } from "./words.js";

const POLL_INTERVAL = 500;

export class Weights {
  constructor(banner) {
    this.banner = banner;
    this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    try {
      const state = await api.weights();
      const came = this.was === "fetching" && state.trained;
      this.was = state.state;
      this.show(state);
      if (came) say("The trained weights have been downloaded. New pictures use them.");
      if (state.state === "fetching") this.timer = setTimeout(() => this.refresh(), POLL_INTERVAL);
    } catch {
      this.timer = setTimeout(() => this.refresh(), 10 * POLL_INTERVAL);
    }
  }

  show({ trained, state, bytes, total, error }) {
    const { banner } = this;
    banner.hidden = trained && state === "idle";
    if (banner.hidden) return;
    if (state === "fetching") {
      this.bar ??= element("progress", { max: 1, attributes: { "aria-label": "Trained weights" } });
      this.of ??= element("span", {});
      if (total) this.bar.value = bytes / total;
      else this.bar.removeAttribute("value");
      this.of.textContent = total ? `${amount(bytes)} of ${amount(total)}` : amount(bytes);
      if (!this.bar.isConnected) banner.replaceChildren(element("p", { textContent: "Downloading trained weights…" }), this.bar, this.of);
      return;
    }
    const why = error ? ` That failed: ${error}.` : "";
    const words = element("p", {}, element("strong", { textContent: "No trained weights yet. " }),
      `Pictures are painted with random ones, which represent textures but little of what a picture shows.${why}`);
    banner.replaceChildren(words, button(error ? "Try again" : "Download them (18 MB)", () => this.fetch(), { className: "main" }));
  }

  async fetch() {
    try {
      await api.fetchWeights();
    } catch (error) {
      complain(error.message);
    }
    this.was = "fetching";
    this.refresh();
  }
}
