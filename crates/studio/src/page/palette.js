// The choice of colours as four small drawings in the colours of the chosen pictures.

const SIDE = 24;
// Without chosen pictures: a harbour by day, and a warm painting.
const PHOTOGRAPH = ["#2b3f52", "#5f7f93", "#9fb6c0", "#e6e2d6"];
const STYLE = ["#3a2a5c", "#a23b2d", "#e08e2f", "#f5dd8a"];

// Four colours of a picture, from dark to light.
export async function coloursOf(url) {
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0, SIDE, SIDE);
    const { data } = pen.getImageData(0, 0, SIDE, SIDE);
    const pixels = Array.from({ length: SIDE * SIDE }, (_, index) => [...data.subarray(4 * index, 4 * index + 3)]);
    const light = ([red, green, blue]) => 0.3 * red + 0.59 * green + 0.11 * blue;
    const chroma = (pixel) => Math.max(...pixel) - Math.min(...pixel);
    pixels.sort((one, other) => light(one) - light(other));
    const part = pixels.length / 4;
    return [0, 1, 2, 3].map((index) => {
      // The most colourful pixels: a mean of all is grey.
      const some = pixels.slice(index * part, (index + 1) * part).sort((one, other) => chroma(other) - chroma(one)).slice(0, part / 5);
      const mean = (channel) => Math.round(some.reduce((sum, pixel) => sum + pixel[channel], 0) / some.length);
      return `rgb(${mean(0)}, ${mean(1)}, ${mean(2)})`;
    });
  } catch {
    return null;
  }
}

// Draws the effect of each choice: shapes of a photograph in these colours, with strokes if something is painted.
export function drawChoices(canvases, photograph, style) {
  const photo = photograph ?? PHOTOGRAPH;
  const paint = style ?? STYLE;
  draw(canvases.style, paint, true);
  draw(canvases.content, photo, true);
  // The recoloured style has stronger strokes than a picture that keeps only the photograph's hues.
  draw(canvases.match, [photo[0], paint[1], photo[2], photo[3]].map((colour, index) => (index === 1 ? photo[1] : colour)), true, 2.2);
  draw(canvases.only, paint, false);
}

function draw(canvas, [dark, middle, light, lightest], strokes, width = 1.4) {
  const { width: w, height: h } = canvas;
  const pen = canvas.getContext("2d");
  pen.fillStyle = lightest;
  pen.fillRect(0, 0, w, h);
  pen.fillStyle = light;
  pen.beginPath();
  pen.arc(w * 0.7, h * 0.32, h * 0.16, 0, 7);
  pen.fill();
  pen.fillStyle = middle;
  pen.beginPath();
  pen.moveTo(0, h * 0.75);
  pen.lineTo(w * 0.3, h * 0.3);
  pen.lineTo(w * 0.65, h * 0.75);
  pen.fill();
  pen.fillStyle = dark;
  pen.fillRect(0, h * 0.72, w, h * 0.28);
  if (!strokes) return;
  pen.lineWidth = width * (w / 60);
  pen.lineCap = "round";
  const colours = [light, middle, lightest, dark];
  for (let row = 0; row < 7; row++) {
    pen.strokeStyle = colours[row % 4];
    pen.globalAlpha = 0.75;
    pen.beginPath();
    for (let x = 0; x <= w; x += w / 16) {
      const y = h * (0.1 + 0.14 * row) + Math.sin(x / (w / 9) + row * 1.7) * h * 0.06;
      if (x === 0 || (x * 7 + row * 3) % 5 < 1) pen.moveTo(x, y);
      else pen.lineTo(x, y);
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
}
