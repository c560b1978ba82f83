"use strict";
// Every panel: a grid of values over its knobs, its lines and x, drawn as SVG for the place where the knobs are.
const SIZE = { height: 300, left: 56, right: 12, top: 12, bottom: 42 };
const SVG = "http://www.w3.org/2000/svg";
const round = (v) => Number(v.toPrecision(3));
function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function ticks(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 4));
  const wide = [1, 2, 5, 10].map((k) => k * step).find((s) => (high - low) / s <= 6);
  const found = [];
  for (let v = Math.ceil(low / wide) * wide; v <= high + 1e-9; v += wide) found.push(round(v));
  return found;
}
function panel(section) {
  const grid = JSON.parse(section.querySelector("script").textContent);
  const knobs = [...section.querySelectorAll("[data-knob]")];
  const picture = section.querySelector(".picture"), read = section.querySelector(".read");
  const x = grid.x.values, count = x.length;
  const word = knobs.findIndex((knob) => knob.options);  // what is shown has a scale of its own
  const later = (i) => grid.knobs.slice(i + 1).reduce((size, knob) => size * knob.values.length, grid.names.length * count);
  let low, high;
  function scale() {
    const here = word < 0 ? () => true : (i) => Math.floor(i / later(word)) % grid.knobs[word].values.length === Number(knobs[word].value);
    const known = grid.values.filter((v, i) => v !== null && here(i));
    low = Math.min(...known); high = Math.max(...known);
    const room = 0.04 * (high - low || 1);
    low -= room; high += room;
  }
  const bottom = SIZE.height - SIZE.bottom;
  let width, right;  // a pixel of the picture is one of the page, so that its text is as large
  function fit() {
    width = Math.max(280, Math.min(picture.clientWidth || 640, 832));
    right = width - SIZE.right;
  }
  const across = (v) => SIZE.left + (v - x[0]) / (x[count - 1] - x[0]) * (right - SIZE.left);
  const up = (v) => bottom - (v - low) / (high - low) * (bottom - SIZE.top);
  function lines() {
    const place = knobs.reduce((sum, knob, i) => sum * grid.knobs[i].values.length + Number(knob.value), 0);
    return grid.names.map((_, k) => grid.values.slice((place * grid.names.length + k) * count, (place * grid.names.length + k + 1) * count));
  }
  function path(values) {  // with gaps where there is nothing
    return values.map((v, i) => v === null ? "" : `${i && values[i - 1] !== null ? "L" : "M"}${across(x[i]).toFixed(1)} ${up(v).toFixed(1)}`).join("");
  }
  function frame(svg) {
    for (const v of ticks(x[0], x[count - 1])) {
      svg.append(element("line", { x1: across(v), x2: across(v), y1: bottom, y2: bottom + 4, class: "axis" }));
      svg.append(element("text", { x: across(v), y: bottom + 17, "text-anchor": "middle" }, v));
    }
    for (const v of ticks(low, high)) {
      svg.append(element("line", { x1: SIZE.left, x2: right, y1: up(v), y2: up(v), class: "rule" }));
      svg.append(element("text", { x: SIZE.left - 6, y: up(v) + 4, "text-anchor": "end" }, v));
    }
    svg.append(element("line", { x1: SIZE.left, x2: right, y1: bottom, y2: bottom, class: "axis" }));
    if (grid.level !== null) svg.append(element("line", { x1: SIZE.left, x2: right, y1: up(grid.level), y2: up(grid.level), class: "level" }));
    svg.append(element("text", { x: (SIZE.left + right) / 2, y: SIZE.height - 6, "text-anchor": "middle" }, grid.x.name));
    svg.append(element("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${(SIZE.top + bottom) / 2}) rotate(-90)` }, grid.y));
  }
  function say(k) {
    const now = lines();
    const at = k === undefined ? count - 1 : k;
    read.textContent = `At ${grid.x.name} = ${round(x[at])}: ` + grid.names.map((name, i) => `${name} ${now[i][at] === null ? "not defined" : round(now[i][at])}`).join(", ") + ".";
    return read.textContent;
  }
  function draw() {
    knobs.forEach((knob, i) => {
      const output = knob.parentElement.querySelector("output");
      const value = grid.knobs[i].values[knob.value];
      if (output) { output.textContent = value; knob.setAttribute("aria-valuetext", value); }
    });
    fit();
    scale();
    const now = lines();
    const svg = element("svg", { viewBox: `0 0 ${width} ${SIZE.height}`, role: "img", "aria-label": `${grid.y} over ${grid.x.name}. ${say()}` });
    frame(svg);
    now.forEach((values, k) => svg.append(element("path", { class: `line l${k}`, d: path(values) })));
    const legend = document.createElement("p");
    legend.className = "legend";
    if (grid.names.length > 1) grid.names.forEach((name, k) => { const key = document.createElement("span"); key.className = `key l${k}`; key.textContent = name; legend.append(key); });
    picture.replaceChildren(svg, legend);
    svg.addEventListener("pointermove", (e) => {
      const box = svg.getBoundingClientRect();
      const v = x[0] + ((e.clientX - box.left) / box.width * width - SIZE.left) / (right - SIZE.left) * (x[count - 1] - x[0]);
      say(x.reduce((best, one, i) => Math.abs(one - v) < Math.abs(x[best] - v) ? i : best, 0));
    });
  }
  for (const knob of knobs) knob.addEventListener("input", draw);
  addEventListener("resize", draw);
  draw();
}
for (const section of document.querySelectorAll(".explorer")) panel(section);
