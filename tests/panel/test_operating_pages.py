"""The pages Inputs and Threshold in a real browser: what is set is in the next frame, what is applied is what runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.changes.log import Changes
from tests.clients.browser import keep_picture, serious_faults
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.projects import GAP, LOT
from tests.support.running import Server, command, serving
from tests.support.taught import FLOW, good_folder, plate, untaught_project

INPUTS = f"""
[[flow]]
module = "code"
file = "code/tell.py"

[[flow]]
module = "brightness"
name = "light"
mean_min_level = 10
{GAP}{LOT}
[[input]]
name = "shift"
kind = "select"
label = "Shift"
choices = ["early", "late", "night"]

[[input]]
name = "strict"
kind = "switch"
label = "Also small scratches"
"""
pytestmark = pytest.mark.long
TELL = 'def main(context):\n    context["found"] = dict(context["operatorInput"])\n'
HOSTILE = "<i onload=x()>'\"&{{7*7}}"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("operating")
    project = untaught_project(folder / "p", FLOW)
    good = good_folder(folder / "good", 8)
    done = command("train", project, good, "--method", "neighbours", "--report", folder / "learned.html")
    assert done.returncode == 0, done.stderr
    (project / "code").mkdir(exist_ok=True)
    (project / "code" / "tell.py").write_text(TELL)
    with (project / "framemill.toml").open("a") as file:
        file.write(INPUTS)
    with serving(project, "--fronts", "2", "--record", "async") as server:
        with server.client() as client:
            for number in range(60):
                send(client, number, strength=max(0.0, number - 30) * 1.6)
        until(lambda: _recorded(server) == 60)
        yield server


def send(client: httpx.Client, number: int, strength: float = 0.0) -> dict[str, Any]:
    y, x = np.mgrid[:96, :128]
    stain = strength * np.exp(-(((x - 70) / 7) ** 2) - ((y - 40) / 7) ** 2)
    image = np.clip(plate(number) - stain, 0, 255).astype(np.uint8)
    found: dict[str, Any] = client.post("/analyze_image", content=png(image)).raise_for_status().json()
    return found


def _database(server: Server) -> Path:
    return next((server.project / ".framemill" / "history").glob("*.sqlite"))


def _recorded(server: Server) -> int:
    with closing(sqlite3.connect(_database(server))) as database:
        return int(database.execute("select count(*) from records").fetchone()[0])


def _look(page: Page, name: str) -> None:
    """Keep pictures of a page as it is seen at the line, in light and dark, and have axe look at each."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 800})
            assert not serious_faults(page)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
            keep_picture(page, f"{name}-{width}-{scheme}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_what_is_set_is_in_the_next_frame_by_keyboard_alone(line: Server, page: Page) -> None:
    page.goto(f"{line.url}/inputs")
    page.get_by_label("Largest gap").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("1.25")
    page.keyboard.press("Tab")
    page.keyboard.type(HOSTILE)
    page.keyboard.press("Tab")
    page.keyboard.type("night")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Set")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("holds from the next frame on")).to_be_visible()
    expect(page.get_by_label("Lot")).to_have_value(HOSTILE)
    with line.client() as client:
        assert send(client, 1)["found"] == {"gap": 1.25, "lot": HOSTILE, "shift": "night", "strict": True}
    _look(page, "inputs-set")
    last = Changes(line.project / ".framemill").newest(1)[0]
    assert (last.what, last.detail["gap"]) == ("inputs_changed", "0.8 -> 1.25")
    page.get_by_label("Also small scratches").uncheck()
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_label("Also small scratches")).not_to_be_checked()
    page.get_by_role("button", name="All back to defaults").click()
    expect(page.get_by_label("Lot")).to_have_value("")
    with line.client() as client:
        assert send(client, 1)["found"] == {"gap": 0.8, "lot": "", "shift": "early", "strict": False}


def test_what_is_wrong_is_named_beside_it_and_nothing_is_set(line: Server, browser: Browser) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{line.url}/inputs")
    page.get_by_label("Largest gap").fill("9")
    page.get_by_label("Lot").fill("typed")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name="Set").click()
    assert answered.value.status == 422
    expect(page.get_by_text("is 9, expected 0.1 to 2")).to_be_visible()
    expect(page.get_by_label("Largest gap")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Lot")).to_have_value("typed")
    _look(page, "inputs-mistake")
    with line.client() as client:
        assert send(client, 1)["found"]["lot"] == ""
    context.close()


def test_two_browsers_agree_and_neither_takes_the_other_s_change_back(line: Server, browser: Browser) -> None:
    contexts = [browser.new_context(locale="en-GB") for _ in range(2)]
    one, other = (context.new_page() for context in contexts)
    one.goto(f"{line.url}/inputs")
    other.goto(f"{line.url}/inputs")
    one.get_by_label("Lot").fill("of one")
    one.get_by_role("button", name="Set").click()
    expect(other.get_by_text("Somebody else has set inputs")).to_be_visible()
    expect(other.get_by_text("of one")).to_be_visible()
    keep_picture(other, "inputs-others-1280-light")
    other.get_by_label("Lot").fill("of the other")
    other.get_by_role("button", name="Set").click()
    expect(other.get_by_text("Lot is 'of one'").or_(other.get_by_text("lot is 'of one'"))).to_be_visible()
    with line.client() as client:
        assert send(client, 1)["found"]["lot"] == "of one"
    other.get_by_label("Lot").fill("of both")
    other.get_by_role("button", name="Set").click()
    expect(one.get_by_text("of both")).to_be_visible()
    one.get_by_role("link", name="Show what holds").click()
    expect(one.get_by_label("Lot")).to_have_value("of both")
    for context in contexts:
        context.close()


def _decide(line: Server, kind: str, truth: str, place: int) -> None:
    """Say something of the frame of this place by score, as the page of a part does."""
    with closing(sqlite3.connect(_database(line))) as database, database:
        row = database.execute("select number, came_ns from records order by score desc limit 1 offset ?", (place,))
        number, came_ns = row.fetchone()
        columns = "insert into decisions (record, at_ns, who, kind) values (?, 1, 'q', ?)"
        decision = database.execute(columns, (number, kind)).lastrowid
        row_of = (number, decision, kind, truth, came_ns)
        database.execute("insert into decided (record, decision, kind, truth, came_ns) values (?, ?, ?, ?, ?)", row_of)


def test_the_line_is_moved_applied_and_taken_back(line: Server, page: Page) -> None:
    _decide(line, "false_call", "OK", 25)
    _decide(line, "confirmed", "NOK", 0)
    with line.client() as client:
        strong = send(client, 50, strength=30)
        first = client.get("/api/v1/overrides").json()["flowVersion"]
    assert not strong["result"]
    until(lambda: _recorded(line) >= 61)
    page.goto(f"{line.url}/threshold")
    expect(page.get_by_role("heading", name="surface: threshold")).to_be_visible()
    slider = page.get_by_label("Move the line")
    before = float(page.get_by_label("New value").input_value())
    slider.focus()
    for _ in range(3):
        with page.expect_response("**/threshold/line?**"):
            page.keyboard.press("PageUp")
    expect(page.get_by_role("heading", name="NOK would be OK")).not_to_have_text("0 NOK would be OK")
    moved = float(page.get_by_label("New value").input_value())
    assert moved > before
    expect(page.locator(".turned li").first).to_be_visible()
    _look(page, "threshold")
    page.get_by_label("New value").fill(str(round(strong["score"] + 1, 4)))
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Applied: version")).to_be_visible()
    with line.client() as client:
        assert send(client, 50, strength=30)["result"]
        assert client.get("/api/v1/overrides").json()["flowVersion"] != first
    last = Changes(line.project / ".framemill").last("threshold_changed")
    assert last is not None
    assert last.detail["module"] == "surface"
    page.get_by_role("button", name="Back to what the project says").click()
    expect(page.get_by_role("button", name="Back to what the project says")).not_to_be_attached()
    with line.client() as client:
        assert not send(client, 50, strength=30)["result"]
        assert client.get("/api/v1/overrides").json()["flowVersion"] == first


def test_it_works_without_scripts(line: Server, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, locale="cs")
    page = context.new_page()
    page.goto(f"{line.url}/threshold?line=0")
    expect(page.get_by_role("heading", name="0 NOK by bylo OK")).to_be_visible()
    page.locator("select[name=threshold]").select_option(label="light: mean_min_level = 10,0")
    page.get_by_role("button", name="Ukázat").first.click()
    expect(page.get_by_text("nelze tedy říci")).to_be_visible()
    page.goto(f"{line.url}/inputs")
    page.get_by_label("Lot").fill("bez skriptů")
    page.get_by_role("button", name="Nastavit").click()
    expect(page.get_by_label("Lot")).to_have_value("bez skriptů")
    keep_picture(page, "inputs-czech")
    context.close()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"threshold": "9.nothing", "value": "1"}, 400),
        ({"threshold": "1.threshold", "value": "nan"}, 400),
        ({"threshold": "1.threshold", "value": "-1", "version": "now"}, 400),
        ({"threshold": "1.threshold", "value": "1", "version": "0123456789abcdef"}, 409),
    ],
)
def test_a_form_that_is_none_changes_nothing(line: Server, fields: dict[str, str], status: int) -> None:
    with line.client() as client:
        before = client.get("/api/v1/overrides").json()
        if fields.get("version") == "now":
            fields = fields | {"version": before["flowVersion"]}
        assert client.post("/threshold", data=fields).status_code == status
        assert client.get("/api/v1/overrides").json() == before
        for query in ("hours=x&line=1e999", "threshold=%00&hours=99999", "line=" + "9" * 5000):
            assert client.get(f"/threshold?{query}").status_code == 200
