// The form: pictures, knobs, and the resulting settings.

import * as api from "./api.js";
import * as draft from "./draft.js";
import { $, button, element, filesOf } from "./dom.js";
import { Options } from "./options.js";
import { coloursOf, drawChoices } from "./palette.js";
import { DEMO } from "./shelf.js";
import { complain, say } from "./toast.js";

const SIZE = 512;
const STRENGTH = 0.5;
const LEAST_STYLE = 16;
// Options that have a knob of their own.
const KNOBS = ["size", "style-size", "strength", "colors", "blend"];
const CHOICES = ["style", "content", "match", "only"];

// Browsers do not know the types of all pictures that are read; the server lists their extensions in the choosers of files.
const isPicture = (file) => {
  const extensions = $("content").accept.split(",").filter((kind) => kind.startsWith("."));
  return file.type.startsWith("image/") || extensions.some((end) => file.name.toLowerCase().endsWith(end));
};

export class Form {
  constructor(changed) {
    this.changed = changed;
    // A picture has a name, a URL to show it, and either its file or its address in the studio.
    this.pictures = { content: [], style: [] };
    this.parts = [];
    this.like = null;
    this.masks = null;
    this.options = new Options($("options"), () => this.tell());
    for (const kind of ["content", "style"]) this.listen(kind);
    for (const id of ["strength", "stroke", "size", "own-size"]) $(id).addEventListener("input", () => this.tell());
    $("colours").addEventListener("input", () => this.tell());
  }

  listen(kind) {
    const input = $(kind);
    const zone = $(`${kind}-zone`);
    input.addEventListener("change", () => {
      this.add(kind, [...input.files]);
      input.value = "";
    });
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      zone.classList.remove("over");
      this.add(kind, filesOf(event.dataTransfer));
    });
  }

  async load() {
    const [options, kept] = await Promise.all([api.options(), draft.load()]);
    this.options.load(options.filter(({ name }) => !KNOBS.includes(name)));
    // What was chosen meanwhile stands.
    const chosen = this.pictures.content.length + this.pictures.style.length > 0;
    if (kept && !chosen) {
      const back = (picture) => (picture.file ? ofFile(picture.file) : picture);
      this.pictures = { content: kept.content.map(back), style: kept.style.map(back) };
      this.parts = kept.parts ?? [];
      Object.assign(this, { like: kept.like ?? null, masks: kept.masks ?? null, regions: kept.regions });
      this.setSettings(kept.settings);
    }
    this.loaded = true;
    this.tell();
  }

  // Adds files; complains if one is not a picture.
  add(kind, files) {
    const pictures = files.filter(isPicture);
    const others = files.filter((file) => !isPicture(file));
    if (others.length) complain(`${others[0].name} is not a picture. JPEG, PNG, WebP, TIFF, BMP, GIF and HEIC can be read.`);
    this.put(kind, pictures.map(ofFile));
  }

  put(kind, pictures) {
    if (!pictures.length) return;
    if (kind === "content") this.pictures.content = [pictures.at(-1)];
    else this.pictures.style = [...this.pictures.style, ...pictures];
    this.forgetLike();
    this.tell();
  }

  // A picture dropped elsewhere or pasted becomes the photograph, or if there is one, a style.
  addAnywhere(files) {
    if (files.length > 1 && !this.pictures.content.length) {
      this.add("content", files.slice(0, 1));
      this.add("style", files.slice(1));
    } else {
      this.add(this.pictures.content.length ? "style" : "content", files);
    }
  }

  useDemo() {
    this.pictures = { content: [DEMO.content], style: [DEMO.style] };
    this.forgetLike();
    this.tell();
  }

  useStyle(style) {
    const before = this.pictures.style;
    if (before.length && before.some(({ url }) => url === style.url)) return;
    this.pictures.style = [style];
    this.forgetLike();
    this.tell();
    if (!before.length) return;
    const words = before.length === 1 ? before[0].name : `the ${before.length} styles`;
    say(`${style.name} takes the place of ${words}.`, { words: "Blend them", act: () => {
      this.pictures.style = [...before, style];
      this.forgetLike();
      this.tell();
    } });
  }

  forgetLike() {
    this.like = null;
    this.masks = null;
  }

  // Uses a job's pictures and regions.
  setLike(job) {
    this.like = job.id;
    this.masks = null;
    this.pictures = {
      content: [{ name: job.content, address: `jobs/${job.id}/content`, url: api.contentOf(job.id) }],
      style: job.styles.map((name, index) => ({ name, address: `jobs/${job.id}/styles/${index + 1}`, url: api.styleOf(job.id, index + 1) })),
    };
    this.regions = job.regions;
    this.tell();
  }

  clear() {
    this.pictures = { content: [], style: [] };
    this.parts = [];
    this.forgetLike();
    this.setSettings({});
  }

  isReady() {
    return Boolean(this.loaded && this.pictures.content.length && this.pictures.style.length);
  }

  // The data for a job or a forecast; null if a picture is missing.
  asked() {
    if (!this.isReady()) return null;
    const { content: [content], style: styles } = this.pictures;
    return { content, styles, like: this.like, masks: this.masks, settings: this.settings() };
  }

  tell() {
    const own = $("own-size").checked;
    $("size").disabled = own;
    $("strength-value").textContent = Number($("strength").value).toFixed(2);
    $("stroke-value").textContent = `${Math.round($("stroke").value)} %`;
    $("size-value").textContent = own ? "the photograph's" : `${$("size").value} px`;
    while (this.parts.length < this.pictures.style.length) this.parts.push(1);
    for (const kind of ["content", "style"]) this.drawThumbs(kind);
    this.drawShares();
    $("regions-row").hidden = !(this.pictures.content.length && this.pictures.style.length > 1 && this.pictures.style.length <= 8);
    $("regions-state").textContent = this.masks || (this.like && this.regions) ? "Painted by regions." : "";
    this.drawColours();
    if (this.loaded) {
      const keep = ({ name, file, address, url }) => (file ? { name, file } : { name, address, url });
      const { parts, like, masks, regions } = this;
      draft.save({ content: this.pictures.content.map(keep), style: this.pictures.style.map(keep), parts, like, masks, regions, settings: this.settings() });
    }
    this.changed();
  }

  drawThumbs(kind) {
    const pictures = this.pictures[kind];
    const key = JSON.stringify(pictures.map(({ url }) => url));
    const box = $(`${kind}-thumbs`);
    if (box.dataset.key === key) return;
    box.dataset.key = key;
    $(`${kind}-zone`).classList.toggle("full", pictures.length > 0);
    box.replaceChildren(...pictures.map((picture, index) => {
      const { name, url } = picture;
      const image = element("img", { src: url, alt: `${kind === "content" ? "Photograph" : "Style"}: ${name}` });
      image.addEventListener("error", async () => {
        // A draft may refer to a picture of a deleted job, and browsers do not show every format.
        const gone = picture.address && !(await fetch(url).catch(() => null))?.ok;
        if (gone) this.removePicture(kind, this.pictures[kind].indexOf(picture));
      }, { once: true });
      const remove = button("×", () => this.removePicture(kind, pictures.indexOf(picture)), { className: "round", ariaLabel: `Remove ${name}` });
      const share = element("output", { className: "share" });
      const figure = element("figure", {}, image, element("figcaption", {}, share, name), remove);
      if (kind === "style" && pictures.length > 1) {
        const part = element("input", { type: "range", min: 0, max: 3, step: 0.25, value: this.parts[index], ariaLabel: `How much of ${name}` });
        part.addEventListener("input", () => {
          this.parts[index] = Number(part.value);
          this.tell();
        });
        figure.append(part);
      }
      return figure;
    }));
  }

  // How much of each style, in percent.
  drawShares() {
    const parts = this.parts.slice(0, this.pictures.style.length);
    const sum = parts.reduce((sum, part) => sum + part, 0);
    $("style-thumbs").querySelectorAll(".share").forEach((share, index) => {
      share.textContent = parts.length > 1 && sum ? `${Math.round((100 * parts[index]) / sum)} % ` : "";
    });
  }

  removePicture(kind, index) {
    if (index < 0) return;
    this.pictures[kind] = this.pictures[kind].filter((_, other) => other !== index);
    if (kind === "style") this.parts.splice(index, 1);
    this.forgetLike();
    this.tell();
  }

  async drawColours() {
    const key = [this.pictures.content[0]?.url, this.pictures.style[0]?.url];
    if (this.coloursKey === JSON.stringify(key)) return;
    this.coloursKey = JSON.stringify(key);
    const [photograph, style] = await Promise.all(key.map((url) => url && coloursOf(url)));
    if (this.coloursKey !== JSON.stringify(key)) return;
    drawChoices(Object.fromEntries(CHOICES.map((name) => [name, $(`colours-${name}`)])), photograph, style);
  }

  colours() {
    return $("colours").querySelector("input:checked").value;
  }

  // Settings by the command's names, without defaults.
  settings() {
    const settings = {};
    const [size, stroke, strength] = ["size", "stroke", "strength"].map((id) => Number($(id).value));
    if ($("own-size").checked) settings.size = 0;
    else if (size !== SIZE) settings.size = size;
    if (stroke !== 100) settings["style-size"] = Math.max(LEAST_STYLE, Math.round((size * stroke) / 100));
    if (strength !== STRENGTH) settings.strength = strength;
    if (this.colours() !== "style") settings.colors = this.colours();
    const parts = this.parts.slice(0, this.pictures.style.length);
    if (parts.length > 1 && parts.some((part) => part !== parts[0])) settings.blend = parts.join(",");
    return { ...settings, ...this.options.settings() };
  }

  // Shows settings; all others get their defaults.
  setSettings(settings) {
    const [strength, stroke, size] = ["strength", "stroke", "size"].map($);
    $("own-size").checked = Number(settings.size ?? SIZE) === 0;
    const pixels = Number(settings.size ?? SIZE) || SIZE;
    // Keep a value that the slider cannot show.
    size.max = Math.max(2048, pixels);
    size.step = pixels % 64 ? 1 : 64;
    size.value = pixels;
    strength.step = (Number(settings.strength ?? STRENGTH) * 100) % 5 ? "any" : 0.05;
    strength.value = settings.strength ?? STRENGTH;
    const percent = settings["style-size"] ? (100 * settings["style-size"]) / pixels : 100;
    stroke.step = percent % 5 ? "any" : 5;
    stroke.max = Math.max(200, percent);
    stroke.min = Math.min(25, percent);
    stroke.value = percent;
    const colours = CHOICES.includes(settings.colors) ? settings.colors : "style";
    $("colours").querySelector(`[value=${colours}]`).checked = true;
    if (settings.blend) this.parts = String(settings.blend).split(",").map(Number);
    else this.parts = this.parts.map(() => 1);
    delete $("style-thumbs").dataset.key;
    this.options.setSettings(settings);
    this.tell();
  }
}

const files = new WeakMap();
function ofFile(file) {
  if (!files.has(file)) files.set(file, { name: file.name, file, url: URL.createObjectURL(file) });
  return files.get(file);
}
