// The picture: another one beside or beneath it, zoom and pan, and intermediate pictures in order.

import { $ } from "./dom.js";

const ZOOM = 1.25;
const LARGEST = 16;
const STEP = 40;
const TAP = 300;

export class View {
  // `walk` is called with -1 or 1 to show the previous or the next picture.
  constructor({ walk }) {
    this.walk = walk;
    this.stage = $("stage");
    this.divider = $("divider");
    this.after = $("after");
    this.before = $("before");
    this.shape = null;
    this.side = false;
    this.pointers = new Map();
    this.fit();
    this.setDivider(0);
    this.after.addEventListener("load", () => this.setShape(this.after));
    this.before.addEventListener("load", () => this.shape ?? this.setShape(this.before));
    new ResizeObserver(() => this.layOut()).observe(this.stage);
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("pointerdown", (event) => this.press(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) this.stage.addEventListener(end, (event) => this.release(event));
    this.divider.addEventListener("keydown", (event) => this.dividerKey(event));
  }

  // Shows a job: its photograph until it has a picture.
  open(photograph) {
    this.generation = (this.generation ?? 0) + 1;
    [this.shown, this.wanted, this.loading] = [0, null, false];
    this.shape = null;
    this.after.src = photograph;
    delete this.after.dataset.frame;
    this.fit();
  }

  // Intermediate pictures are numbered from 1 again.
  countFromOne() { this.shown = 0; }

  // Shows a picture unless a later one is shown. Loads one at a time and skips outdated ones.
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
      this.shown = number;
      this.after.src = image.src;
      this.after.dataset.frame = number === Infinity ? "final" : number;
    } catch {
      // The next one will replace it.
    }
    if (generation === this.generation) {
      this.loading = false;
      this.loadNext();
    }
  }

  // Compares with a picture, or with none (null); `side` shows them side by side.
  compare(url, side) {
    this.side = Boolean(url && side);
    this.stage.classList.toggle("side", this.side);
    this.stage.classList.toggle("compared", Boolean(url));
    this.divider.hidden = !url || this.side;
    if (url) {
      if (this.before.getAttribute("src") !== url) this.before.src = url;
    } else {
      this.before.removeAttribute("src");
    }
    this.setDivider(url ? 50 : 0);
    this.layOut();
  }

  setDivider(percent) {
    this.percent = Math.min(100, Math.max(0, percent));
    this.stage.style.setProperty("--compare", `${this.percent}%`);
    this.divider.setAttribute("aria-valuenow", Math.round(this.percent));
  }

  dividerKey(event) {
    const moves = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, Home: -100, End: 100 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    this.setDivider(this.percent + moves[event.key]);
  }

  setShape({ naturalWidth, naturalHeight }) {
    if (naturalWidth) [this.shape, this.natural] = [naturalWidth / naturalHeight, naturalWidth];
    this.layOut();
  }

  pane() {
    const { clientWidth, clientHeight } = this.stage;
    return [this.side ? clientWidth / 2 : clientWidth, clientHeight];
  }

  layOut() {
    if (!this.shape) return;
    // The stage is as high as the picture needs and the window allows.
    this.stage.style.setProperty("--needed", `${this.pane()[0] / this.shape}px`);
    const [paneWidth, paneHeight] = this.pane();
    this.width = Math.min(paneWidth, paneHeight * this.shape);
    for (const image of [this.after, this.before]) {
      image.style.width = `${this.width}px`;
      image.style.height = `${this.width / this.shape}px`;
    }
    this.place();
  }

  fit() {
    [this.zoom, this.x, this.y] = [1, 0, 0];
    this.place();
  }

  // One pixel of the picture is one pixel of the screen.
  actualSize() {
    if (!this.width) return;
    this.zoomTo(this.natural / this.width / devicePixelRatio);
  }

  zoomTo(wanted, [x, y] = [0, 0]) {
    const actual = this.natural / this.width / devicePixelRatio || 1;
    // A picture that is enlarged to fit can be made as small as it is.
    const zoom = Math.min(Math.max(LARGEST, actual), Math.max(Math.min(1, actual), wanted));
    // The point under the pointer stays in place.
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.place();
  }

  zoomIn() { this.zoomTo(this.zoom * ZOOM); }
  zoomOut() { this.zoomTo(this.zoom / ZOOM); }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.place();
  }

  place() {
    const [paneWidth, paneHeight] = this.pane();
    const limit = (value, side, pane) => {
      const most = Math.max(0, (side * this.zoom - pane) / 2);
      return Math.min(most, Math.max(-most, value));
    };
    const width = this.width ?? paneWidth;
    this.x = limit(this.x, width, paneWidth);
    this.y = limit(this.y, width / (this.shape ?? 1), paneHeight);
    const zoomed = this.zoom > 1.001;
    // Swipes and the wheel scroll the page unless the picture is zoomed.
    this.stage.classList.toggle("zoomed", zoomed);
    $("zoom-value").textContent = this.natural && width ? `${Math.round(((100 * width * this.zoom) / this.natural) * devicePixelRatio)} %` : "";
    for (const image of [this.after, this.before]) image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
  }

  // A point of the window relative to the middle of its pane.
  from({ clientX, clientY }) {
    const box = this.stage.getBoundingClientRect();
    const [paneWidth, paneHeight] = this.pane();
    return [((clientX - box.left) % paneWidth) - paneWidth / 2, clientY - box.top - paneHeight / 2];
  }

  wheel(event) {
    if (!event.ctrlKey && this.zoom <= 1.001) return;
    event.preventDefault();
    this.zoomTo(this.zoom * (event.deltaY < 0 ? ZOOM : 1 / ZOOM), this.from(event));
  }

  key(event) {
    const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move || event.target !== this.stage) return;
    if (this.zoom > 1.001) this.move(STEP * move[0], STEP * move[1]);
    else if (move[0]) this.walk(-move[0]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  press(event) {
    if (event.target.closest("button")) return;
    if (event.target === this.divider) this.dividing = event.pointerId;
    this.pointers.set(event.pointerId, event);
    this.stage.setPointerCapture(event.pointerId);
    const [one, other] = this.pointers.values();
    this.pinch = other ? { distance: distance(one, other), zoom: this.zoom } : null;
    const now = event.timeStamp;
    if (event.target !== this.divider && this.tapped && now - this.tapped < TAP && this.pointers.size === 1) {
      if (this.zoom > 1.001) this.fit();
      else this.zoomTo(Math.max(2, this.natural / this.width / devicePixelRatio), this.from(event));
    }
    this.tapped = now;
  }

  drag(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    this.pointers.set(event.pointerId, event);
    if (this.dividing === event.pointerId) {
      const box = this.stage.getBoundingClientRect();
      this.setDivider((100 * (event.clientX - box.left)) / box.width);
    } else if (this.pinch && this.pointers.size === 2) {
      const [one, other] = this.pointers.values();
      const middle = { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
      this.zoomTo((this.pinch.zoom * distance(one, other)) / this.pinch.distance, this.from(middle));
    } else if (this.zoom > 1.001) {
      this.move(event.clientX - last.clientX, event.clientY - last.clientY);
    }
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    this.pinch = null;
    if (this.dividing === event.pointerId) this.dividing = null;
  }
}

const distance = (one, other) => Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
