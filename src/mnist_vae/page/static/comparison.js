// The beginning of a page that compares systems: two explorers, chosen by name, under the same controls.
"use strict";

{
  const places = [...document.querySelectorAll("[data-place]")], root = document.querySelector("[data-controls]");
  const systems = new Map([...document.querySelectorAll("script.system")].map((script) => [script.dataset.name, script]));
  const explorerOf = (place) => {
    const copy = document.getElementById("explorer").content.firstElementChild.cloneNode(true);
    place.querySelector("[data-slot]").replaceChildren(copy);
    copy.explorer = new Explorer(copy, JSON.parse(systems.get(place.querySelector("select").value).textContent));
    return copy.explorer;
  };
  if (root) {
    root.controls = new Controls(root, places.map(explorerOf));
    places.forEach((place, i) => place.querySelector("select").addEventListener("change", () =>
      root.controls.steer(root.controls.explorers.map((explorer, k) => k === i ? explorerOf(place) : explorer))));
  }
}
