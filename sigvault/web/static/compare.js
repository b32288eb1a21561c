// Comparing signatures: all frames zoom and pan together, the probe is laid over a reference, or
// takes turns with it.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const compare = document.querySelector(".compare");
  if (!compare) return;
  const frame = { width: +compare.dataset.frameWidth, height: +compare.dataset.frameHeight };
  const toolbar = compare.querySelector(".toolbar");
  const stage = compare.querySelector(".stage");
  const sheet = compare.querySelector(".sheet");
  const against = compare.querySelector("#against");
  const opacity = compare.querySelector("#opacity");
  const figures = [...sheet.querySelectorAll(".signature[data-scan]")];
  const probe = figures.find((figure) => figure.classList.contains("probe"));
  const references = figures.filter((figure) => figure !== probe);
  const LARGEST = 12;
  const TURN = 700; // milliseconds: well under three flashes a second
  const at = { zoom: 1, x: frame.width / 2, y: frame.height / 2 };
  const look = { view: "scan", mode: "side", equal: false };
  let turning = 0;

  const views = () => compare.querySelectorAll("svg.view");
  const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

  function draw() {
    const width = frame.width / at.zoom;
    const height = frame.height / at.zoom;
    at.x = clamp(at.x, width / 2, frame.width - width / 2);
    at.y = clamp(at.y, height / 2, frame.height - height / 2);
    const box = `${at.x - width / 2} ${at.y - height / 2} ${width} ${height}`;
    for (const view of views()) view.setAttribute("viewBox", box);
    compare.classList.toggle("zoomed", at.zoom > 1);
    toolbar.querySelector(".zoom").value = `${Math.round(100 * at.zoom)} %`;
  }

  function zoom(factor, x = at.x, y = at.y) {
    const before = at.zoom;
    at.zoom = clamp(at.zoom * factor, 1, LARGEST);
    const kept = before / at.zoom;
    at.x = x + (at.x - x) * kept;
    at.y = y + (at.y - y) * kept;
    draw();
  }

  // Where a scan lies in the frame: in its own pixels, or as wide as the widest.
  function place(image, figure) {
    const own = { width: +figure.dataset.width, height: +figure.dataset.height };
    const grown = look.equal ? Math.min(frame.width / own.width, frame.height / own.height) : 1;
    image.setAttribute("width", own.width * grown);
    image.setAttribute("height", own.height * grown);
    image.setAttribute("x", (frame.width - own.width * grown) / 2);
    image.setAttribute("y", (frame.height - own.height * grown) / 2);
  }

  function fill(image, figure) {
    image.setAttribute("href", look.view === "scan" ? figure.dataset.scan : figure.dataset.toned);
    if (look.view === "scan") {
      place(image, figure);
    } else {
      for (const name of ["x", "y"]) image.setAttribute(name, 0);
      image.setAttribute("width", frame.width);
      image.setAttribute("height", frame.height);
    }
  }

  // In the middle both are seen in full; towards an end the other one fades.
  function shade() {
    const share = look.mode === "overlay" ? opacity.value / 100 : 0.5;
    stage.querySelector(".above").setAttribute("opacity", Math.min(1, 2 * share));
    stage.querySelector(".below").setAttribute("opacity", Math.min(1, 2 * (1 - share)));
  }

  function turn(shown) {
    stage.dataset.shown = shown;
    stage.querySelector("figcaption").textContent =
      shown === "both"
        ? `The probe over ${against.selectedOptions[0]?.textContent ?? "a reference"}`
        : shown === "above"
          ? "Probe"
          : against.selectedOptions[0]?.textContent;
  }

  // Ink is hidden at first: it is fetched once all that is seen is there, or when it is asked for.
  function fetchInk() {
    for (const image of compare.querySelectorAll("image.ink:not([href])")) {
      image.setAttribute("href", image.dataset.ink);
    }
  }

  function arrange() {
    if (look.view === "ink") fetchInk();
    const staged = look.mode !== "side" && probe && references.length > 0;
    const figure = references[against.selectedIndex] ?? references[0];
    stage.hidden = !staged;
    for (const each of compare.querySelectorAll(".on-stage")) each.hidden = !staged;
    for (const each of compare.querySelectorAll(".on-overlay")) each.hidden = look.mode !== "overlay";
    for (const each of compare.querySelectorAll(".on-flicker")) each.hidden = look.mode !== "flicker";
    compare.dataset.view = look.view;
    for (const [name, value] of [["view", look.view], ["mode", look.mode]]) {
      for (const button of toolbar.querySelectorAll(`[data-${name}]`)) {
        button.setAttribute("aria-pressed", button.dataset[name] === value);
      }
    }
    toolbar.querySelector("[data-equal]").setAttribute("aria-pressed", look.equal);
    for (const each of figures) place(each.querySelector("image.scan"), each);
    clearInterval(turning);
    if (staged) {
      fill(stage.querySelector(".below image"), figure);
      fill(stage.querySelector(".above image"), probe);
      shade();
      turn(look.mode === "flicker" ? "above" : "both");
      // Whoever wants little movement swaps by hand.
      if (look.mode === "flicker" && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
        turning = setInterval(swap, TURN);
      }
    }
    draw();
  }

  function swap() {
    turn(stage.dataset.shown === "above" ? "below" : "above");
  }

  for (const figure of references) {
    const option = document.createElement("option");
    option.textContent = figure.querySelector("figcaption").textContent;
    against.append(option);
  }
  against.addEventListener("change", arrange);
  opacity.addEventListener("input", shade);
  toolbar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.view) {
      // The ink's key goes there and back.
      const same = button.dataset.view === look.view && button.dataset.view === "ink";
      look.view = same ? "scan" : button.dataset.view;
      arrange();
    } else if (button.dataset.mode) {
      look.mode = button.dataset.mode;
      arrange();
      if (look.mode !== "side") stage.scrollIntoView({ block: "nearest" });
    } else if (button.dataset.zoom) {
      if (button.dataset.zoom === "whole") at.zoom = 1;
      zoom({ in: 1.5, out: 1 / 1.5, whole: 1 }[button.dataset.zoom]);
    } else if ("equal" in button.dataset) {
      look.equal = !look.equal;
      arrange();
    } else if ("swap" in button.dataset) {
      clearInterval(turning);
      swap();
    }
  });

  // Pointers: one drags, two pinch; the wheel zooms with Ctrl, as trackpads pinch.
  const held = new Map();
  const scale = (view) => {
    const box = view.getBoundingClientRect();
    return Math.max(frame.width / at.zoom / box.width, frame.height / at.zoom / box.height);
  };
  compare.addEventListener("pointerdown", (event) => {
    const view = event.target.closest("svg.view");
    if (!view || (at.zoom === 1 && event.pointerType !== "touch")) return;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    view.setPointerCapture(event.pointerId);
  });
  compare.addEventListener("pointermove", (event) => {
    const view = event.target.closest("svg.view");
    const before = held.get(event.pointerId);
    if (!view || !before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      zoom(spread(now) / spread(before));
    } else if (at.zoom > 1) {
      at.x -= (now.x - before.x) * scale(view);
      at.y -= (now.y - before.y) * scale(view);
      draw();
    }
    held.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    compare.addEventListener(name, (event) => held.delete(event.pointerId));
  }
  compare.addEventListener(
    "wheel",
    (event) => {
      const view = event.target.closest("svg.view");
      if (!view || !event.ctrlKey) return;
      event.preventDefault();
      const box = view.getBoundingClientRect();
      const x = at.x + (event.clientX - box.left - box.width / 2) * scale(view);
      const y = at.y + (event.clientY - box.top - box.height / 2) * scale(view);
      zoom(Math.exp(-event.deltaY / 200), x, y);
    },
    { passive: false },
  );
  compare.addEventListener("dblclick", (event) => {
    if (event.target.closest("svg.view")) zoom(2);
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = step[event.key];
    if (!way || at.zoom === 1 || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    at.x += (way[0] * frame.width) / at.zoom / 8;
    at.y += (way[1] * frame.height) / at.zoom / 8;
    draw();
  });

  if (figures.length) toolbar.hidden = false;
  arrange();
  addEventListener("load", fetchInk);
});
