// Reading the line charts: the values at the place nearest to the pointer, or step by step with the arrow keys.
"use strict";

function readable(figure) {
  const svg = figure.querySelector("svg"), { x, places, series } = JSON.parse(svg.dataset.chart);
  const rule = svg.querySelector(".rule"), dots = [...svg.querySelectorAll(".dot")], told = figure.querySelector(".reading");
  const before = told.textContent;
  let current = x.length - 1;
  const show = (index) => {
    current = Math.max(0, Math.min(x.length - 1, index));
    const across = places[current];
    rule.setAttribute("x1", across);
    rule.setAttribute("x2", across);
    dots.forEach((dot, i) => {
      dot.setAttribute("cx", across);
      dot.setAttribute("cy", series[i].heights[current]);
    });
    svg.classList.add("read");
    told.textContent = `${x[current]}: ${series.map(({ name, values }) => `${name} ${values[current]}`).join(" · ")}`;
  };
  const hide = () => {
    svg.classList.remove("read");
    told.textContent = before;
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), width = svg.viewBox.baseVal.width;
    const across = ((event.clientX - box.left) / box.width) * width;
    const distance = places.map((place) => Math.abs(place - across));
    show(distance.indexOf(Math.min(...distance)));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("focus", () => show(current));
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const target = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: x.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    show(target);
  });
}

document.querySelectorAll("figure.chart:has([data-chart])").forEach(readable);
