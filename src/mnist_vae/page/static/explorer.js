// One model's part of the explorer: its map, the image of the code that is shown, the sliders of its dimensions.
"use strict";

const COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
const NEIGHBOURS = 6;
const MOST_BUTTONS = 50; // of classes; above them there is a list to choose from
const FEW_SLIDERS = 8;
const CHUNK = 12; // milliseconds of work at a time on what nobody waits for
const LONGEST_NAME = 12; // letters that a class's button has room for
const SAMPLES = 10; // times before one is told
const WIDE = 3; // standard deviations of a slider

const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

// Up to ten colours differ clearly. Of more classes each has a hue, and neighbours look alike.
const coloursOf = (count) => count <= COLOURS.length ? COLOURS
  : Array.from({ length: count }, (_, label) => `hsl(${Math.round((360 * label) / count)} 65% 50%)`);

// The letters of the longest name, of as many as there is room for; a style takes them.
const lettersOf = (names) => Math.max(0, ...names.map((name) => Math.min(name.length, LONGEST_NAME)));

// Levels 0..255 or brightness 0..1 (scale 255) into a canvas of as many pixels.
function paint(canvas, values, scale) {
  const side = Math.round(Math.sqrt(values.length)), context = canvas.getContext("2d");
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  const image = context.createImageData(side, side);
  for (let i = 0; i < values.length; i++) {
    image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = values[i] * scale; // clamped and rounded
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

class Explorer {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.model = new Model(data);
    this.colours = coloursOf(data.classes.length);
    this.images = imagesOf(data.tests.images, data.size);
    this.codes = [];
    this.anchors = {};
    this.next = "A"; // the anchor that the next click sets
    this.pending = null;
    this.milliseconds = [];
    this.mean = floatsOf(data.dimensions.mean);
    this.deviation = floatsOf(data.dimensions.deviation);
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    root.style.setProperty("--letters", lettersOf(data.classes));
    this.tellWhatItIs();
    this.buildMap();
    this.buildSliders();
    this.encodeTests();
    this.watchPlace();
  }

  // While the explorer is on the screen but its image is not, a small copy of it is.
  watchPlace() {
    const seen = new Map(), image = this.part("image"), section = this.root.closest("section") ?? this.root;
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) seen.set(target, isIntersecting);
      this.part("mini").hidden = !seen.get(section) || seen.get(image);
    });
    for (const element of [image, section]) observer.observe(element);
  }

  tellWhatItIs() {
    const { latent_dim: count, variational, map } = this.data;
    if (map) this.part("map-words").textContent = this.wordsOfMap();
    this.part("code-words").textContent = `The code: ${count} number${count > 1 ? "s" : ""}, blue below and orange above 0`;
    this.part("slider-words").textContent = variational
      ? "Those in which the codes of the test images say most, by their KL. The prior is a standard normal: most of it lies between −2 and 2."
      : "Those in which the codes of the test images vary most, three standard deviations around their mean.";
  }

  wordsOfMap() {
    const { latent_dim: count, map: { explained, shown, count: all }, classes } = this.data;
    const points = shown < all ? `${shown.toLocaleString("en")} of the ${all.toLocaleString("en")} test images` : "test image";
    const share = explained && Math.round(100 * (explained[0] + explained[1]));
    const told = `A point for each ${shown < all ? "of " : ""}${points}${classes.length ? ", coloured by its class" : ""}. Move over the map to decode a place, click to keep it. `;
    return told + (explained
      ? `Two directions of ${count}, in which the codes vary most: ${share} % of their variance. A place decodes with all others at their mean, so it is more blurred than a test image beside it.`
      : "The code's two dimensions.");
  }

  buildMap() {
    this.root.querySelector(".map").hidden = !this.data.map;
    if (!this.data.map) return;
    const words = ([x, y]) => `Point ${number(x)}, ${number(y)} of the map`;
    this.map = new CodeMap(this.part("map"), this.data.map, this.colours, {
      preview: (code, place) => this.preview(code, words(place)),
      leave: () => this.preview(this.code, this.words),
      choose: (code, place, setsAnchor) => {
        const name = this.next;
        this.show(code, setsAnchor ? `${words(place)}, now ${name}` : words(place));
        if (setsAnchor) this.setAnchor(name, code);
      },
      anchor: (name, code, place) => {
        if (code) this.show(code, words(place));
        this.setAnchor(name, this.code);
      },
    });
    this.buildClasses();
  }

  // A button for each class, or of many a list, to show one alone.
  buildClasses() {
    const { classes } = this.data, box = this.part("classes");
    if (classes.length > MOST_BUTTONS) {
      const select = Object.assign(document.createElement("select"), { ariaLabel: "Class that is shown" });
      select.append(new Option("all classes", ""), ...classes.map((name, label) => new Option(name, label)));
      select.addEventListener("change", () => this.map.showOnly(select.value === "" ? null : Number(select.value)));
      box.replaceChildren(select);
      return;
    }
    box.replaceChildren(...classes.map((name, label) => {
      const button = Object.assign(document.createElement("button"), { type: "button", title: name });
      button.append(Object.assign(document.createElement("span"), { textContent: name }));
      button.dataset.class = label;
      button.setAttribute("aria-pressed", "false");
      button.style.setProperty("--class", this.colours[label]);
      button.addEventListener("click", () => {
        const off = this.map.only === label;
        this.map.showOnly(off ? null : label);
        for (const other of box.children) other.setAttribute("aria-pressed", String(!off && other === button));
      });
      return button;
    }));
  }

  buildSliders() {
    const { order, said } = this.data.dimensions, list = this.part("sliders"), model = list.firstElementChild;
    this.sliders = order.map((dimension, rank) => {
      const row = model.cloneNode(true), [input, output] = [row.querySelector("input"), row.querySelector("output")];
      const reach = WIDE * this.deviation[dimension], middle = this.mean[dimension];
      const farthest = this.model.variational ? Math.max(WIDE, Math.abs(middle) + reach) : null;
      const [low, high] = farthest ? [-farthest, farthest] : [middle - reach, middle + reach];
      Object.assign(input, { min: low, max: high, step: (high - low) / 240 || 1 });
      input.setAttribute("aria-label", `Latent dimension ${dimension + 1}`);
      row.querySelector("b").textContent = dimension + 1;
      row.querySelector("small").textContent = this.model.variational ? `${number(said[rank])} nats` : `σ ${number(said[rank])}`;
      row.hidden = rank >= FEW_SLIDERS;
      input.addEventListener("input", () => {
        const code = this.code.slice();
        code[dimension] = Number(input.value);
        const base = this.base;
        this.show(code, `Dimension ${dimension + 1} set to ${number(code[dimension])}`);
        this.base = base;
      });
      return { row, input, output, dimension };
    });
    list.replaceChildren(...this.sliders.map(({ row }) => row));
    const more = this.part("more");
    more.hidden = this.sliders.length <= FEW_SLIDERS;
    more.addEventListener("click", () => {
      const open = more.getAttribute("aria-expanded") !== "true";
      this.sliders.forEach(({ row }, rank) => { row.hidden = !open && rank >= FEW_SLIDERS; });
      more.setAttribute("aria-expanded", String(open));
      more.textContent = open ? `Show ${FEW_SLIDERS} numbers` : `Show ${this.sliders.length} numbers`;
    });
    more.textContent = `Show ${this.sliders.length} numbers`;
    this.part("reset").addEventListener("click", () => this.show(this.base, this.baseWords));
  }

  // The codes of the test images, for their neighbourhood, a few at a time.
  encodeTests() {
    const end = performance.now() + CHUNK;
    while (this.codes.length < this.images.length && performance.now() < end)
      this.codes.push(this.model.encode(this.images[this.codes.length]).mean);
    if (!this.isReady()) setTimeout(() => this.encodeTests(), CHUNK);
    else if (this.code) this.preview(this.code, this.words);
  }

  encodeAllTests() {
    while (this.codes.length < this.images.length) this.codes.push(this.model.encode(this.images[this.codes.length]).mean);
    return this.codes;
  }

  // Show a code, and keep it.
  show(code, words) {
    Object.assign(this, { code, words, base: code, baseWords: words, seen: null });
    this.preview(code, words);
  }

  // Encode an image of levels 0..255, and show its reconstruction.
  showImage(levels, words) {
    const { mean, kl } = this.model.encode(levels);
    this.show(mean, words);
    this.seen = { levels, kl: kl && kl.reduce((sum, value) => sum + value, 0) };
  }

  showTest(number) {
    const place = this.data.tests.numbers.indexOf(number);
    this.showImage(this.images[place], `${this.nameOf(place)}, reconstructed`);
  }

  // A test image of the page in words.
  nameOf(place) {
    const { classes, tests: { numbers, labels } } = this.data;
    return `Test image ${numbers[place]}${classes.length ? ` of class ${classes[labels[place]]}` : ""}`;
  }

  // Show a code until another one is shown; what is kept stays.
  preview(code, words) {
    if (!this.pending) requestAnimationFrame(() => this.frame());
    this.pending = { code, words };
  }

  frame() {
    const started = performance.now(), { code, words } = this.pending;
    this.pending = null;
    const image = this.model.decode(code);
    for (const canvas of [this.part("image"), this.part("mini")]) paint(canvas, image, 255);
    this.image = image;
    this.part("words").textContent = words;
    this.drawOriginal(code === this.code ? this.seen : null);
    this.part("facts").textContent = code === this.code ? this.factsOf(image) : "";
    this.drawNeighbours(code);
    this.drawBars(code);
    for (const { input, output, dimension } of this.sliders) {
      input.value = code[dimension];
      output.textContent = number(code[dimension]);
    }
    if (this.map) {
      this.map.mark("code", code);
      this.map.draw();
    }
    this.tellTime(performance.now() - started);
    // Once nothing else is to be done, the first times are measured.
    if (this.milliseconds.length < SAMPLES && this.isReady() && !this.pending) this.preview(code, words);
  }

  // Whether the codes of the page's test images are known.
  isReady() {
    return this.codes.length === this.images.length;
  }

  // The image that was encoded, beside its reconstruction; without one its place is kept, so that nothing moves.
  drawOriginal(seen) {
    this.part("original").classList.toggle("empty", !seen);
    this.part("original-words").textContent = seen ? "the image itself" : "no image was encoded";
    this.part("image-words").textContent = seen ? "its reconstruction" : "decoded from the code";
    const canvas = this.part("original").querySelector("canvas");
    if (seen) paint(canvas, seen.levels, 1);
    else canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }

  factsOf(image) {
    if (!this.seen) return "";
    const { levels, kl } = this.seen;
    const error = image.reduce((sum, value, i) => sum + (2 * (value - levels[i] / 255)) ** 2, 0) / image.length;
    const [low, , high] = this.data.kl_quantiles;
    const cost = kl === null ? "" : ` · KL ${number(kl, 1)} nats (90 % of the test images: ${number(low, 1)} to ${number(high, 1)})`;
    return `MSE ${number(error, 4)}${cost}`;
  }

  drawNeighbours(code) {
    if (!this.isReady()) return;
    const list = this.part("nearest");
    while (list.children.length < Math.min(NEIGHBOURS, this.images.length)) list.append(list.firstElementChild.cloneNode(true));
    nearest(code, this.codes, NEIGHBOURS).forEach((place, i) => {
      const { classes, tests: { numbers, labels } } = this.data, item = list.children[i], label = labels[place];
      if (item.dataset.place === String(place)) return;
      item.dataset.place = place;
      item.title = this.nameOf(place);
      paint(item.querySelector("canvas"), this.images[place], 1);
      item.querySelector("span").textContent = classes.length ? classes[label] : numbers[place];
      if (classes.length) item.style.setProperty("--class", this.colours[label]);
    });
  }

  // The code itself: a column for each dimension, blue below and orange above 0.
  drawBars(code) {
    const canvas = this.part("bars"), context = canvas.getContext("2d"), height = 48;
    const wide = Math.max(4, Math.floor(640 / code.length));
    if (canvas.width !== code.length * wide) Object.assign(canvas, { width: code.length * wide, height });
    context.clearRect(0, 0, canvas.width, height);
    const reach = this.model.variational ? WIDE : WIDE * Math.max(...this.deviation);
    code.forEach((value, i) => {
      const tall = Math.max(1, (Math.min(1, Math.abs(value) / reach) * height) / 2);
      context.fillStyle = value < 0 ? "#4c72b0" : "#dd8452";
      context.fillRect(wide * i, value < 0 ? height / 2 : height / 2 - tall, Math.ceil(0.8 * wide), tall);
    });
  }

  setAnchor(name, code) {
    this.anchors[name] = code;
    this.next = name === "A" ? "B" : "A";
    paint(this.part(`anchor-${name}`), this.model.decode(code), 255);
    if (this.map) {
      this.map.mark(name, code);
      this.map.draw();
    }
  }

  // The code at a share of the way from A to B: along the line, or around the origin where `way` is slerp.
  showBetween(share, way) {
    const { A, B } = this.anchors, code = (way === "slerp" ? slerp : lerp)(A, B, share);
    if (code) this.show(code, `${Math.round(100 * share)} % of the way from A to B`);
    else this.part("words").textContent = "No single arc leads from A to B: take the straight line";
  }

  sample(seed) {
    if (this.model.variational) this.show(normals(this.model.latentDim, seed), `Sample ${seed} from the prior`);
    else this.show(drawLike(this.encodeAllTests(), seed), `Sample ${seed} from a Gaussian fitted to codes`);
  }

  tellTime(milliseconds) {
    this.milliseconds = [...this.milliseconds.slice(-29), milliseconds];
    if (this.milliseconds.length < SAMPLES) return; // the first ones are slower
    const sorted = this.milliseconds.slice().sort((one, other) => one - other);
    this.part("time").textContent = `Decoding a code and drawing it takes ${sorted[sorted.length >> 1].toFixed(1)} ms in this browser.`;
    this.part("time").hidden = false;
  }
}
