// What steers one or two explorers at once: test images, a drawing, samples from the prior, the way from A to B.
"use strict";

const PLAY_SECONDS = 4;

class Controls {
  constructor(root, explorers) {
    this.root = root;
    this.explorers = explorers;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.turn = {};
    this.seed = 0;
    this.buildDigits();
    this.buildPad();
    this.buildSamples();
    this.buildPath();
    this.restart();
  }

  each(act) {
    this.explorers.forEach(act);
  }

  // With other explorers, or at the beginning: A and B are the first test images of two classes, and A is shown.
  restart() {
    const [from, to] = this.explorers[0].data.anchors;
    for (const [label, name] of [[to, "B"], [from, "A"]]) {
      this.turn[label] = 0;
      this.showTest(label);
      this.each((explorer) => explorer.setAnchor(name, explorer.code));
    }
    this.part("share").value = 0;
    this.each((explorer) => { explorer.next = "A"; });
  }

  buildDigits() {
    const { tests } = this.explorers[0].data;
    for (const button of this.root.querySelectorAll("[data-digit]")) {
      const label = Number(button.dataset.digit);
      paint(button.querySelector("canvas"), this.explorers[0].images[tests.labels.indexOf(label)], 1);
      button.addEventListener("click", () => {
        this.showTest(label);
        this.turn[label]++;
      });
      this.turn[label] = 0;
    }
  }

  // The test images of a class in turn. The same number is the same image in each explorer.
  showTest(label) {
    const { tests } = this.explorers[0].data;
    const places = tests.labels.map((_, place) => place).filter((place) => tests.labels[place] === label);
    const place = places[this.turn[label] % places.length];
    this.paintInput(this.explorers[0].images[place]);
    this.each((explorer) => explorer.showImage(explorer.images[place], `Test image ${tests.numbers[place]}, a ${label}, reconstructed`));
  }

  buildPad() {
    this.pad = new Pad(this.part("pad"), () => {
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
    this.each((explorer, i) => {
      const levels = asDataSetImage(ink, side, explorer.data.size, explorer.data.drawing);
      if (levels === null) return;
      if (i === 0) this.paintInput(levels);
      explorer.showImage(levels, "Your drawing, reconstructed");
    });
  }

  paintInput(levels) {
    paint(this.part("input"), levels, 1);
  }

  buildSamples() {
    const seed = this.part("seed"), draw = () => this.each((explorer) => explorer.sample(this.seed));
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
    this.between = () => this.each((explorer) => explorer.showBetween(Number(share.value), way()));
    share.addEventListener("input", () => { this.stop(); this.between(); });
    for (const radio of this.root.querySelectorAll('[name="way"]')) radio.addEventListener("change", this.between);
    for (const name of ["A", "B"])
      this.part(`set-${name}`).addEventListener("click", () => this.each((explorer) => explorer.setAnchor(name, explorer.code)));
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
