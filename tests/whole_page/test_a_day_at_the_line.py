"""All pages over one line with everything on, in a real browser: what one of them does the others know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import console_errors, keep_picture, serious_faults
from tests.support.faults import until
from tests.whole_page.whole_line import HEIGHT_PX, WIDTH_PX, Line, whole_line

pytestmark = pytest.mark.long
STRONG = 60.0
PAGES = ("", "parts", "statistics", "threshold", "inputs", "log", "api/docs")


@pytest.fixture(name="line", scope="module")
def the_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with whole_line(tmp_path_factory.mktemp("whole")) as running:
        for number in range(12):
            running.send(number)
        for number in range(6):
            running.send(number, 15 + 4 * number)
        yield running


@pytest.fixture(name="seen")
def a_page_of_anna(line: Line, browser: Browser) -> Iterator[Page]:
    """A page of who may operate, signed in by the form; its console has no error at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", color_scheme="light")
    page = context.new_page()
    said = console_errors(page)
    _sign_in(page, line)
    yield page
    context.close()
    assert said == [], said


def _sign_in(page: Page, line: Line) -> None:
    page.goto(f"{line.server.url}/sign_in")
    page.locator("input[name=key]").fill(line.keys["anna"])
    page.locator("main button.primary").click()
    expect(page.locator(".live")).to_be_visible()


def test_the_switch_is_thrown_and_frames_change(line: Line, seen: Page) -> None:
    seen.get_by_role("button", name="Switch process off").click()
    expect(seen.locator(".process")).to_contain_text("Thrown by anna (127.0.0.1)")
    assert line.send()["processing"] is False
    seen.get_by_role("button", name="Switch process on").click()
    expect(seen.locator(".process [role=status]")).to_have_text("On")
    assert line.send()["processing"] is True


def test_a_rejected_part_goes_from_live_to_its_page_and_is_decided(line: Line, seen: Page) -> None:
    top = line.send(3, STRONG, camera="station 2", part="4711", view="top")
    last = seen.locator(".rejected li").first
    expect(last).to_contain_text("station 2 · 4711")
    expect(seen.locator(".verdict")).to_have_text("NOK")
    expect(last.locator("img")).to_have_js_property("naturalWidth", WIDTH_PX)
    left = line.send(4, camera="station 2", part="4711", view="left")
    assert left["partResult"]["verdict"] == "NOK"
    until(lambda: line.get(f"/api/v1/frames/{line.pictured(top)}").get("partOfViews"))
    last.get_by_role("link").click()
    expect(seen).to_have_url(re.compile(f"/parts/{line.recorded(top)}"))
    expect(seen.locator("[data-picture]")).to_have_js_property("naturalWidth", WIDTH_PX)
    expect(seen.locator("svg rect.found")).to_have_count(len(top["detectedRectangles"]))
    seen.locator("details.heat summary").click()
    heat = seen.locator("details.heat img")
    expect(heat).to_have_js_property("naturalWidth", WIDTH_PX)
    views = seen.locator(".views li")
    expect(views).to_contain_text(["top", "left"])
    seen.get_by_label("Note").fill("oil, no stain")
    seen.get_by_role("button", name="False call").click()
    expect(seen.locator(".heading .tag")).to_have_text("False call")
    expect(seen.locator(".decisions")).to_contain_text("anna")
    seen.get_by_role("button", name="Take back").first.click()
    expect(seen.locator(".heading .tag")).to_have_count(0)
    seen.get_by_role("button", name="False call").click()
    expect(seen.locator(".heading .tag")).to_have_text("False call")
    views.get_by_role("link", name="left").click()
    expect(seen.locator(".heading h1")).to_have_text("OK")
    expect(seen.locator(".views strong")).to_have_text("left")


def test_400_rectangles_with_a_long_context_are_drawn_as_far_as_they_are_known(line: Line, seen: Page) -> None:
    frame = line.pictured(line.send(5, data="pits", camera="many"))
    known = line.get(f"/api/v1/frames/{frame}")
    assert known["contextLeftOutBytes"] > 65_536
    assert known["labels"] == ["pit"]
    seen.goto(f"{line.server.url}/parts/{frame}")
    expect(seen.locator("[data-picture]")).to_have_js_property("naturalWidth", WIDTH_PX)
    expect(seen.locator("svg rect.found")).to_have_count(64)
    assert not serious_faults(seen)
    keep_picture(seen, "whole-400-1280-light")


def test_statistics_lay_the_places_over_a_kept_picture(line: Line, seen: Page) -> None:
    _at_rest(line)
    seen.goto(f"{line.server.url}/statistics?since=1h")
    image = seen.locator("svg.heat image").first
    expect(image).to_be_attached()
    with line.client("anna") as client:
        answer = client.get(str(image.get_attribute("href")).removeprefix("./"))
    assert answer.headers["Content-Type"] == "image/png"
    box = seen.locator("svg.heat").first.bounding_box()
    assert box
    assert abs(box["height"] / box["width"] - HEIGHT_PX / WIDTH_PX) < 0.02
    expect(seen.locator("main")).to_contain_text("anomaly")
    expect(seen.locator("main")).to_contain_text("bore")


def _at_rest(line: Line) -> None:
    """Wait until all that was sent is recorded."""
    line.pictured(line.send(1, STRONG))


def test_a_moved_threshold_shows_what_would_turn_and_is_applied(line: Line, seen: Page) -> None:
    _at_rest(line)
    seen.goto(f"{line.server.url}/threshold")
    strong = line.send(2, STRONG)
    assert not strong["result"]
    seen.get_by_label("New value").wait_for()
    with seen.expect_response("**/threshold/line?**"):
        seen.get_by_label("Move the line").fill(str(seen.get_by_label("Move the line").get_attribute("max")))
    turned = seen.locator(".turned img").first
    turned.scroll_into_view_if_needed()
    expect(turned).to_have_js_property("naturalWidth", WIDTH_PX)
    _look(seen, "whole-threshold-moved")
    seen.get_by_label("New value").fill(str(round(strong["score"] + 1, 4)))
    seen.get_by_role("button", name="Apply").click()
    expect(seen.get_by_text("Applied: version")).to_be_visible()
    assert line.send(2, STRONG)["result"]
    seen.get_by_role("button", name="Back to what the project says").click()
    expect(seen.get_by_role("button", name="Back to what the project says")).not_to_be_attached()
    assert not line.send(2, STRONG)["result"]


def test_an_input_is_in_the_next_frame_and_its_revision_in_the_record(line: Line, seen: Page) -> None:
    seen.goto(f"{line.server.url}/inputs")
    seen.get_by_label("Lot").fill("A-17")
    seen.get_by_role("button", name="Set").click()
    expect(seen.get_by_text("holds from the next frame on")).to_be_visible()
    sent = line.send(1)
    assert sent["seen"]["lot"] == "A-17"
    known = line.get(f"/api/v1/frames/{line.recorded(sent)}")
    assert known["inputRevision"] == line.get("/api/v1/inputs")["revision"]


def test_an_alert_holds_the_line_until_it_is_acknowledged(line: Line, seen: Page) -> None:
    seen.goto(line.server.url)
    for number in range(3):
        line.send(number, data="scratch", camera="station 2")
    alert = seen.locator(".alert.held")
    expect(alert).to_contain_text("scratches")
    held = line.send(1, camera="station 2")
    assert (held["result"], held["held"]) == (False, "scratches")
    frame = line.recorded(held)
    _look(seen, "whole-live-held")
    other = seen.context.new_page()
    other.goto(f"{line.server.url}/parts/{frame}")
    expect(other.locator(".seen")).to_contain_text("scratches")
    _look(other, "whole-frame-held")
    other.close()
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_have_count(0)
    assert line.send(1)["result"]


def test_the_log_names_all_of_it_and_a_session_is_ended(line: Line, seen: Page, browser: Browser) -> None:
    context = browser.new_context(locale="en-GB")
    other = context.new_page()
    _sign_in(other, line)
    seen.goto(f"{line.server.url}/log")
    changes = seen.locator("section[aria-labelledby=changes]")
    for words in ("Process switched off", "Threshold changed", "Inputs set", "Alert acknowledged", "Signed in"):
        expect(changes).to_contain_text(words)
    assert not re.search(r"\b[a-z]+_[a-z]+\b", changes.inner_text())  # each has words of its own
    ends = seen.get_by_role("button", name="End the session of anna")
    for _ in range(ends.count()):
        ends.first.click()
        expect(seen.get_by_role("heading", name="Log")).to_be_visible()
    expect(ends).to_have_count(0)
    other.goto(f"{line.server.url}/parts")
    expect(other.locator("input[name=key]")).to_be_visible()
    context.close()


@pytest.mark.parametrize("language", ["en-GB", "cs-CZ"])
def test_every_page_is_for_everybody(line: Line, browser: Browser, language: str) -> None:
    frame = line.pictured(line.send(3, STRONG, camera="station 2", part=f"look {language}", view="top"))
    line.send(4, 0, camera="station 2", part=f"look {language}", view="left")
    _at_rest(line)
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale=language)
    page = context.new_page()
    said = console_errors(page)
    page.goto(f"{line.server.url}/sign_in")
    _look(page, f"whole-sign_in-{language}")
    _sign_in(page, line)
    for path in (*PAGES, f"parts/{frame}"):
        page.goto(f"{line.server.url}/{path}")
        _look(page, f"whole-{'frame' if frame in path else path.replace('/', '-') or 'live'}-{language}")
    context.close()
    assert said == [], said


def _look(page: Page, name: str) -> None:
    """Keep a picture at the line's screen in light and a phone's in dark; axe looks at both, and nothing is cut off."""
    sizes: list[tuple[int, Any]] = [(1280, "light"), (400, "dark")]
    for width_px, scheme in sizes:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width_px, "height": 800})
        assert not serious_faults(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px, name
        assert keep_picture(page, f"{name}-{width_px}-{scheme}").stat().st_size > 0
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
