// The form: pictures, knobs, and all other options of the command.

import * as api from "./api.js";

const USUAL_SIZE = 512;
const LEAST_STYLE = 16;
// Options that have a knob of their own.
const KNOBS = ["size", "style-size", "strength"];

// What people call options whose names are short for the command line.
const NAMES = { blend: "Blend of several styles", clamp: "Keep within black and white", "no-clamp": "Let go beyond black and white", init: "Start from", lr: "Rate", pool: "Pooling", srgb: "sRGB", "tv-weight": "Smoothness (total variation)", colors: "Colours", "color-map": "Colour map" };

const element = (name, properties = {}, ...children) => {
  const { data, ...rest } = properties;
  const node = Object.assign(document.createElement(name), rest);
  node.append(...children);
  return node;
};

export class Form {
  constructor({ form, zones, thumbs, knobs, outputs, options, changed }) {
    Object.assign(this, { form, zones, thumbs, knobs, outputs, options, changed });
    this.pictures = { content: [], style: [] };
    this.like = null;
    for (const kind of ["content", "style"]) {
      const input = form.querySelector(`#${kind}`);
      input.multiple = kind === "style";
      input.addEventListener("change", () => {
        this.add(kind, [...input.files]);
        input.value = "";
      });
      const zone = zones[kind];
      zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
      zone.addEventListener("dragleave", () => zone.classList.remove("over"));
      zone.addEventListener("drop", (event) => {
        event.preventDefault();
        event.stopPropagation();
        zone.classList.remove("over");
        this.add(kind, filesOf(event.dataTransfer));
      });
    }
    for (const knob of Object.values(knobs)) knob.addEventListener("input", () => this.tell());
  }

  async load() {
    this.described = (await api.options()).filter(({ name }) => !KNOBS.includes(name));
    this.options.replaceChildren(...this.described.map(field));
    this.options.addEventListener("input", () => this.tell());
    this.tell();
  }

  add(kind, files) {
    const pictures = files.filter((file) => file.type.startsWith("image/") || /\.(heic|heif|tiff?|bmp)$/i.test(file.name));
    if (!pictures.length) return;
    this.pictures[kind] = kind === "content" ? [pictures.at(-1)] : [...this.pictures.style, ...pictures];
    this.tell();
  }

  // A picture from nowhere in particular is the photograph first, then a style.
  addAnywhere(files) {
    this.add(this.hasContent() ? "style" : "content", files);
  }

  // What a forecast is asked for; null if a picture is missing or the options are not there yet.
  asked() {
    if (!this.described || !this.hasContent() || !this.hasStyle()) return null;
    const files = ["content", "style"].flatMap((kind) => this.pictures[kind].map((file) => ({ kind, url: urlOf(file) })));
    return { files, like: this.like?.id, settings: this.settings() };
  }

  hasContent() { return this.pictures.content.length > 0 || this.like !== null; }
  hasStyle() { return this.pictures.style.length > 0 || this.like !== null; }

  // Takes the pictures of a job where there are no others.
  setLike(job) {
    this.like = job;
    this.pictures = { content: [], style: [] };
    this.tell();
  }

  tell() {
    const { strength, stroke, size, own } = this.knobs;
    size.disabled = own.checked;
    this.outputs.strength.textContent = Number(strength.value).toFixed(2);
    this.outputs.stroke.textContent = `${stroke.value} %`;
    this.outputs.size.textContent = own.checked ? "its own" : `${size.value} px`;
    for (const kind of ["content", "style"]) this.drawThumbs(kind);
    this.changed();
  }

  drawThumbs(kind) {
    const { like } = this;
    const own = this.pictures[kind].map((file, index) => ({ name: file.name, url: urlOf(file), remove: () => this.pictures[kind].splice(index, 1) }));
    const theirs = { content: () => [[like.content, api.contentOf(like.id)]], style: () => like.styles.map((name, index) => [name, api.styleOf(like.id, index + 1)]) };
    const shown = own.length || !like ? own : theirs[kind]().map(([name, url]) => ({ name, url, remove: () => (this.like = null) }));
    const key = JSON.stringify(shown.map(({ url }) => url));
    if (this.thumbs[kind].dataset.key === key) return;
    this.thumbs[kind].dataset.key = key;
    this.thumbs[kind].replaceChildren(...shown.map(({ name, url, remove }) => {
      const button = element("button", { type: "button", textContent: "×", ariaLabel: `Take ${name} away` });
      button.addEventListener("click", () => { remove(); this.tell(); });
      return element("figure", {}, element("img", { src: url, alt: `${kind === "content" ? "Photograph" : "Style"}: ${name}` }), element("figcaption", { textContent: name }), button);
    }));
  }

  // Settings by the command's names, without those that are as usual.
  settings() {
    const { strength, stroke, size, own } = this.knobs;
    const settings = {};
    if (own.checked) settings.size = 0;
    else if (Number(size.value) !== USUAL_SIZE) settings.size = Number(size.value);
    if (Number(stroke.value) !== 100) settings["style-size"] = Math.max(LEAST_STYLE, Math.round((size.value * stroke.value) / 100));
    if (Number(strength.value) !== 0.5) settings.strength = Number(strength.value);
    for (const { name, flag, default: usual } of this.described) {
      const input = this.options.querySelector(`[name="${name}"]`);
      if (flag && input.checked) settings[name] = true;
      else if (!flag && input.value.trim() && input.value !== usual) settings[name] = input.value.trim();
    }
    return settings;
  }

  // Shows settings; what is not among them is as usual.
  setSettings(settings) {
    const { strength, stroke, size, own } = this.knobs;
    own.checked = Number(settings.size ?? USUAL_SIZE) === 0;
    const pixels = Number(settings.size ?? USUAL_SIZE) || USUAL_SIZE;
    // A size beyond the slider is kept.
    size.max = Math.max(2048, pixels);
    size.step = pixels % 64 ? 1 : 64;
    size.value = pixels;
    strength.step = (Number(settings.strength ?? 0.5) * 100) % 5 ? "any" : 0.05;
    strength.value = settings.strength ?? 0.5;
    const percent = settings["style-size"] ? (100 * settings["style-size"]) / pixels : 100;
    stroke.step = percent % 5 ? "any" : 5;
    stroke.max = Math.max(200, percent);
    stroke.min = Math.min(25, percent);
    stroke.value = percent;
    for (const { name, flag, default: usual } of this.described) {
      const input = this.options.querySelector(`[name="${name}"]`);
      if (flag) input.checked = settings[name] === true || settings[name] === "true";
      else input.value = settings[name] ?? (input.tagName === "SELECT" ? usual ?? "" : "");
    }
    this.tell();
  }
}

// An option of the command, with its sentence from the command's help.
function field({ name, help, flag, value, values, default: usual }) {
  const id = `option-${name}`;
  const hint = element("p", { className: "hint", id: `${id}-hint`, textContent: help });
  const words = NAMES[name] ?? name.replaceAll("-", " ").replace(/^./, (letter) => letter.toUpperCase());
  const label = element("label", { htmlFor: id, textContent: words });
  let input;
  if (flag) {
    input = element("input", { type: "checkbox" });
  } else if (values.length) {
    input = element("select", {});
    if (!usual) input.append(element("option", { value: "", textContent: "as usual" }));
    input.append(...values.map((one) => element("option", { value: one, textContent: one, selected: one === usual })));
  } else {
    input = element("input", { type: "text", placeholder: usual ?? value ?? "", autocomplete: "off", spellcheck: false });
  }
  Object.assign(input, { id, name });
  input.setAttribute("aria-describedby", hint.id);
  if (flag) return element("div", { className: "option" }, element("div", { className: "check" }, input, label), hint);
  return element("div", { className: "option" }, label, input, hint);
}

const urls = new WeakMap();
function urlOf(file) {
  if (!urls.has(file)) urls.set(file, URL.createObjectURL(file));
  return urls.get(file);
}

export const filesOf = (transfer) => [...(transfer?.files ?? [])];
export { element };
