"""`framemill history statistics`: figures as the API has them, a table to read, errors as its siblings have them."""

from __future__ import annotations

import csv
import io
import json
import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.cli.command_line import main
from service.cli.history.statistics_words import lines_of
from service.history.places.place import sqlite_in
from service.history.writing.store import Store
from service.statistics.csv_form import TABLES
from service.statistics.shifts import SECOND_NS
from tests.results.served import project_in
from tests.statistics.factory import frames
from tests.support.faults import until
from tests.support.running import CHECKOUT, Server, command, serving

PAGE = CHECKOUT / "docs" / "statistics.md"
SPAN_NS = 20 * 3600 * SECOND_NS
HOSTILE = "=cmd\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 100
# two days on: near midnight the next day of UTC has begun in Prague
_LATER = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
SHIFTS = '[server]\nshifts = ["05:00 first", "17:00 second"]\ntime_zone = "Europe/Prague"\n'


@pytest.fixture(name="server", scope="module")
def a_server_with_a_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = project_in(tmp_path_factory.mktemp("statistics") / "p", SHIFTS)
    begin_ns = time.time_ns() - SPAN_NS
    store = Store.begin(sqlite_in(project / ".framemill"), "another boot 1 1", begin_ns, "line 2")
    written = frames(400, begin_ns, SPAN_NS, labels=["scratch", HOSTILE], measures=2)
    store.write(written[:200], None)
    store.write(written[207:], None)
    store.end(time.time_ns())
    store.close()
    with serving(project, "--workers", "1", "--record", "async") as running:
        until(lambda: running.status()["history"]["state"] == "recording")
        yield running


def _run(*arguments: object) -> Result:
    """Run it in this process: a Python of its own for each takes a second."""
    return CliRunner().invoke(main, ["history", "statistics", *map(str, arguments)])


def _printed(server: Server, *arguments: object) -> str:
    done = _run(server.project, *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def _api(of: Server, **query: str) -> Any:
    with of.client() as client:
        return client.get("/api/v1/statistics", params=query).raise_for_status()


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"period": "last_shift"},
        {"since": "30h", "camera": "top"},
        {"since": "30h", "server": "line 2", "label": "scratch"},
        {"period": "7d"},
    ],
    ids=str,
)
def test_figures_are_those_of_the_api(server: Server, query: dict[str, str]) -> None:
    options = [word for name, value in query.items() for word in (f"--{name}", value)]
    told, expected = json.loads(_printed(server, *options, "--json")), _api(server, **query).json()
    assert told.pop("now") <= expected.pop("now")
    assert told == expected
    assert told["timeZone"] == "Europe/Prague"


def test_a_shift_of_a_day_can_be_asked_for_and_another_calendar(server: Server) -> None:
    shift = json.loads(_printed(server, "--period", "last_shift", "--json"))["shift"]
    day = ("--day", shift["day"], "--shift", shift["name"])
    assert json.loads(_printed(server, *day, "--json"))["shift"] == shift
    other = json.loads(_printed(server, "--shifts", "00:00 all", "--time-zone", "UTC", "--json"))
    assert (other["timeZone"], other["shift"]["name"], other["shift"]["begin"][11:16]) == ("UTC", "all", "00:00")


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_those_of_the_api(server: Server, table: str) -> None:
    printed = _printed(server, "--since", "30h", "--csv", "--table", table)
    assert printed.splitlines() == _api(server, since="30h", form="csv", table=table).text.splitlines()
    assert list(csv.reader(io.StringIO(printed)))
    assert table != "labels" or "'=cmd" in printed


def test_a_person_can_read_it(server: Server) -> None:
    printed = _printed(server, "--since", "30h", "--until", _LATER, "--server", "line 2")
    assert printed.isascii() or "\N{HORIZONTAL ELLIPSIS}" in printed
    lines = printed.splitlines()
    counts = _api(server, since="30h").json()["counts"]
    assert lines[0].endswith("Europe/Prague  not over yet")
    assert lines[1] == (
        f"393 frames:  {counts['ok']} OK  {counts['nok']} NOK  {counts['error']} ERROR  0 off  0 held  0 refused"
    )
    assert lines[2].startswith(f"yield {100 * counts['yield']:.2f} %  at least ")
    assert lines[3] == "UNKNOWN  7 frames are in no number here, and none counts as OK (intervals: 1)"
    assert any(line.startswith("scratch ") for line in lines)
    assert "\x1b" not in printed
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in printed
    assert max(map(len, lines)) < 140
    assert lines[-1].startswith("took  p50 ")


def test_a_long_table_says_how_much_more_there_is() -> None:
    none = {"frames": 0, "ok": 0, "nok": 0, "error": 0, "off": 0, "held": 0, "refused": 0, "yield": None}
    known: dict[str, Any] = {
        "since": "2026-11-28T05:00:00.000000000Z",
        "until": "2026-11-28T06:00:00.000000000Z",
        "now": "2026-11-28T07:00:00.000000000Z",
        "timeZone": "<-03>3",  # of a machine whose zone has no name
        "shift": None,
        "counts": {**none, "yieldAtLeast": None, "yieldDecided": None},
        "unknown": {"intervals": 0},
        "decided": None,
        "cameras": [{"camera": f"camera {number}", **none} for number in range(30)],
        "servers": [],
        "shifts": [],
        "labels": [],
        "measures": [],
        "latency": {"bins": []},
    }
    lines = [*lines_of(known)]
    assert lines[:3] == [
        "2026-11-28T05:00Z to 2026-11-28T06:00Z  <-03>3",
        "0 frames:  0 OK  0 NOK  0 ERROR  0 off  0 held  0 refused",
        "yield -",
    ]
    assert lines[-1] == "and 10 more: see --csv"
    assert len(lines) == 3 + 1 + 21 + 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--period", "year"), 2, "'year' is not one of"),
        (("--since", "yesterday"), 2, "a time as 2026-11-28"),
        (("--since", "1h", "--until", "2h"), 2, "a time that ends behind its beginning was expected"),
        (("--period", "today", "--since", "1h"), 2, "since and until says a time, and so does another parameter"),
        (("--shift", "first"), 2, "is of a day, which is missing"),
        (("--day", "2026-11-27", "--shift", "noon"), 2, "expected one of first, second"),
        (("--table", "labels"), 2, "--table is of --csv"),
        (("--camera", "\udcff"), 2, "is not UTF-8"),
        (("--time-zone", "Mars/North"), 3, "a zone that this machine knows was expected"),
        (("--state-dir", "nowhere"), 4, "there is no history in"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(server: Server, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = _run(server.project, *arguments)
    assert (done.exit_code, done.stdout) == (status, "")
    assert said in done.stderr.replace("\n", " ")


def test_it_needs_to_know_where_the_history_is(tmp_path: Path) -> None:
    done = _run()
    assert (done.exit_code, "name the PROJECT" in done.stderr) == (2, True)
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "history.sqlite").write_bytes(b"no database at all, but long enough for one" * 100)
    done = _run("--state-dir", tmp_path)
    assert (done.exit_code, "the history cannot be read" in done.stderr) == (4, True)


def test_it_is_a_command(server: Server) -> None:
    """As somebody types it, and as its page has it."""
    example = next(line for line in PAGE.read_text().splitlines() if line.startswith("framemill history statistics"))
    words = [str(server.project) if word == "PROJECT" else word for word in shlex.split(example, comments=True)[1:]]
    done = command(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "frames:" in done.stdout
