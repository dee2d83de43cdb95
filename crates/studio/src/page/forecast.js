// The estimate for the job in the form, requested when the form has not changed for a moment.

import * as api from "./api.js";
import { amount, duration, rounded } from "./words.js";

const PAUSE = 300;

export class Forecast {
  constructor(output) {
    this.output = output;
    this.key = "";
  }

  // `content` and `styles` are pictures, or `like` is a job whose pictures to use; null if there is nothing to estimate.
  ask(asked) {
    const key = asked ? JSON.stringify([asked.content?.url, asked.styles?.map(({ url }) => url), asked.like, asked.settings]) : "";
    if (key === this.key && this.output.textContent) return;
    this.key = key;
    clearTimeout(this.timer);
    if (!asked) this.output.textContent = "Choose a photograph and a style to begin.";
    else if (!this.output.textContent.startsWith("Takes")) this.output.textContent = "…";
    if (asked) this.timer = setTimeout(() => this.show(asked, key), PAUSE);
  }

  async show({ content, styles, like, settings }, key) {
    const say = (words) => key === this.key && (this.output.textContent = words);
    try {
      if (like) return say(told(await api.forecast({ like, settings })));
      const pictures = await Promise.all([content, ...styles].map((picture) => picture.address ?? sizeOf(picture)));
      if (pictures.includes(null)) return say("This browser cannot read one of the files, so time and memory are not known yet.");
      say(told(await api.forecast({ content: pictures[0], styles: pictures.slice(1), settings })));
    } catch (error) {
      say(error.message);
    }
  }
}

// "Takes about 2 min and at most 480 MB of memory; painted at 128, 256 and 512 pixels."
function told({ seconds, peak_memory_bytes: bytes, scales }) {
  if (!scales.length) return "Takes a moment: only colours are changed.";
  // The finish has the size of the scale before it.
  const sides = [...new Set(scales.map(({ width, height }) => Math.max(width, height)))];
  const last = sides.pop();
  const painted = sides.length ? `painted at ${sides.join(", ")} and ${last} pixels` : `painted at ${last} pixels`;
  return `Takes about ${duration(rounded(seconds))} and at most ${amount(bytes)} of memory; ${painted}.`;
}

// Width and height of a picture; null if the browser cannot read it.
const sizes = new Map();
function sizeOf({ url }) {
  if (!sizes.has(url)) {
    const image = new Image();
    image.src = url;
    sizes.set(url, image.decode().then(() => [image.naturalWidth, image.naturalHeight], () => null));
  }
  return sizes.get(url);
}
