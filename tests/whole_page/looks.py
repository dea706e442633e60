"""What is wrong with a page as it is seen: what is too wide, cut off, or lies over something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES_PX = ((1280, 800), (400, 800), (1920, 1080))
THEMES = ("light", "dark")

# Texts are taken as the lines that they have on the screen, and cut to what boxes that scroll show of them. What a page
# shortens on purpose, with dots at its end, and what is only for screen readers is left out.
_FAULTS = """() => {
  const faults = [], lines = [], width = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth;
  if (wide > width) faults.push(`the page is ${wide} px wide`);
  const told = element => element.outerHTML.slice(0, 120);
  const reader = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = reader.nextNode(); node; node = reader.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || /^(OPTION|SCRIPT|STYLE|TEXTAREA|TITLE)$/.test(element.tagName)) continue;
    const isSeen = element.checkVisibility({opacityProperty: true, visibilityProperty: true});
    if (!isSeen || element.closest(".hidden, .skip")) continue;
    let left = 0, right = width, top = -1e9, bottom = 1e9, cut = false, scrolls = false;
    for (let around = element; around && around !== document.body; around = around.parentElement) {
      const style = getComputedStyle(around), box = around.getBoundingClientRect();
      if (around instanceof SVGElement || style.display === "inline" || style.display === "contents") continue;
      if (style.overflowX === "auto" || style.overflowX === "scroll") {
        scrolls = true, left = Math.max(left, box.left), right = Math.min(right, box.right);
        top = Math.max(top, box.top), bottom = Math.min(bottom, box.bottom);
      } else if (style.overflowX !== "visible" && !scrolls && around.tagName !== "MAIN") {
        cut = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
        if (!cut && (around.scrollWidth > around.clientWidth + 1 || around.scrollHeight > around.clientHeight + 1))
          faults.push(`cut off: ${told(around)}`);
        if (cut) left = Math.max(left, box.left), right = Math.min(right, box.right);
        if (cut) bottom = Math.min(bottom, box.bottom);
      }
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (!scrolls && !cut && (box.left < -1 || box.right > width + 1))
        faults.push(`beyond the edge: ${told(element)}`);
      const card = !scrolls && !cut && element.closest(".card, .frames > li");
      if (card && box.right > card.getBoundingClientRect().right + 1)
        faults.push(`wider than its card: ${told(element)}`);
      const line = {left: Math.max(left, box.left), right: Math.min(right, box.right), element,
                    top: Math.max(top, box.top), bottom: Math.min(bottom, box.bottom)};
      const high = Math.min(line.bottom - line.top, parseFloat(getComputedStyle(element).fontSize)) * .7;
      const middle = (line.top + line.bottom) / 2;
      line.top = middle - high / 2, line.bottom = middle + high / 2;
      if (line.right - line.left > 3 && high > 3) lines.push(line);
    }
  }
  for (const element of document.querySelectorAll("button, input:not([type=hidden]), select, textarea, img, svg")) {
    const box = element.getBoundingClientRect();
    if (element.checkVisibility() && box.width && box.right > width + 1 && !element.closest(".scroll, .hidden"))
      faults.push(`beyond the edge: ${told(element)}`);
    const card = element.closest(".card");
    const isFree = element.closest(".scroll, svg svg, .hidden, .stage");
    if (card && element.checkVisibility() && !isFree && box.width > card.getBoundingClientRect().width)
      faults.push(`wider than its card: ${told(element)}`);
    if (element.tagName === "BUTTON" && element.scrollWidth > element.clientWidth + 1)
      faults.push(`cut off: ${told(element)}`);
  }
  lines.sort((one, other) => one.top - other.top);
  lines.forEach((one, place) => {
    for (let next = place + 1; next < lines.length && lines[next].top < one.bottom - 2; next++) {
      const other = lines[next];
      const sharedPx = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      if (one.element !== other.element && sharedPx > 2 && one.bottom - other.top > 2)
        faults.push(`over each other: ${told(one.element)} and ${told(other.element)}`);
    }
  });
  return [...new Set(faults)].slice(0, 12);
}"""


def faults_of_layout(page: Page) -> list[str]:
    """Return what is wrong with a page in the size that it has now."""
    found: list[str] = page.evaluate(_FAULTS)
    return found


def set_look(page: Page, size_px: tuple[int, int], theme: str) -> None:
    """Show a page in a size, and in light or dark."""
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": size_px[0], "height": size_px[1]})
