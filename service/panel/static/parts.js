/* The page Parts: j and k and arrows go on, the golden image lies over the picture, a place is drawn. All of it works without, too. */
"use strict";

(() => {
  const writes = (element) => element.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");

  const steps = [...document.querySelectorAll("a[data-step]")];
  const goOn = (by) => {
    if (!steps.length) {
      const link = document.querySelector(by > 0 ? "a[rel=next]" : "a[rel=prev]");
      if (link) link.click();
      return Boolean(link);
    }
    const at = steps.indexOf(document.activeElement);
    const next = steps[at < 0 ? 0 : Math.min(Math.max(at + by, 0), steps.length - 1)];
    next.focus();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || writes(event.target)) return;
    const by = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key];
    if (by && goOn(by)) event.preventDefault();
  });

  const stage = document.querySelector("[data-stage]");
  if (!stage) return;

  const golden = stage.querySelector("[data-golden]");
  if (golden) {
    const slider = document.querySelector("[data-golden-at]");
    const move = () => golden.style.setProperty("--golden-at", `${slider.value}%`);
    golden.hidden = false;
    document.querySelector("[data-slider]").hidden = false;
    document.querySelector("[data-golden-beside]").hidden = true;
    slider.addEventListener("input", move);
    move();
  }

  const form = document.querySelector("[data-escape]");
  if (!form) return;
  const drawing = stage.querySelector("[data-drawing]");
  const sides = Object.fromEntries([...form.querySelectorAll("[data-side]")].map((one) => [one.dataset.side, one]));
  const shape = drawing.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
  shape.setAttribute("class", "said");
  const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
  const number = (side) => Number(sides[side].value.replace(",", ".")) || 0;
  const show = () => {
    shape.setAttribute("x", (number("x") / 100) * width);
    shape.setAttribute("y", (number("y") / 100) * height);
    shape.setAttribute("width", (number("width") / 100) * width);
    shape.setAttribute("height", (number("height") / 100) * height);
  };
  Object.values(sides).forEach((one) => one.addEventListener("input", show));
  const hint = form.querySelector("[data-drag-hint]");
  if (hint) hint.hidden = false;
  stage.classList.add("drags");
  let begin = null;
  const at = (event) => {
    const box = drawing.getBoundingClientRect();
    const inside = (value) => Math.min(Math.max(value, 0), 1);
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    begin = at(event);
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!begin) return;
    const end = at(event);
    const percent = (value) => (value * 100).toFixed(2);
    const low = begin.map((value, axis) => Math.min(value, end[axis]));
    sides.x.value = percent(low[0]);
    sides.y.value = percent(low[1]);
    sides.width.value = percent(Math.min(Math.abs(begin[0] - end[0]), 1 - Number(sides.x.value) / 100));
    sides.height.value = percent(Math.min(Math.abs(begin[1] - end[1]), 1 - Number(sides.y.value) / 100));
    sides.x.closest("details").open = true;
    show();
  });
  const done = () => { begin = null; };
  stage.addEventListener("pointerup", done);
  stage.addEventListener("pointercancel", done);
})();
