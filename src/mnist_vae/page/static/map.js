// The map of codes: a point for each test image, coloured by its class, and markers for the code shown and A and B.
"use strict";

const KEY_STEP = 1 / 60; // of the map's side; five times that with the shift key
const NEAR_ANCHOR = 14; // pixels within which a press takes hold of an anchor
const STILL = 4; // pixels that a click may move

// `on` is told of the code below the pointer: preview, leave (it left), choose (a click or a key), anchor (one is dragged).
class CodeMap {
  constructor(canvas, data, colours, on) {
    Object.assign(this, { canvas, data, colours, on, only: null, held: null, pressed: null, markers: {} });
    const steps = new Uint16Array(bytesOf(data.points).buffer);
    this.labels = new Uint16Array(bytesOf(data.labels).buffer);
    this.span = [0, 1].map((axis) => data.high[axis] - data.low[axis]);
    this.points = Float32Array.from(steps, (step, i) => data.low[i % 2] + (this.span[i % 2] * step) / 65535);
    this.origin = floatsOf(data.origin);
    const directions = floatsOf(data.directions), length = this.origin.length;
    this.directions = [directions.subarray(0, length), directions.subarray(length)];
    this.cursor = this.project(this.origin);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.resize();
  }

  // The code of a place, and the place of a code, which is projected into the plane at right angles.
  codeAt([x, y]) {
    return this.origin.map((value, i) => value + x * this.directions[0][i] + y * this.directions[1][i]);
  }

  project(code) {
    const away = code.map((value, i) => value - this.origin[i]);
    return this.directions.map((direction) => dot(away, direction));
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height;
    return [this.data.low[0] + this.span[0] * across, this.data.high[1] - this.span[1] * down];
  }

  pixelOf([x, y]) {
    const side = this.canvas.clientWidth;
    return [((x - this.data.low[0]) / this.span[0]) * side, ((this.data.high[1] - y) / this.span[1]) * side];
  }

  listen() {
    const { canvas, on } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pressed = [event.clientX, event.clientY];
      const box = canvas.getBoundingClientRect(), here = [event.clientX - box.left, event.clientY - box.top];
      const distance = (name) => Math.hypot(...this.pixelOf(this.markers[name]).map((value, i) => value - here[i]));
      const close = ["A", "B"].filter((name) => this.markers[name] && distance(name) < NEAR_ANCHOR);
      this.held = close.sort((one, other) => distance(one) - distance(other))[0] ?? null;
    });
    canvas.addEventListener("pointermove", (event) => {
      this.cursor = this.placeOf(event);
      if (this.held && this.hasMoved(event)) on.anchor(this.held, this.codeAt(this.cursor), this.cursor);
      else if (!this.held) on.preview(this.codeAt(this.cursor), this.cursor);
    });
    canvas.addEventListener("pointerup", (event) => {
      this.cursor = this.placeOf(event);
      const wasDragged = this.held && this.hasMoved(event);
      if (this.pressed && !wasDragged) on.choose(this.codeAt(this.cursor), this.cursor, !this.hasMoved(event));
      this.pressed = this.held = null;
    });
    canvas.addEventListener("pointercancel", () => { this.pressed = this.held = null; on.leave(); });
    canvas.addEventListener("pointerleave", () => { if (!this.pressed) on.leave(); });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  hasMoved(event) {
    return Math.hypot(event.clientX - this.pressed[0], event.clientY - this.pressed[1]) > STILL;
  }

  press(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const anchor = event.key.toUpperCase();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way) {
      const step = KEY_STEP * (event.shiftKey ? 5 : 1);
      this.cursor = this.cursor.map((value, axis) =>
        Math.max(this.data.low[axis], Math.min(this.data.high[axis], value + way[axis] * step * this.span[axis])));
      this.on.choose(this.codeAt(this.cursor), this.cursor, false);
      event.preventDefault();
    } else if (anchor === "A" || anchor === "B") this.on.anchor(anchor, null);
  }

  resize() {
    const side = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1));
    if (!side) return;
    this.canvas.width = this.canvas.height = side;
    this.drawPoints();
    this.draw();
  }

  // One class alone, or all where it is null.
  showOnly(label) {
    this.only = label;
    this.drawPoints();
    this.draw();
  }

  drawPoints() {
    const side = this.canvas.width, ratio = side / this.canvas.clientWidth;
    const layer = this.layer = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const context = layer.getContext("2d"), radius = (this.labels.length > 2000 ? 1.4 : 2.6) * ratio;
    context.globalAlpha = 0.65;
    for (let i = 0; i < this.labels.length; i++) {
      if (this.only !== null && this.labels[i] !== this.only) continue;
      const [x, y] = this.pixelOf([this.points[2 * i], this.points[2 * i + 1]]);
      context.fillStyle = this.colours[this.labels[i]];
      context.beginPath();
      context.arc(x * ratio, y * ratio, radius, 0, 2 * Math.PI);
      context.fill();
    }
  }

  draw() {
    if (!this.layer) return;
    const context = this.canvas.getContext("2d"), ratio = this.canvas.width / this.canvas.clientWidth;
    const style = getComputedStyle(this.canvas), [ink, ground] = [style.color, style.backgroundColor];
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.layer, 0, 0);
    context.save();
    context.scale(ratio, ratio);
    const { A, B, code } = this.markers;
    if (A && B) line(context, this.pixelOf(A), this.pixelOf(B), ink);
    if (code) cross(context, this.pixelOf(code), ink, ground);
    for (const [name, place] of Object.entries({ A, B })) if (place) badge(context, this.pixelOf(place), name, ink, ground);
    context.restore();
  }

  mark(name, code) {
    this.markers[name] = code && this.project(code);
    if (name === "code" && code && !this.pressed) this.cursor = this.markers.code;
  }
}

function line(context, from, to, ink) {
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.setLineDash([]);
}

function badge(context, [x, y], name, ink, ground) {
  context.fillStyle = ink;
  context.beginPath();
  context.arc(x, y, 9, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = ground;
  Object.assign(context, { font: "bold 12px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
  context.fillText(name, x, y + 0.5);
}

function cross(context, [x, y], ink, ground) {
  for (const [colour, width] of [[ground, 5], [ink, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, 13, 0, 2 * Math.PI);
    for (const [across, down] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
      context.moveTo(x + 9 * across, y + 9 * down);
      context.lineTo(x + 19 * across, y + 19 * down);
    }
    context.stroke();
  }
}
