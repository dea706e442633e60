"""The page Live in a real browser: what happens is seen at once, by all who look, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import console_errors, keep_picture, serious_faults
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.long

JUDGE = """
import json

def main(context):
    asked = json.loads(context["data"] or "{}")
    rectangles = asked.get("rectangles", 0)
    height, width = context["image"].shape[:2]
    context["detectedRectangles"] = [
        {"id": n, "x": n % width, "y": n % height, "width": 5, "height": 5, "confidence": 0.9,
         "classNames": [{"id": 1, "label": asked.get("label", "scratch")}]}
        for n in range(rectangles)
    ]
    context["result"] = asked.get("ok", True)
    if "fails" in asked:
        raise ValueError(asked["fails"])
"""
HOSTILE = "".join(f"<i onload=x{n}()>'\"&{{{{7*7}}}}\u202e\u0000\\" for n in range(25))[:500]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(
        tmp_path_factory.mktemp("line"), '[[flow]]\nmodule = "code"\nfile = "code/judge.py"\n', judge=JUDGE
    )
    with serving(project, "--fronts", "2", "--takt-ms", "500") as server:
        yield server


def _send(server: Server, image: NDArray[np.uint8], data: str = "{}", **query: str) -> None:
    with server.client() as client:
        client.post("/analyze_image", params={"data": data, **query}, content=png(image)).raise_for_status()


def test_no_frame_yet_a_frame_of_one_pixel_and_400_rectangles(line: Server, page: Page) -> None:
    page.goto(line.url)
    expect(page.get_by_text("No frame yet.")).to_be_visible()
    assert not serious_faults(page)
    keep_picture(page, "live-none-1280-light")
    _send(line, np.zeros((1, 1, 3), np.uint8))
    expect(page.get_by_text("1 x 1 px")).to_be_visible()
    expect(page.locator("img.frame")).to_have_js_property("complete", value=True)
    keep_picture(page, "live-pixel-1280-light")
    _send(line, np.full((480, 640, 3), 90, np.uint8), '{"rectangles": 400, "ok": false}')
    expect(page.get_by_text("and 388 more")).to_be_visible()
    assert page.locator("img.frame").evaluate("img => img.decode().then(() => img.naturalWidth)") == 640
    assert not serious_faults(page)


def test_a_nok_is_seen_within_a_second_in_all_browsers_and_both_agree(
    line: Server, browser: Browser, page: Page, scene: NDArray[np.uint8]
) -> None:
    _send(line, scene, camera="before")
    other = browser.new_context(locale="cs-CZ", color_scheme="dark", viewport={"width": 1280, "height": 800})
    try:
        second = other.new_page()
        said = console_errors(second)
        for one in (page, second):
            one.goto(line.url)
            expect(one.locator(".verdict")).to_have_text("OK")
        for turn in range(3):
            _send(line, scene, '{"ok": false, "rectangles": 1}', camera="top", part=f"P-{turn}")
            for one in (page, second):
                # the page is told some four times a second; a second is the promise, the rest is this machine's
                expect(one.locator(".rejected li").first).to_contain_text(f"top · P-{turn}")
                expect(one.locator(".verdict")).to_have_text("NOK")
        for one in (page, second):
            expect(one.locator(".rejected li").first).to_contain_text("scratch")
        assert (
            page.locator(".numbers dd.number").all_text_contents()[:2]
            == second.locator(".numbers dd.number").all_text_contents()[:2]
        )
        expect(page.locator(".cameras")).to_contain_text("top")
        assert not said
    finally:
        other.close()


def test_the_switch_is_thrown_by_keyboard_alone_and_frames_change(
    line: Server, page: Page, scene: NDArray[np.uint8]
) -> None:
    page.goto(line.url)
    with line.client() as client:
        button = page.get_by_role("button", name="Switch process off")
        for _ in range(12):
            page.keyboard.press("Tab")
            if button.evaluate("e => e === document.activeElement"):
                break
        expect(button).to_be_focused()
        assert not serious_faults(page)
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_have_text("Off")
        assert client.post("/analyze_image", content=png(scene)).json()["processing"] is False
        expect(page.locator(".process")).to_contain_text("Thrown from 127.0.0.1")
        assert not serious_faults(page)
        # somebody else throws it: this page sees it, and its focus stays where it is
        page.get_by_role("button", name="Switch process on").focus()
        client.put("/api/v1/process", json={"process": True}).raise_for_status()
        expect(page.get_by_role("status").first).to_have_text("On")
        expect(page.get_by_role("button", name="Switch process off")).to_be_focused()
        assert client.post("/analyze_image", content=png(scene)).json()["processing"] is True


def test_hostile_text_is_text_on_a_page_that_lives(line: Server, page: Page, scene: NDArray[np.uint8]) -> None:
    page.goto(line.url)
    query = {"camera": HOSTILE[:60].replace("\0", ""), "part": HOSTILE[:60].replace("\0", "")}
    _send(line, scene, json.dumps({"ok": False, "rectangles": 2, "label": HOSTILE, "fails": HOSTILE}), **query)
    expect(page.locator(".rejected li").first).to_contain_text("<i onload=x0()>")
    expect(page.locator("td").get_by_text("<i onload=x0()>").first).to_be_visible()
    assert page.locator("main i").count() == 0
    assert "49" not in page.locator(".rejected li").first.inner_text()
    for width_px in (320, 1280):
        page.set_viewport_size({"width": width_px, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    assert not serious_faults(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (400, 800), (1920, 1080)])
def test_pictures_of_it_are_kept_to_be_looked_at(
    line: Server, browser: Browser, scene: NDArray[np.uint8], scheme: str, size: tuple[int, int]
) -> None:
    for number, verdict in enumerate(("true", "false")):
        _send(
            line,
            np.kron(scene, np.ones((10, 10, 1), np.uint8)),
            f'{{"ok": {verdict}, "rectangles": 3}}',
            part=f"{number}",
        )
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="cs-CZ" if scheme == "dark" else "en-GB",
    )
    try:
        shown = context.new_page()
        shown.goto(line.url)
        expect(shown.locator(".verdict")).to_have_text("NOK")
        shown.locator("img.frame").evaluate("img => img.decode()")
        assert shown.evaluate("document.documentElement.scrollWidth") <= size[0]
        for button in shown.get_by_role("button").all():
            button.hover()
            assert not serious_faults(shown)
        assert keep_picture(shown, f"live-{size[0]}-{scheme}").stat().st_size > 10_000
        too_small = shown.evaluate(
            "() => [...document.querySelectorAll('button, a[href]')].filter(e => !e.matches('.skip') && "
            "e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert too_small == []  # for fingers
    finally:
        context.close()


def test_without_scripts_it_comes_again_by_itself(line: Server, browser: Browser, scene: NDArray[np.uint8]) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en")
    try:
        shown = context.new_page()
        shown.goto(line.url)
        _send(line, scene, '{"ok": false}', part="by-itself")
        expect(shown.locator(".rejected li").first).to_contain_text("by-itself", timeout=30_000)
        shown.get_by_role("button", name="Switch process off").click()
        expect(shown.get_by_role("button", name="Switch process on")).to_be_visible()
        shown.get_by_role("button", name="Switch process on").click()
        expect(shown.get_by_role("button", name="Switch process off")).to_be_visible()
    finally:
        context.close()
