"""The page Statistics: numbers as the API has them, readable for everybody, a report in print, safe with any text."""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.history.places.place import sqlite_in
from service.history.schema.times import QUARTER_NS
from service.history.writing.store import Store
from service.results.record import Record
from service.statistics.shifts import SECOND_NS
from tests.clients.browser import console_errors, keep_picture, serious_faults
from tests.clients.page import Tags
from tests.history.kept import rows
from tests.results.served import project_in
from tests.statistics.factory import frames
from tests.support.faults import until
from tests.support.running import Server, serving

pytestmark = pytest.mark.long

HOSTILE = "<script>alert(1)</script>\"'&\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 150
LABELS = ["scratch", HOSTILE, *(f"defect of kind {number}" for number in range(38))]
SPAN_NS = 20 * 3600 * SECOND_NS
SIZES = [(1280, 800), (400, 800), (1920, 1080)]


@pytest.fixture(name="project", scope="module")
def a_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project_in(tmp_path_factory.mktemp("statistics") / "p")


@pytest.fixture(name="database", scope="module")
def its_database(project: Path) -> Path:
    return sqlite_in(project / ".framemill")


@pytest.fixture(name="server", scope="module")
def a_server_with_a_day(project: Path, database: Path) -> Iterator[Server]:
    """A server with twenty hours of two cameras, forty labels and thirty measured values."""
    begin_ns = time.time_ns() - SPAN_NS
    store = Store.begin(database, "another boot 1 1", begin_ns)
    written = frames(1500, begin_ns, SPAN_NS, labels=LABELS, measures=30)
    store.write(written[:700], None)
    store.write(written[720:], None)
    lone = frames(1, begin_ns - 40 * QUARTER_NS, QUARTER_NS)[0]
    store.write([Record(lone.head, lone.about, {}, lone.context, 1, 1)], None)
    store.end(time.time_ns())
    store.close()
    with serving(project, "--workers", "1", "--record", "async", "--time-zone", "Europe/Prague") as running:
        until(lambda: running.status()["history"]["state"] == "recording")
        yield running


@pytest.fixture(name="client", scope="module")
def a_client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


def _api(client: httpx.Client, query: str = "since=22h") -> dict[str, Any]:
    answer = client.get(f"/api/v1/statistics?{query}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_its_numbers_are_those_of_the_api_and_of_the_database(client: httpx.Client, server: Server) -> None:
    told, shown = _api(client), client.get("/statistics?since=22h").text
    (ok,) = rows(sqlite_in(server.project / ".framemill"), "SELECT count(*) FROM records WHERE verdict = 'OK'")[0]
    assert told["counts"]["ok"] == ok - 1  # the lone one came before
    for number in (told["counts"]["ok"], told["counts"]["nok"], told["counts"]["frames"]):
        assert f">{number:,}<" in shown
    assert f"{100 * told['counts']['yield']:.2f}\u00a0%" in shown
    assert "20 frames are in no number of this page." in shown
    assert "None of them counts as OK." in shown
    assert f"At least {100 * told['counts']['yieldAtLeast']:.2f}\u00a0%" in shown


def test_links_bring_tables_for_spreadsheets(client: httpx.Client) -> None:
    links = [str(tag["href"]) for tag in Tags(client.get("/statistics?since=22h").text).named("a")]
    tables = [link.removeprefix("./") for link in links if "form=csv" in link]
    assert len(tables) == 8
    for link in tables:
        answer = client.get("/" + link)
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert [*csv.reader(io.StringIO(answer.text, newline=""))][1:], link
    accepted = client.get("/api/v1/statistics?since=22h", headers={"Accept": "text/csv"})
    assert accepted.text.startswith("time,until,frames,ok")


def test_a_shift_that_is_listed_can_be_asked_for(client: httpx.Client) -> None:
    shifts = client.get("/api/v1/shifts?days=2").json()
    assert [one["name"] for one in shifts["shifts"]] == ["early", "late", "night"] * 2
    assert shifts["timeZone"] == "Europe/Prague"
    for one in _api(client)["shifts"][1:-1]:
        assert _api(client, f"day={one['day']}&shift={one['name']}")["counts"]["frames"] == one["frames"]
    refused = client.get("/api/v1/statistics?day=2026-11-27&shift=noon&colour=red")
    assert refused.status_code == 400
    assert "colour is unknown" in refused.json()["detail"]


def test_text_of_a_flow_stays_text(client: httpx.Client) -> None:
    for query in (
        "since=22h",
        httpx.QueryParams({"since": "22h", "label": HOSTILE, "camera": HOSTILE, "server": HOSTILE}),
    ):
        answer = client.get(f"/statistics?{query}")
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert all(tag["src"] for tag in Tags(answer.text).named("script"))
    known = [one for one in _api(client)["labels"] if one["label"] == HOSTILE]
    assert len(known) == 1
    links = [str(tag["href"]) for tag in Tags(client.get("/statistics?since=22h").text).named("a")]
    link = next(link for link in links if "label=%3Cscript" in link)
    assert _api(client, link.partition("?")[2])["labels"]
    mistaken = client.get("/statistics?day=%3Cb%3E&x=%00")
    assert mistaken.status_code == 200
    assert 'role="alert"' in mistaken.text
    assert "<b>" not in mistaken.text


def test_one_frame_and_none_are_shown_too(client: httpx.Client) -> None:
    (lone_ns,) = (time.time_ns() - SPAN_NS - 40 * QUARTER_NS,)
    begin, end = (datetime.fromtimestamp((lone_ns + way * 4 * QUARTER_NS) // SECOND_NS, UTC) for way in (-1, 1))
    one = client.get(f"/statistics?since={begin:%Y-%m-%dT%H:%MZ}&until={end:%Y-%m-%dT%H:%MZ}").text
    assert "100.00\u00a0%" in one
    assert "few: Cpk says little" in one
    none = client.get("/statistics?since=2026-01-01&until=2026-01-02").text
    assert "Of this time there is no frame." in none


def test_decisions_about_frames_that_are_in_no_sums_are_shown(client: httpx.Client, database: Path) -> None:
    at_ns = int(datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp()) * SECOND_NS
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(records)")]
        given = {"number": "1000000", "came_ns": str(at_ns), "verdict": "'NOK'"}
        taken = ", ".join(given.get(column, column) for column in columns)
        connection.execute(f"INSERT INTO records SELECT {taken} FROM records LIMIT 1")
        decision = (1_000_000, at_ns, "anna", "false_call")
        connection.execute("INSERT INTO decisions (record, at_ns, who, kind) VALUES (?, ?, ?, ?)", decision)
        connection.execute(
            "INSERT INTO decided (record, decision, kind, truth, came_ns) "
            "SELECT record, number, kind, 'OK', at_ns FROM decisions WHERE record = 1000000"
        )
    asked = "since=2025-06-01&until=2025-06-02"
    assert _api(client, asked)["decided"]["falseCalls"] == 1
    assert client.get(f"/statistics?{asked}").status_code == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it_at_each_size(browser: Browser, server: Server, scheme: Any) -> None:
    for width, height in SIZES:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")
        page = context.new_page()
        said = console_errors(page)
        page.goto(f"{server.url}/statistics?since=22h")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if (width, scheme) in {(1280, "light"), (400, "dark")}:
            assert not serious_faults(page)
        keep_picture(page, f"statistics-{scheme}-{width}x{height}")
        assert not said
        context.close()


def test_a_shift_is_chosen_by_keyboard_alone(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/statistics")
    day = page.get_by_label("Day", exact=True)
    day.focus()
    expect(day).to_be_focused()
    shift = page.get_by_role("combobox", name="Shift")
    shift.focus()
    page.keyboard.type("night")
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    assert not serious_faults(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="night")).to_be_visible()
    assert "shift=night" in page.url


def test_printed_it_is_a_report_on_a4(page: Page, server: Server) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 without its margins
    page.goto(f"{server.url}/statistics?since=22h")
    expect(page.get_by_text("Shift report:")).to_be_visible()
    for hidden in (".top", ".choice", ".periods"):
        expect(page.locator(hidden)).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    keep_picture(page, "statistics-printed")
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
