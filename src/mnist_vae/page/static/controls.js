// What steers one or two explorers at once: test images, a drawing, samples from the prior, the way from A to B.
"use strict";

const PLAY_SECONDS = 4;
const FEW_STARTS = 10;

class Controls {
  constructor(root, explorers) {
    this.root = root;
    this.explorers = explorers;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.seed = 0;
    this.buildStarts();
    this.buildPad();
    this.buildSamples();
    this.buildPath();
    this.restart();
  }

  // Do something with each explorer, now and with those that come later.
  each(act) {
    this.last = act;
    this.shown = null; // the class of which a test image is shown
    this.explorers.forEach(act);
  }

  // A and B are the first test images of two classes, and A is shown.
  restart() {
    const ends = this.explorers[0].data.anchors.map((label, i) => this.starts.find((start) => start.label === label) ?? this.starts[i] ?? this.starts[0]);
    for (const [start, name] of [[ends[1], "B"], [ends[0], "A"]]) {
      start.turn = name === "B" && ends[0] === ends[1] ? 1 : 0;
      this.showTest(start);
      this.explorers.forEach((explorer) => explorer.setAnchor(name, explorer.code));
    }
    this.part("share").value = 0;
    this.explorers.forEach((explorer) => { explorer.next = "A"; });
  }

  // Other explorers, which show what these ones showed last.
  steer(explorers) {
    const { last } = this;
    this.explorers = explorers;
    this.restart();
    this.each(last);
  }

  // The test images to begin with: a button for each class; without classes one for each of the first images.
  buildStarts() {
    const { classes, tests: { labels, numbers } } = this.explorers[0].data, list = this.part("starts"), model = list.firstElementChild;
    const all = classes.length
      ? classes.map((name, label) => ({ name, label, numbers: numbers.filter((_, place) => labels[place] === label) }))
      : numbers.slice(0, FEW_STARTS).map((number, label) => ({ name: `${number}`, label, numbers: [number] }));
    list.style.setProperty("--letters", lettersOf(all.map(({ name }) => name)));
    this.starts = all.filter((start) => start.numbers.length).map((start) => ({ ...start, turn: 0 }));
    list.replaceChildren(...this.starts.map((start) => {
      const button = model.cloneNode(true);
      button.dataset.start = start.name;
      button.title = classes.length ? `A test image of class ${start.name}; again for the next one` : `Test image ${start.name}`;
      button.querySelector("span").textContent = start.name;
      paint(button.querySelector("canvas"), this.explorers[0].images[numbers.indexOf(start.numbers[0])], 1);
      button.addEventListener("click", () => {
        if (this.shown === start) start.turn++;
        this.showTest(start);
      });
      return button;
    }));
  }

  // The test image of a class whose turn it is, of those that all explorers have.
  showTest(start) {
    const shared = start.numbers.filter((number) => this.explorers.every(({ data }) => data.tests.numbers.includes(number)));
    const shown = shared[start.turn % shared.length], [{ data: { tests }, images }] = this.explorers;
    paint(this.part("input"), images[tests.numbers.indexOf(shown)], 1);
    this.each((explorer) => explorer.showTest(shown));
    this.shown = start;
  }

  buildPad() {
    const { subject, side, ground } = this.explorers[0].data.drawing;
    this.part("draw-title").textContent = `Draw a ${subject}`;
    this.part("input-words").textContent = `what the encoder sees${side ? ", scaled and centred" : ""}`;
    this.pad = new Pad(this.part("pad"), ground, () => {
      if (!this.waiting) requestAnimationFrame(() => this.showDrawing());
      this.waiting = true;
      this.part("hint").hidden = true;
    });
    this.part("clear").addEventListener("click", () => {
      this.pad.clear();
      this.part("hint").hidden = false;
    });
  }

  showDrawing() {
    this.waiting = false;
    const ink = this.pad.ink(), side = this.pad.canvas.width;
    if (!inkBox(ink, side)) return;
    const imageOf = ({ size, drawing }) => asDataSetImage(ink, side, size, drawing);
    paint(this.part("input"), imageOf(this.explorers[0].data), 1);
    this.each((explorer) => explorer.showImage(imageOf(explorer.data), "Your drawing, reconstructed"));
  }

  buildSamples() {
    const seed = this.part("seed"), draw = () => { const drawn = this.seed; this.each((explorer) => explorer.sample(drawn)); };
    this.part("sample").addEventListener("click", () => {
      this.seed = Number(seed.value) + 1;
      seed.value = this.seed;
      draw();
    });
    seed.addEventListener("change", () => {
      this.seed = Math.max(0, Math.round(Number(seed.value)) || 0);
      seed.value = this.seed;
      draw();
    });
  }

  buildPath() {
    const share = this.part("share"), way = () => this.root.querySelector('[name="way"]:checked').value;
    this.between = () => {
      const [reached, along] = [Number(share.value), way()];
      this.each((explorer) => explorer.showBetween(reached, along));
    };
    share.addEventListener("input", () => { this.stop(); this.between(); });
    for (const radio of this.root.querySelectorAll('[name="way"]')) radio.addEventListener("change", this.between);
    for (const name of ["A", "B"])
      this.part(`set-${name}`).addEventListener("click", () => this.explorers.forEach((explorer) => explorer.setAnchor(name, explorer.code)));
    this.part("play").addEventListener("click", () => this.playing ? this.stop() : this.play());
  }

  play() {
    const started = performance.now(), first = Number(this.part("share").value);
    const step = (now) => {
      if (!this.playing) return;
      const way = (first + (now - started) / 1000 / PLAY_SECONDS) % 2; // there and back
      this.part("share").value = way > 1 ? 2 - way : way;
      this.between();
      requestAnimationFrame(step);
    };
    this.playing = true;
    this.part("play").textContent = "Stop";
    requestAnimationFrame(step);
  }

  stop() {
    this.playing = false;
    this.part("play").textContent = "Play";
  }
}
