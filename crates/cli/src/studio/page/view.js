// The picture: before and after, zoom and pan, and pictures on the way in their order.

const ZOOM = 1.25;
const LARGEST = 16;
const STEP = 40;

export class View {
  constructor({ stage, sheet, before, after, compare }) {
    Object.assign(this, { stage, sheet, before, after, compare });
    this.shape = null;
    this.fit();
    compare.addEventListener("input", () => this.setCompare(compare.value));
    before.addEventListener("load", () => this.setShape(before));
    after.addEventListener("load", () => this.shape ?? this.setShape(after));
    new ResizeObserver(() => this.layOut()).observe(stage);
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.key(event));
    this.drag();
  }

  // Shows a job's photograph; its picture comes with `show`.
  open(beforeUrl) {
    this.generation = (this.generation ?? 0) + 1;
    [this.shown, this.wanted, this.loading] = [0, null, false];
    this.shape = null;
    this.after.removeAttribute("src");
    delete this.after.dataset.frame;
    this.before.src = beforeUrl;
    this.stage.classList.remove("empty");
    this.sheet.hidden = false;
    this.setCompare(100);
    this.fit();
  }

  // Pictures are counted anew.
  countAnew() { this.shown = 0; }

  // Shows a picture unless a later one is there. One is loaded at a time, and those that are late are left out.
  show(url, number) {
    if (number <= this.shown) return;
    this.wanted = { url, number };
    this.loadNext();
  }

  async loadNext() {
    if (this.loading || !this.wanted) return;
    const { url, number } = this.wanted;
    const { generation } = this;
    this.wanted = null;
    this.loading = true;
    const image = new Image();
    image.src = url;
    try {
      await image.decode();
      if (generation !== this.generation) return;
      if (this.shown === 0) this.setCompare(0);
      this.shown = number;
      this.after.src = image.src;
      this.after.dataset.frame = number === Infinity ? "final" : number;
    } catch {
      // The next one will do.
    }
    if (generation === this.generation) {
      this.loading = false;
      this.loadNext();
    }
  }

  setCompare(percent) {
    this.compare.value = percent;
    this.sheet.style.setProperty("--compare", `${percent}%`);
  }

  toggleCompare() {
    this.setCompare(Number(this.compare.value) > 0 ? 0 : 100);
  }

  setShape({ naturalWidth, naturalHeight }) {
    if (naturalWidth) this.shape = naturalWidth / naturalHeight;
    this.layOut();
  }

  layOut() {
    if (!this.shape) return;
    // The stage is as high as the picture needs, within what the window has.
    this.stage.style.setProperty("--needed", `${this.stage.clientWidth / this.shape}px`);
    const { clientWidth, clientHeight } = this.stage;
    const width = Math.min(clientWidth, clientHeight * this.shape);
    this.sheet.style.width = `${width}px`;
    this.sheet.style.height = `${width / this.shape}px`;
    this.place();
  }

  fit() {
    [this.zoom, this.x, this.y] = [1, 0, 0];
    this.place();
  }

  zoomBy(factor, [x, y] = [0, 0]) {
    const zoom = Math.min(LARGEST, Math.max(1, this.zoom * factor));
    // What is under the pointer stays there.
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.place();
  }

  zoomIn() { this.zoomBy(ZOOM); }
  zoomOut() { this.zoomBy(1 / ZOOM); }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.place();
  }

  place() {
    const reach = (side) => (side * (this.zoom - 1)) / 2;
    const clamp = (value, most) => Math.min(most, Math.max(-most, value));
    this.x = clamp(this.x, reach(this.sheet.offsetWidth));
    this.y = clamp(this.y, reach(this.sheet.offsetHeight));
    this.sheet.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
  }

  wheel(event) {
    if (this.sheet.hidden) return;
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    const point = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    this.zoomBy(event.deltaY < 0 ? ZOOM : 1 / ZOOM, point);
  }

  key(event) {
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    if (!(event.key in moves) || this.zoom === 1) return;
    event.preventDefault();
    this.move(...moves[event.key]);
  }

  drag() {
    let last = null;
    this.stage.addEventListener("pointerdown", (event) => {
      if (this.sheet.hidden) return;
      last = [event.clientX, event.clientY];
      this.stage.setPointerCapture(event.pointerId);
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.move(event.clientX - last[0], event.clientY - last[1]);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) this.stage.addEventListener(end, () => (last = null));
  }
}
