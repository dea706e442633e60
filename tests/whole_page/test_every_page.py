"""Every page at the sizes of a desk, a telephone and a wall, in light and dark, in English and Czech."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import console_errors, keep_picture, serious_faults
from tests.support.running import serving, write_project
from tests.whole_page.looks import SIZES_PX, THEMES, faults_of_layout, set_look
from tests.whole_page.whole_line import Line, whole_line

pytestmark = pytest.mark.long
_WORDS = "<img src=x onerror=alert(1)>'\"&{{7*7}}</script>\u202e\u200f a\u0301\u0302\u0303\u0304 "
HOSTILE = (_WORDS + "\x00\ud800" + "W" * 500)[:500]  # not all of it can be in an address: see _sent
LANGUAGES = {"light": "en-GB", "dark": "cs-CZ"}
AWAY = {"light": "The history cannot be reached now.", "dark": "Historie teď není dostupná."}
OPENED = ("", "parts", "frame", "statistics", "report", "threshold", "inputs", "log", "api/docs", "nowhere")


@pytest.fixture(name="line", scope="module")
def the_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with whole_line(tmp_path_factory.mktemp("every")) as running:
        for number in range(6):
            running.send(number, 12 * number, camera=f"station {number % 2}", part=f"P-{number}", view="top")
        yield running


@pytest.fixture(name="frame", scope="module")
def a_frame(line: Line) -> str:
    line.send(3, 60, camera="station 2", part="4711", view="top", data="Lot 7 of the early shift")
    return line.pictured(line.send(4, 60, camera="station 2", part="4711", view="left"))


def _signed_in(browser: Browser, line: Line, language: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale=language).new_page()
    page.goto(f"{line.server.url}/sign_in")
    page.locator("input[name=key]").fill(line.keys["anna"])
    page.locator("main button.primary").click()
    expect(page.locator(".live")).to_be_visible()
    return page


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_is_whole_at_every_size(line: Line, frame: str, browser: Browser, theme: str) -> None:
    page = _signed_in(browser, line, LANGUAGES[theme])
    said = console_errors(page)
    faults = []
    for name in OPENED:
        answer = page.goto(f"{line.server.url}/{_path(name, frame)}")
        assert answer
        assert answer.status == (404 if name == "nowhere" else 200)
        faults += _looked_at(page, name or "live", theme)
    with line.client("anna") as client:
        assert client.post("/sign_out").status_code in {303, 401}
    page.context.clear_cookies()
    page.goto(f"{line.server.url}/sign_in")
    faults += _looked_at(page, "sign_in", theme)
    found, looked = _pointed_at(page, "sign_in")
    page.context.close()
    assert looked >= 2  # the key and the button
    faults += found
    assert faults == []
    assert [one for one in said if "404" not in one] == []


def _path(name: str, frame: str) -> str:
    return {"frame": f"parts/{frame}", "report": f"statistics?day={datetime.now().astimezone().date()}"}.get(name, name)


def _looked_at(page: Page, name: str, theme: str) -> list[str]:
    """Keep a picture of a page at each size; returns what is wrong with it."""
    faults = []
    for size_px in SIZES_PX:
        set_look(page, size_px, theme)
        keep_picture(page, f"every-{name.replace('/', '-')}-{size_px[0]}-{theme}")
        faults += [f"{name} {size_px[0]} {theme}: {one}" for one in faults_of_layout(page)]
    return faults + [f"{name} {theme}: {one}" for one in serious_faults(page)]


@pytest.mark.parametrize("theme", THEMES)
def test_a_held_line_is_whole_at_every_size(line: Line, browser: Browser, theme: str) -> None:
    page = _signed_in(browser, line, LANGUAGES[theme])
    said = console_errors(page)
    for number in range(3):
        line.send(number, data="scratch", camera="station 2")
    alert = page.locator(".alert.held")
    expect(alert).to_contain_text("scratches")
    faults = _looked_at(page, "held", theme)
    found, looked = _pointed_at(page, "held")
    assert looked >= 5
    faults += found
    alert.get_by_role("button").click()
    expect(alert).to_have_count(0)
    page.context.close()
    assert faults == []
    assert said == []


# Where the pointer is and where the focus is, colours are others: axe looks at the contrast of each such thing.
_ONE_OF_EACH = """() => {
  const seen = new Set(), found = [];
  const things = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  for (const one of document.querySelectorAll(things)) {
    const like = `${one.tagName} ${one.className} ${one.type || ""} ${one.parentElement.className} ${one.ariaCurrent}`;
    if (seen.has(like) || one.disabled || one.matches(".skip")) continue;
    if (!one.checkVisibility() || !one.getBoundingClientRect().height) continue;
    seen.add(like);
    one.dataset.looked = found.push(like) - 1;
  }
  return found;
}"""
_CONTRAST = """async place => {
  const one = document.querySelector(`[data-looked="${place}"]`);
  for (const around of one.getAnimations()) around.finish();
  const found = await axe.run(one, {runOnly: ["color-contrast"], resultTypes: ["violations"]});
  const told = node => `${node.html.slice(0, 120)}: ${node.failureSummary}`;
  return found.violations.flatMap(fault => fault.nodes.map(told));
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_pointed_at_or_has_the_focus_can_be_read(line: Line, frame: str, browser: Browser, theme: str) -> None:
    page = _signed_in(browser, line, LANGUAGES[theme])
    set_look(page, SIZES_PX[0], theme)
    faults, looked = [], 0
    for name in OPENED:
        page.goto(f"{line.server.url}/{_path(name, frame)}")
        faults += serious_faults(page)
        found, count = _pointed_at(page, name)
        faults += found
        looked += count
    page.context.close()
    assert faults == []
    assert looked > 30


def _pointed_at(page: Page, name: str) -> tuple[list[str], int]:
    """Go through one of each kind of thing, with pointer and focus; returns what cannot be read then, and how many."""
    faults, looked = [], 0
    for place, _ in enumerate(page.evaluate(_ONE_OF_EACH)):
        thing = page.locator(f"[data-looked='{place}']")
        if not thing.count():  # a piece that came anew meanwhile
            continue
        thing.scroll_into_view_if_needed()
        box = thing.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 20))
        thing.focus()  # beside the outline nothing of it hides what it looks like below the pointer
        faults += [f"{name}: {one}" for one in page.evaluate(_CONTRAST, place)]
        looked += 1
    return faults, looked


_FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  one.dataset.walked = "1";
  const x = box.left + Math.min(box.width / 2, 40), y = box.top + Math.min(box.height / 2, 20);
  const around = document.elementFromPoint(x, y);
  return {told: one.outerHTML.slice(0, 120),
          is_shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
          is_seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
          is_free: !around || one.contains(around) || around.contains(one)};
}"""
_NOT_WALKED = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
  .filter(one => !one.dataset.walked && !one.disabled && one.tabIndex >= 0)
  .filter(one => one.checkVisibility() && one.type !== "radio")
  .map(one => one.outerHTML.slice(0, 120))"""


def test_every_page_is_walked_by_keyboard_alone(line: Line, frame: str, browser: Browser) -> None:
    page = _signed_in(browser, line, "en-GB")
    for name in OPENED:
        page.goto(f"{line.server.url}/{_path(name, frame)}")
        page.locator("body").evaluate("body => body.ownerDocument.activeElement.blur()")
        walked = 0
        while True:
            page.keyboard.press("Tab")
            at = page.evaluate(_FOCUSED)
            if at is None or walked > 400:
                break
            walked += 1
            assert at["is_shown"], (name, at)
            assert at["is_seen"], (name, at)
            assert at["is_free"], (name, at)
        assert 5 < walked <= 400, (name, walked)
        assert page.evaluate(_NOT_WALKED) == [], name
    page.context.close()


def test_a_history_that_is_away_is_said_in_a_page(tmp_path: Path, browser: Browser) -> None:
    project = write_project(tmp_path / "away")
    away = tmp_path / "url"
    away.write_text("postgresql://nobody:nothing@127.0.0.1:9/none")
    away.chmod(0o600)
    with serving(project, "--record", "async", "--history-url-file", str(away)) as server:
        for theme in THEMES:
            page = browser.new_context(locale=LANGUAGES[theme]).new_page()
            answer = page.goto(f"{server.url}/parts")
            assert answer
            assert answer.status == 503
            expect(page.locator("main")).to_contain_text(AWAY[theme])
            assert _looked_at(page, "history_away", theme) == []
            assert _pointed_at(page, "history_away")[0] == []
            page.context.close()
