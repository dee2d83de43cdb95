// The loss over the iterations, on a logarithmic axis, with a dotted line where a scale begins.

const WIDTH = 300;
const HEIGHT = 60;
const MARGIN = 3;

export class Curve {
  constructor(svg, output) {
    this.svg = svg;
    this.output = output;
    this.clear();
  }

  clear() {
    this.points = [];
    this.draw();
  }

  // The losses of past iterations.
  set(losses) {
    this.points = losses.map((total) => ({ total }));
    this.draw();
  }

  // Adds an iteration; later ones are dropped.
  add({ iteration, total, scale, iterations }) {
    this.points.length = Math.min(this.points.length, iteration - 1);
    this.points.push({ total, scale, iterations });
    this.due ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.due = null;
    const { points } = this;
    const last = points.at(-1);
    this.output.textContent = last ? Number(last.total.toPrecision(3)) : "";
    const logs = points.map(({ total }) => Math.log(Math.max(total, 1e-30)));
    const [least, most] = [Math.min(...logs), Math.max(...logs)];
    const columns = Math.max(last?.iterations ?? points.length, points.length, 2) - 1;
    const x = (index) => (index / columns) * WIDTH;
    const y = (log) => MARGIN + ((most - log) / Math.max(most - least, 1e-9)) * (HEIGHT - 2 * MARGIN);
    const nodes = [];
    points.forEach(({ scale }, index) => {
      if (points[index - 1]?.scale && scale !== points[index - 1].scale) nodes.push(shape("line", { x1: x(index), x2: x(index), y1: 0, y2: HEIGHT }));
    });
    if (points.length) nodes.push(shape("path", { d: `M${logs.map((log, index) => `${x(index).toFixed(1)} ${y(log).toFixed(1)}`).join("L")}` }));
    this.svg.replaceChildren(...nodes);
  }
}

function shape(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
