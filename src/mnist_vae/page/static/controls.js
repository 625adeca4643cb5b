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

  // Do something with each explorer, now and with those that come later.
  each(act) {
    this.last = act;
    this.explorers.forEach(act);
  }

  // A and B are the first test images of two classes, and A is shown.
  restart() {
    const [from, to] = this.explorers[0].data.anchors;
    for (const [label, name] of [[to, "B"], [from, "A"]]) {
      this.turn[label] = 0;
      this.showTest(label);
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

  // The test images of a class in turn, of those that all explorers have.
  showTest(label) {
    const [{ data: { tests }, images }] = this.explorers;
    const shared = tests.numbers.filter((number, place) => tests.labels[place] === label
      && this.explorers.every(({ data }) => data.tests.numbers.includes(number)));
    const shown = shared[this.turn[label] % shared.length];
    paint(this.part("input"), images[tests.numbers.indexOf(shown)], 1);
    this.each((explorer) => explorer.showTest(shown, label));
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
    if (!inkBox(ink, side)) return;
    const levelsOf = ({ size, drawing }) => asDataSetImage(ink, side, size, drawing);
    paint(this.part("input"), levelsOf(this.explorers[0].data), 1);
    this.each((explorer) => explorer.showImage(levelsOf(explorer.data), "Your drawing, reconstructed"));
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
