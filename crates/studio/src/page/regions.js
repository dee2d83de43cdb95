// Regions: a mask painted over the photograph with a brush, one colour for each style.

import { $, element } from "./dom.js";

// Far apart for the eye and for the program, which treats colours within 24 levels as equal.
export const COLOURS = ["#e6550d", "#3182bd", "#31a354", "#c51b8a", "#fdd835", "#6a51a3", "#00bcd4", "#795548"];
const LONGEST = 1024;
const MOST_UNDO = 30;
// The program ignores regions below half a percent of the picture.
const LEAST = 0.006;

export class Regions {
  constructor(dialog) {
    this.dialog = dialog;
    this.canvas = $("mask");
    // Edges must be hard: a blend of two colours matches neither.
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.draw(event));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => (this.last = null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    $("mask-undo").addEventListener("click", () => this.undo());
    $("mask-fill").addEventListener("click", () => this.fillAll());
    $("mask-done").addEventListener("click", () => this.finish());
    $("mask-none").addEventListener("click", () => this.close(null));
    $("mask-cancel").addEventListener("click", () => this.close(undefined));
    dialog.addEventListener("cancel", () => this.close(undefined));
    dialog.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z") {
        event.preventDefault();
        this.undo();
      }
    });
  }

  // Lets the user paint; returns masks, null for no regions, or undefined to change nothing.
  async paint(content, styles) {
    const image = $("mask-photograph");
    image.src = content.url;
    await image.decode();
    const scale = Math.min(1, LONGEST / Math.max(image.naturalWidth, image.naturalHeight));
    const [width, height] = [image.naturalWidth, image.naturalHeight].map((side) => Math.max(1, Math.round(side * scale)));
    this.canvas.parentElement.style.setProperty("--shape", width / height);
    const key = JSON.stringify([content.url, styles.length]);
    if (this.paintedFor !== key) {
      Object.assign(this.canvas, { width, height });
      this.pen.fillStyle = COLOURS[0];
      this.pen.fillRect(0, 0, width, height);
      this.paintedFor = key;
    }
    this.styles = styles;
    this.past = [];
    this.last = null;
    this.spot = [width / 2, height / 2];
    $("mask-colours").replaceChildren(...styles.map(({ name, url }, index) => {
      const input = element("input", { type: "radio", name: "mask-colour", value: index, checked: index === 1, id: `mask-colour-${index}` });
      input.addEventListener("change", () => (this.colour = index));
      const dot = element("span", { className: `dot colour-${index + 1}` });
      return element("label", { className: "mask-colour" }, input, dot, element("img", { src: url, alt: "" }), element("span", { textContent: name }));
    }));
    this.colour = 1;
    $("mask-problem").textContent = "";
    this.tell();
    this.dialog.showModal();
    this.canvas.focus();
    return new Promise((resolve) => (this.resolve = resolve));
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.canvas.width, ((event.clientY - box.top) / box.height) * this.canvas.height];
  }

  remember() {
    $("mask-problem").textContent = "";
    this.past.push(this.pen.getImageData(0, 0, this.canvas.width, this.canvas.height));
    if (this.past.length > MOST_UNDO) this.past.shift();
    this.tell();
  }

  begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.remember();
    this.last = this.at(event);
    this.stroke(this.last, this.last);
  }

  draw(event) {
    if (!this.last) return;
    const point = this.at(event);
    this.stroke(this.last, point);
    this.last = point;
  }

  // Discs along a line, pixel by pixel, so that no edge is blended.
  stroke([x0, y0], [x1, y1]) {
    const radius = (Number($("mask-size").value) / 200) * Math.max(this.canvas.width, this.canvas.height);
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / Math.max(1, radius / 3)));
    this.pen.fillStyle = COLOURS[this.colour];
    for (let step = 0; step <= steps; step++) {
      const [x, y] = [x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps];
      for (let row = Math.ceil(y - radius); row <= y + radius; row++) {
        const half = Math.round(Math.sqrt(Math.max(0, radius * radius - (row - y) ** 2)));
        this.pen.fillRect(Math.round(x) - half, row, 2 * half + 1, 1);
      }
    }
  }

  // With the keyboard: arrows move the spot, space paints there.
  key(event) {
    const step = Math.max(this.canvas.width, this.canvas.height) / 40;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves) {
      event.preventDefault();
      const before = this.spot;
      const [x, y] = moves[event.key];
      this.spot = [Math.min(this.canvas.width, Math.max(0, before[0] + x)), Math.min(this.canvas.height, Math.max(0, before[1] + y))];
      if (event.shiftKey) {
        this.remember();
        this.stroke(before, this.spot);
      }
      this.tell();
    } else if (event.key === " ") {
      event.preventDefault();
      this.remember();
      this.stroke(this.spot, this.spot);
    }
  }

  undo() {
    const before = this.past.pop();
    if (before) this.pen.putImageData(before, 0, 0);
    this.tell();
  }

  fillAll() {
    this.remember();
    this.pen.fillStyle = COLOURS[this.colour];
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  tell() {
    $("mask-undo").disabled = !this.past.length;
    const [x, y] = this.spot;
    $("mask-spot").textContent = `${Math.round((100 * x) / this.canvas.width)} % across, ${Math.round((100 * y) / this.canvas.height)} % down`;
  }

  // The share of the picture of each style.
  shares() {
    const { data } = this.pen.getImageData(0, 0, this.canvas.width, this.canvas.height);
    const counts = new Map();
    for (let index = 0; index < data.length; index += 4) {
      const key = (data[index] << 16) | (data[index + 1] << 8) | data[index + 2];
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return this.styles.map((_, index) => (counts.get(parseInt(COLOURS[index].slice(1), 16)) ?? 0) / (data.length / 4));
  }

  async finish() {
    const missing = this.shares().findIndex((share) => share < LEAST);
    if (missing >= 0) {
      $("mask-problem").textContent = `${this.styles[missing].name} has no region yet: choose it and paint where it should go, or remove that style.`;
      return;
    }
    const blob = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const flat = (colour) => {
      const canvas = element("canvas", { width: 16, height: 16 });
      const pen = canvas.getContext("2d");
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 16, 16);
      return blob(canvas);
    };
    this.close({ content: await blob(this.canvas), styles: await Promise.all(this.styles.map((_, index) => flat(COLOURS[index]))) });
  }

  close(masks) {
    this.dialog.close();
    this.resolve?.(masks);
    this.resolve = null;
  }
}
