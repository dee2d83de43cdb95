// What the job in the form would take: asked for when the form has not changed for a moment.

import * as api from "./api.js";

const PAUSE = 300;

export class Forecast {
  constructor(output) {
    this.output = output;
    this.key = "";
  }

  // `files`: content and styles, where they are other than those of the job `like`; null if there is nothing to foresee.
  ask(asked) {
    const key = asked ? JSON.stringify([asked.files.map(({ url }) => url), asked.like, asked.settings]) : "";
    if (key === this.key) return;
    this.key = key;
    clearTimeout(this.timer);
    if (!asked) this.output.textContent = "";
    else this.timer = setTimeout(() => this.show(asked, key), PAUSE);
  }

  async show({ files, like, settings }, key) {
    const say = (words) => key === this.key && (this.output.textContent = words);
    try {
      const sizes = await Promise.all(files.map(sizeOf));
      if (sizes.includes(null)) return say("This browser cannot read one of the files, so how long it takes is not known before.");
      const of = (kind) => sizes.filter((_, index) => files[index].kind === kind);
      const [content] = of("content");
      const asked = { styles: of("style"), settings };
      if (content) asked.content = content;
      if (like) asked.like = like;
      say(told(await api.forecast(asked)));
    } catch (error) {
      say(error.message);
    }
  }
}

// "Takes about 2 min and at most 480 MB of memory; painted at 128, 256 and 512 pixels."
function told({ seconds, peak_memory_bytes: bytes, scales }) {
  if (!scales.length) return "Takes a moment: nothing is painted, only colours are changed.";
  const sides = scales.map(({ width, height }) => Math.max(width, height));
  const last = sides.pop();
  const painted = sides.length ? `painted at ${sides.join(", ")} and ${last} pixels` : `painted at ${last} pixels`;
  return `Takes about ${duration(rounded(seconds))} and at most ${amount(bytes)} of memory; ${painted}.`;
}

// Nobody knows it to the second.
const rounded = (seconds) => (seconds < 20 ? seconds : seconds < 90 ? Math.round(seconds / 5) * 5 : seconds < 600 ? Math.round(seconds / 30) * 30 : Math.round(seconds / 60) * 60);

function amount(bytes) {
  const mib = bytes / 2 ** 20;
  return mib < 1000 ? `${Math.ceil(mib / 10) * 10} MB` : `${(mib / 1024).toFixed(1)} GB`;
}

export function duration(seconds) {
  const whole = Math.ceil(seconds);
  const both = (large, name, small, other) => (small ? `${large} ${name} ${small} ${other}` : `${large} ${name}`);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? both(Math.floor(whole / 60), "min", whole % 60, "s") : both(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
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
