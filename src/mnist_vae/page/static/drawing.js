// A drawing as an image of the data set, made as the data set's own images were, and the pad to draw on.
"use strict";

// As Pillow's antialiased bilinear resize of one row after the other, without its roundings in between.
function resizeRows(values, height, width, target) {
  const ratio = width / target, reach = Math.max(1, ratio), result = new Float32Array(height * target);
  for (let x = 0; x < target; x++) {
    const centre = (x + 0.5) * ratio;
    const first = Math.max(0, Math.floor(centre - reach + 0.5)), end = Math.min(width, Math.floor(centre + reach + 0.5));
    const weights = [];
    for (let i = first; i < end; i++) weights.push(Math.max(0, 1 - Math.abs((i + 0.5 - centre) / reach)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let y = 0; y < height; y++)
      result[y * target + x] = weights.reduce((sum, weight, i) => sum + weight * values[y * width + first + i], 0) / total;
  }
  return result;
}

function transpose(values, height, width) {
  return Float32Array.from(values, (_, i) => values[(i % height) * width + Math.floor(i / height)]);
}

function resize(values, height, width, rows, columns) {
  const across = transpose(resizeRows(values, height, width, columns), height, columns);
  return transpose(resizeRows(across, columns, height, rows), columns, rows);
}

// The rows and columns in which there is ink; null for an empty drawing.
function inkBox(ink, side) {
  let [top, left, bottom, right] = [side, side, -1, -1];
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (ink[y * side + x] > 0) {
        [top, left] = [Math.min(top, y), Math.min(left, x)];
        [bottom, right] = [Math.max(bottom, y), Math.max(right, x)];
      }
  return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

// Levels 0..255 of size × size pixels from ink 0..255: scaled into the data set's box, centred, then resized. Where the
// data set has no such frame, the pad is the image, and the ink black on a white ground.
function asDataSetImage(ink, side, size, { side: frame, box, by_mass: byMass, ground }) {
  const found = inkBox(ink, side);
  if (found === null) return null;
  if (!frame) return levelsOf(resize(ink, side, side, size, size).map((value) => Math.abs(ground - value)));
  const cut = new Float32Array(found.height * found.width);
  for (let i = 0; i < cut.length; i++)
    cut[i] = ink[(found.top + Math.floor(i / found.width)) * side + found.left + (i % found.width)];
  const longest = Math.max(found.height, found.width);
  const rows = Math.max(1, Math.round((found.height * box) / longest));
  const columns = Math.max(1, Math.round((found.width * box) / longest));
  const scaled = resize(cut, found.height, found.width, rows, columns);
  let [sum, down, across] = [0, 0, 0];
  scaled.forEach((value, i) => {
    const weight = byMass ? value : 1;
    sum += weight;
    down += weight * (Math.floor(i / columns) + 0.5);
    across += weight * ((i % columns) + 0.5);
  });
  const place = (middle, extent) => Math.max(0, Math.min(frame - extent, Math.round(frame / 2 - middle / sum)));
  const [top, left] = [place(down, rows), place(across, columns)], framed = new Float32Array(frame * frame);
  scaled.forEach((value, i) => { framed[(top + Math.floor(i / columns)) * frame + left + (i % columns)] = value; });
  return levelsOf(resize(framed, frame, frame, size, size));
}

const levelsOf = (values) => Uint8Array.from(values, (value) => Math.round(Math.max(0, Math.min(255, value))));

// A canvas of the grey level `ground` to draw on with mouse, pen or finger. It calls onChange after each stroke's part.
class Pad {
  constructor(canvas, ground, onChange) {
    this.canvas = canvas;
    this.ground = ground;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.onChange = onChange;
    this.last = null;
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      this.last = this.placeOf(event);
      this.strokeTo(this.last);
    });
    canvas.addEventListener("pointermove", (event) => { if (this.last) this.strokeTo(this.placeOf(event)); });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { this.last = null; });
    this.clear();
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect(), side = this.canvas.width;
    return [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side];
  }

  strokeTo(place) {
    const context = this.context;
    Object.assign(context, { strokeStyle: this.ground ? "#000" : "#fff", lineWidth: this.canvas.width / 12, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...this.last);
    context.lineTo(...place);
    context.stroke();
    this.last = place;
    this.onChange();
  }

  clear() {
    this.context.fillStyle = this.ground ? "#fff" : "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // One level of ink 0..255 a pixel.
  ink() {
    const { data } = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    return Float32Array.from({ length: data.length / 4 }, (_, i) => Math.abs(this.ground - data[4 * i]));
  }
}
