"""The page Parts in a real browser: look, decide, take back, by keyboard, by two at once, whatever texts are there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import console_errors, keep_picture, serious_faults
from tests.clients.page import Tags
from tests.decisions.line import BAD, HEIGHT, WIDTH, await_picture, line, lose_picture, newest, part_picture, send
from tests.support.pictures import png
from tests.support.running import Server

pytestmark = pytest.mark.long

GOLDEN = '[[flow]]\nmodule = "reference"\nimage = "references/golden.png"\n'
HOSTILE = ("<script>alert(1)</script>\"'&{{ 7*7 }}%s\u202e\u0007]]>\N{PILE OF POO}<!-- javascript:" * 8)[:500]


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("parts") / "plates"
    (folder / "references").mkdir(parents=True)
    (folder / "references" / "golden.png").write_bytes(png(part_picture(0, is_bad=False)))
    with line(folder, toml=GOLDEN) as running:
        yield running


def _bad(server: Server, camera: str, number: int = 1) -> str:
    frame = send(server, BAD, number, camera=camera, part=f"{camera} {number}")
    await_picture(server, frame)
    return frame


def _good(server: Server, camera: str, number: int = 1) -> str:
    frame = send(server, "", number, camera=camera)
    await_picture(server, frame)
    return frame


def _decisions(server: Server, frame: str) -> list[tuple[str, bool]]:
    with server.client() as client:
        found = client.get(f"/api/v1/frames/{frame}/decisions").json()["decisions"]
    return [(one["kind"], one["undone"]) for one in found]


def test_a_part_is_opened_decided_and_the_decision_taken_back(server: Server, page: Page) -> None:
    frame = _bad(server, "open")
    page.goto(f"{server.url}/parts")
    page.get_by_label("Camera").fill("open")
    page.get_by_label("Verdict").select_option("NOK")
    page.get_by_role("button", name="Show", exact=True).click()
    (row,) = page.locator("a.frame").all()
    expect(row).to_contain_text("scratch")
    row.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("NOK")
    picture = page.locator("[data-picture]")
    expect(picture).to_have_js_property("naturalWidth", WIDTH)
    # what was found lies where it was found
    seen, box = picture.bounding_box(), page.locator("svg rect.found[x='185.0']").bounding_box()
    assert seen
    assert box
    assert abs((box["x"] - seen["x"]) / seen["width"] - 185 / WIDTH) < 0.02
    assert abs((box["y"] - seen["y"]) / seen["height"] - 55 / HEIGHT) < 0.02
    page.get_by_label("Note").fill("a hair on the lens")
    page.get_by_role("button", name="False call").click()
    expect(page.locator(".heading .tag")).to_have_text("False call")
    expect(page.locator(".decisions")).to_contain_text("a hair on the lens")
    expect(page.locator(".decisions")).to_contain_text("127.0.0.1")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".heading .tag")).to_have_count(0)
    assert _decisions(server, frame) == [("false_call", True), ("undo", False)]
    page.get_by_role("button", name="Take back Taken back").click()
    expect(page.locator(".heading .tag")).to_have_text("False call")


def test_an_escape_is_drawn_over_the_picture(server: Server, page: Page) -> None:
    frame = _good(server, "escape")
    page.goto(f"{server.url}/parts/{frame}")
    page.get_by_label("What was overlooked").fill("crack")
    box = page.locator("[data-picture]").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75, steps=3)
    page.mouse.up()
    expect(page.get_by_label("Left")).to_have_value(re.compile(r"^(24|25)\."))
    page.get_by_role("button", name="Should have been NOK").click()
    expect(page.locator(".heading .tag")).to_have_text("Escape")
    with server.client() as client:
        (one,) = client.get(f"/api/v1/frames/{frame}/decisions").json()["decisions"]
    assert one["label"] == "crack"
    assert abs(one["place"]["width"] - 0.5) < 0.02
    assert abs(one["place"]["height"] - 0.25) < 0.02
    expect(page.locator("svg rect.said")).not_to_have_count(0)


def test_a_label_is_corrected(server: Server, page: Page) -> None:
    frame = _bad(server, "label")
    page.goto(f"{server.url}/parts/{frame}")
    page.get_by_text("Correct a label").click()
    page.get_by_label("Wrong label").select_option("scratch")
    page.get_by_label("Right label").fill("hair")
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator(".heading .tag")).to_have_text("Label corrected")
    expect(page.locator("dd .tag.said").get_by_text("hair", exact=True)).to_be_visible()
    expect(page.locator("dd .tag.said").get_by_text("scratch", exact=True)).to_have_count(0)


def test_two_browsers_agree(server: Server, browser: Browser) -> None:
    frame = _bad(server, "agree")
    first, second = (browser.new_context(locale="en-GB").new_page() for _ in range(2))
    for each in (first, second):
        each.goto(f"{server.url}/parts/{frame}")
    first.get_by_role("button", name="NOK is right").click()
    expect(first.locator(".heading .tag")).to_have_text("NOK confirmed")
    second.get_by_role("button", name="False call").click()
    expect(second.get_by_role("alert")).to_contain_text("Meanwhile 127.0.0.1 has decided: NOK confirmed")
    expect(second.locator(".heading .tag")).to_have_text("NOK confirmed")
    assert _decisions(server, frame) == [("confirmed", False)]
    second.get_by_role("button", name="False call").click()
    expect(second.locator(".heading .tag")).to_have_text("False call")
    first.reload()
    expect(first.locator(".heading .tag")).to_have_text("False call")


def test_all_that_is_undecided_is_gone_through_by_keyboard_alone(server: Server, page: Page) -> None:
    frames = [_bad(server, "queue", number) for number in range(3)]
    page.goto(f"{server.url}/parts?verdict=NOK&decided=no&camera=queue")
    page.keyboard.press("j")
    expect(page.locator("a.frame").nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(frames[2]))
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(frames[1]))
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(frames[2]))
    for after in (frames[1], frames[0]):
        _press_on(page, "NOK is right")
        expect(page).to_have_url(re.compile(f"{after}.*decided=no"))
    note = page.get_by_label("Note")
    note.focus()
    page.keyboard.type("jk")
    page.keyboard.press("Enter")  # decides nothing
    expect(note).to_have_value("jk")
    _press_on(page, "False call")
    expect(page.get_by_text("All of these have been decided")).to_be_visible()
    assert [_decisions(server, frame)[0][0] for frame in frames] == ["false_call", "confirmed", "confirmed"]


def _press_on(page: Page, name: str) -> None:
    """Go to a button by Tab, and press it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()").startswith(name):
            page.keyboard.press("Enter")
            return
    pytest.fail(f"{name} cannot be come to by keyboard")


def test_the_golden_image_lies_under_a_slider(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/parts/{_bad(server, 'golden')}")
    golden = page.locator("[data-golden]")
    expect(golden).to_have_js_property("naturalWidth", WIDTH)
    slider = page.get_by_label("Golden image over the picture")
    slider.focus()
    page.keyboard.press("End")
    expect(golden).to_have_css("clip-path", "inset(0px 0% 0px 0px)")
    page.keyboard.press("Home")
    expect(golden).to_have_css("clip-path", "inset(0px 100% 0px 0px)")


def test_it_all_works_without_scripts(server: Server, browser: Browser) -> None:
    frame = _bad(server, "plain")
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{server.url}/parts?camera=plain")
    page.locator("a.frame").click()
    page.get_by_role("button", name="NOK is right").click()
    expect(page.locator(".heading .tag")).to_have_text("NOK confirmed")
    page.get_by_text("Golden image", exact=True).click()
    expect(page.locator("details.golden img")).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    assert _decisions(server, frame) == [("confirmed", True), ("undo", False)]
    context.close()


def test_hostile_texts_are_texts(server: Server, page: Page) -> None:
    said = {"result": False, "found": [[1, 1, 9, 9, HOSTILE]]}
    frame = send(server, json.dumps(said, ensure_ascii=False), camera=HOSTILE[:100], part=HOSTILE[:100])
    with server.client() as client:
        machine = client.get(f"/api/v1/frames/{frame}").json()["labels"]
        decided = client.post(
            f"/parts/{frame}/decide",
            data={"kind": "label", "after": "0", "label": machine[0], "new_label": f"{HOSTILE}!", "note": HOSTILE},
        )
        assert decided.status_code == 303, decided.text
        for path in (f"/parts/{frame}", "/parts?label=" + "%3Cscript%3E" * 40, "/parts?data=%3Cscript%3E"):
            answer = client.get(path)
            assert answer.status_code == 200
            tags = Tags(answer.text)
            assert not [tag for tag in tags.named("script") if "src" not in tag]
            assert "alert(1)" not in answer.text.replace("&lt;script&gt;alert(1)", "")
        harmless = client.get("/parts?camera=nobody")
        assert len(Tags(client.get("/parts?label=%3Cscript%3E").text).named("script")) == len(
            Tags(harmless.text).named("script")
        )
    for address in (f"/parts/{frame}", "/parts"):
        page.goto(server.url + address)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0


def test_hundreds_of_rectangles_a_frame_of_one_pixel_and_one_without_a_picture(server: Server, page: Page) -> None:
    many = send(server, json.dumps({"result": False, "pits": 200}), camera="many")
    await_picture(server, many)
    page.goto(f"{server.url}/parts/{many}")
    expect(page.locator("svg rect.found[width='5.0'][height='8.0']")).to_have_count(200)
    page.get_by_text(re.compile(r"Show what was found \(2\d\d\)")).click()
    expect(page.locator("svg rect.found").first).to_be_hidden()
    large = send(server, json.dumps({"result": False, "pits": 400}), camera="many")
    page.goto(f"{server.url}/parts/{large}")
    expect(page.get_by_text("Its context is not kept")).to_be_visible()
    with server.client() as client:
        answer = client.post("/analyze_raw_image?width=1&height=1", content=b"\x80")
        assert answer.status_code in {200, 422}
    tiny = newest(server, answer)
    await_picture(server, tiny)
    page.goto(f"{server.url}/parts/{tiny}")
    expect(page.locator("[data-picture]")).to_have_js_property("naturalWidth", 1)
    lose_picture(server, tiny)
    page.reload()
    expect(page.get_by_text("No picture kept")).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "width", "height"),
    [
        ("light", 400, 800),
        ("dark", 1280, 800),
        ("light", 1280, 800),
        ("dark", 1920, 1080),
    ],
)
def test_it_is_right_for_readers_in_all_sizes(
    server: Server, browser: Browser, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    bad, good = _bad(server, "look"), _good(server, "look")
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")
    page = context.new_page()
    said = console_errors(page)
    for name, address in (("list", "parts?camera=look"), ("nok", f"parts/{bad}"), ("ok", f"parts/{good}")):
        page.goto(f"{server.url}/{address}")
        assert not serious_faults(page), name
        page.locator("main button, main a.button").first.focus()
        page.locator("main button:not(:disabled):visible").last.hover()
        assert not serious_faults(page), name
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0
        keep_picture(page, f"parts-{name}-{scheme}-{width}")
    context.close()
    assert not said


def test_forms_that_are_none_are_refused(server: Server) -> None:
    frame = _bad(server, "forms")
    with server.client() as client:
        forms: list[dict[str, str]] = [
            {},
            {"kind": "confirmed"},
            {"kind": "confirmed", "after": "x"},
            {"kind": "wrong", "after": "0"},
            {"kind": "escape", "after": "0", "label": "a", "x_percent": "1"},
            {"kind": "confirmed", "after": "0", "query": "colour=red"},
        ]
        for form in forms:
            answer = client.post(f"/parts/{frame}/decide", data=form)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter"), form
        other: dict[str, str] = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        answer = client.post(f"/parts/{frame}/decide", data={"kind": "confirmed", "after": "0"}, headers=other)
        assert answer.status_code == 403
        assert _decisions(server, frame) == []
