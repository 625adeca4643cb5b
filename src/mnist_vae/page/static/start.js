// The beginning of a page that shows one model.
"use strict";

{
  const root = document.querySelector("[data-explorer]");
  if (root) {
    root.explorer = new Explorer(root, JSON.parse(document.querySelector("script.system").textContent));
    const controls = document.querySelector("[data-controls]");
    controls.controls = new Controls(controls, [root.explorer]);
  }
}
