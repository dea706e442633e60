"""The whole way over the page, as those who work with it go it, before one server that has everything on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.changes.log import Changes
from tests.clients.browser import keep_picture, serious_faults
from tests.support.faults import until
from tests.support.taught import plate
from tests.whole_page.everything import HOSTILE, Line, Scheme, everything, large, looking, stained

pytestmark = pytest.mark.long
OF_A_LINE = HOSTILE.replace("\u202e", "")[:400]  # an input has characters that can be shown
SCRATCH = json.dumps({"rectangles": 1})
WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")]
  .filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.tagName + "." + e.getAttribute("class"))"""
PAGES = ("", "parts", "statistics", "threshold", "inputs", "log")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with everything(tmp_path_factory.mktemp("whole")) as running:
        yield running


@pytest.fixture
def page(line: Line, browser: Browser) -> Iterator[Page]:
    with looking(line, browser) as signed_in:
        yield signed_in


def _no_faults(page: Page) -> None:
    """Have axe look at a page as it is, and with its last button hovered and its first one focused."""
    page.mouse.move(0, 0)
    assert not serious_faults(page), page.url
    buttons = page.locator("main button:not(:disabled):visible, main a.button:visible")
    if buttons.count():
        buttons.first.focus()
        buttons.last.hover()
        assert not serious_faults(page), page.url
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def test_before_any_frame_all_pages_say_so(line: Line, page: Page) -> None:
    for path in PAGES:
        page.goto(f"{line.server.url}/{path}")
        _no_faults(page)
        keep_picture(page, f"whole-none-{path or 'live'}")
    page.goto(line.server.url)
    expect(page.get_by_text("No frame yet.")).to_be_visible()
    line.send(np.zeros((1, 1), np.uint8), camera="pixel")
    expect(page.get_by_text("1 x 1 px, inspected")).to_be_visible()
    line.send(large(plate(1)), json.dumps({"rectangles": 400}), camera="many")
    expect(page.get_by_text(re.compile("and 38[89] more"))).to_be_visible()
    many = line.kept(camera="many")
    page.goto(f"{line.server.url}/parts/{many}")
    expect(page.locator("[data-picture]")).to_have_js_property("naturalWidth", 256)
    expect(page.get_by_text("Its context is not kept")).to_be_visible()
    _no_faults(page)
    keep_picture(page, "whole-400-rectangles")
    page.goto(f"{line.server.url}/parts/{line.newest(camera='pixel')['id']}")
    _no_faults(page)


def test_the_switch_is_thrown_by_keyboard_and_frames_change(line: Line, page: Page, browser: Browser) -> None:
    page.goto(line.server.url)
    with looking(line, browser, locale="cs-CZ") as other:
        other.goto(line.server.url)
        button = page.get_by_role("button", name="Switch process off")
        for _ in range(20):
            page.keyboard.press("Tab")
            if button.evaluate("e => e === document.activeElement"):
                break
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        for one, word in ((page, "Off"), (other, "Vypnuto")):
            expect(one.locator(".process .state")).to_have_text(word)
            expect(one.locator(".process")).to_contain_text("k-operate")
        assert line.send(plate(2))["processing"] is False
        keep_picture(page, "whole-switched-off")
        other.get_by_role("button", name="Zapnout").click()
        expect(page.locator(".process .state")).to_have_text("On")
        assert line.send(plate(2))["processing"] is True


def test_a_part_is_seen_opened_decided_and_taken_back(line: Line, page: Page, browser: Browser) -> None:
    page.goto(line.server.url)
    expect(page.locator(".live")).to_be_visible()
    line.send(plate(3), part="4711", view="top", camera="top")
    last = line.send(large(stained(4)), SCRATCH, part="4711", view="side", camera="side")
    assert last["partResult"]["verdict"] == "NOK"
    first = page.locator(".rejected li").first
    expect(first).to_contain_text("4711")
    expect(first.locator("img")).to_have_js_property("naturalWidth", 256)
    expect(page.locator(".verdict")).to_have_text("NOK")
    frame = line.kept(part="4711", camera="side")
    page.get_by_role("link", name="Parts").click()
    page.get_by_label("Camera").fill("side")
    page.get_by_label("Part", exact=True).fill("4711")
    page.get_by_role("button", name="Show", exact=True).click()
    page.locator("a.frame").click()
    expect(page).to_have_url(re.compile(frame))
    expect(page.locator("[data-picture]")).to_have_js_property("naturalWidth", 256)
    expect(page.locator("svg rect.found").first).to_be_visible()
    views = page.get_by_role("region", name="Views of the part")
    expect(views.locator("li")).to_have_count(2)
    expect(views.locator("strong")).to_have_text("side")
    page.locator("details.heat summary").click()
    heat = page.locator("details.heat img")
    expect(heat).to_have_js_property("complete", value=True)
    until(lambda: heat.evaluate("img => img.naturalWidth") == 256)
    _no_faults(page)
    keep_picture(page, "whole-part")
    with looking(line, browser, refused="409") as other:
        other.goto(page.url)
        page.get_by_label("Note").fill(HOSTILE)
        page.get_by_role("button", name="False call").click()
        expect(page.locator(".heading .tag")).to_have_text("False call")
        expect(page.locator(".decisions .note")).to_contain_text("<i onload=x0()>")
        other.get_by_role("button", name="NOK is right").click()
        expect(other.get_by_role("alert")).to_contain_text("k-operate")
        expect(other.locator(".heading .tag")).to_have_text("False call")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".heading .tag")).to_have_count(0)
    views.get_by_role("link", name="top").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("OK")
    expect(page.get_by_role("region", name="Views of the part").locator("strong")).to_have_text("top")
    page.goto(f"{line.server.url}/statistics")
    expect(page.get_by_role("heading", name="Where on the part")).to_be_visible()
    until(lambda: bool(page.reload()) and page.locator(".heat image, svg image").count() > 0)
    _no_faults(page)


def test_an_input_is_in_the_next_frame_and_the_frame_names_its_revision(line: Line, page: Page) -> None:
    page.goto(f"{line.server.url}/inputs")
    page.get_by_label("Lot").fill(OF_A_LINE)
    page.get_by_label("Largest gap").fill("1.25")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("holds from the next frame on")).to_be_visible()
    assert line.send(plate(5), camera="inputs")["found"]["lot"] == OF_A_LINE
    assert line.newest(camera="inputs")["inputRevision"] == 1
    _no_faults(page)


def test_the_threshold_shows_what_would_flip_as_pictures_and_is_applied(line: Line, page: Page) -> None:
    for number in range(10, 40):
        line.send(large(stained(number, 3.0 * (number - 20))) if number > 20 else large(plate(number)), camera="scores")
    until(lambda: line.send(large(stained(40, 30.0)), camera="strong")["result"] is False)
    strong = line.kept(camera="strong")
    page.goto(f"{line.server.url}/threshold")
    slider = page.get_by_label("Move the line")
    slider.focus()
    with page.expect_response("**/threshold/line?**"):
        page.keyboard.press("End")
    shown = page.locator(f".turned a[href$='{strong}'] img").or_(page.locator(".turned img")).first
    expect(shown).to_be_visible()
    until(lambda: shown.evaluate("img => img.naturalWidth") == 256)
    _no_faults(page)
    keep_picture(page, "whole-threshold")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Applied: version")).to_be_visible(timeout=60_000)
    assert line.send(large(stained(40, 30.0)))["result"]
    page.get_by_role("button", name="Back to what the project says").click()
    expect(page.get_by_role("button", name="Back to what the project says")).not_to_be_attached(timeout=60_000)
    assert not line.send(large(stained(40, 30.0)))["result"]


def test_an_alert_holds_the_line_until_it_is_acknowledged(line: Line, page: Page, browser: Browser) -> None:
    page.goto(line.server.url)
    with looking(line, browser, scheme="dark", locale="cs-CZ") as other:
        other.goto(line.server.url)
        for number in range(3):
            line.send(large(plate(number)), json.dumps({"rectangles": 1, "label": "crack"}), camera="alerts")
        expect(page.get_by_role("heading", name="The line is held: cracks")).to_be_visible()
        expect(other.get_by_role("heading", name="Linka je zastavena: cracks")).to_be_visible()
        assert line.send(plate(7))["held"] == "cracks"
        _no_faults(page)
        keep_picture(page, "whole-held")
        keep_picture(other, "whole-held-czech-dark")
        page.get_by_role("button", name="Acknowledge cracks").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="The line is held")).to_have_count(0)
        expect(other.get_by_role("heading", name="Linka je zastavena")).to_have_count(0)
        assert "held" not in line.send(plate(7))


def test_hostile_characters_are_text_on_all_pages(line: Line, page: Page) -> None:
    page.goto(line.server.url)
    data = json.dumps({"rectangles": 2, "label": HOSTILE, "said": HOSTILE})
    line.send(large(plate(8)), data, camera=HOSTILE[:60], part=HOSTILE[:60], view="top")
    expect(page.locator(".rejected li").first).to_contain_text("<i onload=x0()>")
    frame = line.kept(camera=HOSTILE[:60])
    for path in (*PAGES, f"parts/{frame}", "threshold?threshold=" + "%3Ci%3E" * 70, "parts?label=" + "%3Ci%3E" * 70):
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(f"{line.server.url}/{path}")
            assert page.locator("main i").count() == 0
            wide = page.evaluate(WIDE)
            assert not wide, (path, width, wide)
    page.goto(f"{line.server.url}/parts/{frame}")
    _no_faults(page)
    keep_picture(page, "whole-hostile-part")


def test_a_session_is_ended_and_the_log_names_what_was_done(line: Line, browser: Browser) -> None:
    with looking(line, browser, scope="admin") as page, looking(line, browser, refused="401") as other:
        other.goto(line.server.url)
        page.goto(f"{line.server.url}/log")
        with line.client("operate") as client:
            for on in (False, True):
                client.put("/api/v1/process", json={"process": on}).raise_for_status()
        page.reload()
        expect(page.get_by_role("cell", name="Process switched off").first).to_be_visible()
        of_operate = page.get_by_role("button", name="End the session of k-operate")
        while of_operate.count():
            of_operate.first.click()
        expect(other.get_by_role("alert")).to_contain_text("This session has ended.")
        expect(page.get_by_role("cell", name="Session ended").first).to_be_visible()
        said = {one.what for one in Changes(line.server.project / ".framemill").newest(500)}
        words = page.locator("main").inner_text()
        assert not [what for what in said if what in words], "a change without words of its own"
        _no_faults(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("locale", "size"), [("en-GB", (1280, 800)), ("cs-CZ", (400, 800)), ("cs-CZ", (1920, 1080))])
def test_pages_are_right_in_all_sizes_and_kept(
    line: Line, browser: Browser, scheme: Scheme, locale: str, size: tuple[int, int]
) -> None:
    line.send(large(stained(9)), SCRATCH, part="4712", view="top", camera="top")
    line.send(large(stained(9)), SCRATCH, part="4712", view="side", camera="side")
    frame = line.kept(part="4712", camera="side")
    with looking(line, browser, size=size, scheme=scheme, locale=locale) as page:
        for path in (*PAGES, f"parts/{frame}"):
            page.goto(f"{line.server.url}/{path}")
            _no_faults(page)
            page.mouse.move(0, 0)
            name = "part" if path.startswith("parts/") else path or "live"
            keep_picture(page, f"whole-{name}-{size[0]}-{scheme}-{locale[:2]}")
