"""What is told of a time is what its frames say, on both databases, however it is asked for; unknown is never OK."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.decisions.deciding import By, Said, decide
from service.decisions.rules import Kind
from service.history.database import open_to_read
from service.history.marks import mark_of
from service.history.places.place import Place, PostgresUrl
from service.history.schema.times import DAY_NS, QUARTER_NS
from service.history.stored import Stored
from service.history.writing.store import Store
from service.results.record import Record
from service.settings import Settings
from service.statistics.asked import StatisticsQuery, Wanted
from service.statistics.csv_form import TABLES, as_csv
from service.statistics.found import document, find
from service.statistics.measured import measures_of
from service.statistics.shifts import SECOND_NS
from tests.history.kept import NOW_NS, record, refusals
from tests.statistics.factory import BEGIN_NS, frames
from tests.support.databases.cluster import Cluster
from workers.errors import InvalidParameter

MARK = str(mark_of(os.getpid()))
COUNT = 600
ZONE = Settings(time_zone="Europe/Prague")


@pytest.fixture(name="place", scope="module", params=["sqlite", "postgresql"])
def a_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A history of four days, three of them full; of two servers where a database may have several."""
    place: Place = tmp_path_factory.mktemp("history") / "history.sqlite"
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        place = PostgresUrl(cluster.database())
    store = Store.begin(place, MARK, BEGIN_NS)
    written = frames(COUNT, BEGIN_NS, 3 * DAY_NS)
    for first in range(0, COUNT, 70):
        store.write(written[first : first + 70], None)
        store.write(written[first : first + 70], None)
    refused = refusals(COUNT + 1, [{"client": "a", "status": 429, "count": 5}])
    head = refused.head._replace(came_ns=BEGIN_NS + 3 * DAY_NS + 1)
    store.write([Record(head, {}, refused.told, b"", 0, COUNT + 1)], None)
    # two are missing, nobody knows when within an hour
    late = record(COUNT + 4, came_ns=BEGIN_NS + 3 * DAY_NS + 4 * QUARTER_NS)
    store.write([late], None)
    store.close()
    return place


def _told(place: Place, **asked: str) -> dict[str, Any]:
    engine = open_to_read(place)
    try:
        wanted = StatisticsQuery(**asked).wanted(ZONE, BEGIN_NS + 4 * DAY_NS)  # type: ignore[arg-type]
        with engine.begin() as connection:
            known = document(find(connection, ZONE, wanted), "Europe/Prague")
        told: dict[str, Any] = json.loads(orjson.dumps(known))
        return told
    finally:
        engine.dispose()


def _text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).isoformat()


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (0, 3 * 96),  # days alone
        (0, 7),  # quarters alone
        (5, 2 * 96 + 3),  # a day, and quarters at both ends
        (90, 102),  # over midnight, without a whole day
        (-40 * 96, 3 * 96),  # more than some weeks
    ],
)
def test_numbers_are_those_of_the_frames_however_long_the_time(place: Place, begin: int, end: int) -> None:
    since_ns, until_ns = BEGIN_NS + begin * QUARTER_NS, BEGIN_NS + end * QUARTER_NS
    told = _told(place, since=_text(since_ns), until=_text(until_ns))
    within = [one for one in frames(COUNT, BEGIN_NS, 3 * DAY_NS) if since_ns <= one.head.came_ns < until_ns]
    words = [one.word for one in within]
    counts = told["counts"]
    assert [counts["ok"], counts["nok"], counts["error"]] == [words.count(word) for word in ("OK", "NOK", "ERROR")]
    assert counts["yield"] == pytest.approx(words.count("OK") / len(words))
    assert sum(one["ok"] for one in told["bins"]) == counts["ok"]
    assert sum(one["frames"] for one in told["cameras"]) == len(within)
    assert {one["camera"] for one in told["cameras"]} == {"top", "left"}
    assert sum(one["nok"] for one in told["labels"]) == words.count("NOK")
    nok_cells = {(one["column"], one["row"]): one["count"] for one in told["places"]["cells"]}
    assert nok_cells == ({(16, 16): words.count("NOK")} if "NOK" in words else {})
    values = [
        one.essence["measures"]["bore 1"]["value"]
        for one in within
        if one.about["camera"] == "left" and one.word != "ERROR"
    ]
    bore = next(one for one in told["measures"] if (one["camera"], one["name"]) == ("left", "bore 1"))
    assert (bore["count"], bore["least"], bore["most"]) == (len(values), min(values), max(values))
    mean, sigma = statistics.fmean(values), statistics.stdev(values)
    assert bore["mean"] == pytest.approx(mean, rel=1e-12)
    assert bore["sigma"] == pytest.approx(sigma, rel=1e-9)
    assert bore["cp"] == pytest.approx(0.2 / (6 * sigma))
    assert bore["cpk"] == pytest.approx(min(10.1 - mean, mean - 9.9) / (3 * sigma))
    for name, expected_ms in (("p50_ms", 20), ("p999_ms", max(one.head.times.took_ns for one in within) / 1e6)):
        assert expected_ms / 1.2 < told["latency"][name] < expected_ms * 1.2


def test_a_camera_and_a_label_are_asked_for(place: Place) -> None:
    asked = {"since": _text(BEGIN_NS), "until": _text(BEGIN_NS + 3 * DAY_NS)}
    top = _told(place, **asked, camera="top")
    assert top["counts"]["frames"] == COUNT // 2
    assert {one["camera"] for one in top["measures"]} == {"top"}
    assert [one["camera"] for one in top["cameras"]] == ["left", "top"]  # there is more to choose
    dent = _told(place, **asked, label="dent")
    assert sum(one["count"] for one in dent["places"]["cells"]) == 18
    assert sum(one["label"] for one in dent["bins"]) == 18
    assert len(dent["labels"]) == 3
    nobody = _told(place, **asked, camera="'; DROP TABLE quarters; --")
    assert nobody["counts"]["frames"] == 0
    assert nobody["counts"]["yield"] is None
    assert nobody["latency"]["p50_ms"] is None
    assert _told(place, **asked, server="another")["counts"]["frames"] == 0


def test_what_is_unknown_is_said_and_is_never_ok(place: Place) -> None:
    told = _told(place, since=_text(BEGIN_NS + 3 * DAY_NS), until=_text(BEGIN_NS + 3 * DAY_NS + 8 * QUARTER_NS))
    assert told["unknown"]["framesAtLeast"] == 2
    assert told["unknown"]["framesAreCounted"]
    assert told["counts"]["refused"] == 5
    assert (told["counts"]["ok"], told["counts"]["yield"]) == (1, 1.0)
    assert told["counts"]["yieldAtLeast"] == pytest.approx(1 / 3)
    assert [one["unknown"] for one in told["bins"]] == [True] * 5 + [False] * 3
    assert sum(one["unknownFrames"] for one in told["bins"]) == 2
    assert told["unknown"]["last"][0]["why"] == "missed"
    before = _told(place, since=_text(BEGIN_NS), until=_text(BEGIN_NS + DAY_NS))
    assert before["unknown"]["intervals"] == 0


def test_shifts_share_the_frames_of_their_days(place: Place) -> None:
    begin, end = BEGIN_NS, BEGIN_NS + 3 * DAY_NS
    told = _told(place, since=_text(begin), until=_text(end))
    assert sum(one["frames"] for one in told["shifts"]) == COUNT
    early = told["shifts"][1]
    asked = _told(place, day=early["day"], shift=early["name"])
    assert asked["counts"]["frames"] == early["frames"]
    assert asked["shift"]["name"] == "early"
    assert asked["since"] == early["begin"]
    assert len(asked["bins"]) == 32


def test_what_people_decide_is_told_beside_what_the_machine_said(tmp_path: Path) -> None:
    place = tmp_path / "history.sqlite"
    store = Store.begin(place, MARK, BEGIN_NS)
    store.write(frames(100, BEGIN_NS, DAY_NS), None)
    store.close()
    nok = [one for one in frames(100, BEGIN_NS, DAY_NS) if one.word == "NOK"]
    with Stored(place).write() as connection:
        decide(connection, nok[0].id, Said(Kind.FALSE_CALL, 0), By("anna", BEGIN_NS))
        decide(connection, nok[1].id, Said(Kind.CONFIRMED, 0), By("anna", BEGIN_NS))
    told = _told(place, since=_text(BEGIN_NS), until=_text(BEGIN_NS + DAY_NS))
    assert told["decided"]["falseCalls"] == 1
    assert told["decided"]["falseCallShare"] == 0.5
    assert told["decided"]["undecidedNok"] == len(nok) - 2
    inspected = told["counts"]["ok"] + told["counts"]["nok"] + told["counts"]["error"]
    assert told["counts"]["yieldDecided"] == pytest.approx((told["counts"]["ok"] + 1) / inspected)
    label = nok[0].essence["labels"][0]
    assert next(one for one in told["labels"] if one["label"] == label)["falseCalls"] == 1


def test_a_mean_far_from_zero_loses_no_digit(tmp_path: Path) -> None:
    store = Store.begin(tmp_path / "history.sqlite", MARK, NOW_NS)
    values = [1e6 + number % 7 * 1e-6 for number in range(500)]
    written = [
        record(
            sequence,
            came_ns=NOW_NS + sequence % 25 * QUARTER_NS + sequence,
            context={"measures": {"bore": {"value": value, "unit": "mm", "max": 1e6 + 1e-5}}},
        )
        for sequence, value in enumerate(values, start=1)
    ]
    for first in range(0, 500, 50):
        store.write(written[first : first + 50], None)
    store.close()
    engine = open_to_read(tmp_path / "history.sqlite")
    with engine.begin() as connection:
        (bore,) = measures_of(connection, Wanted(NOW_NS, NOW_NS + 501 * QUARTER_NS, NOW_NS))
    engine.dispose()
    assert bore.sigma is not None
    assert math.isclose(bore.sigma, statistics.stdev(values), rel_tol=1e-3)
    assert bore.cp is None  # there is one limit
    assert bore.cpk == pytest.approx((1e6 + 1e-5 - bore.mean) / (3 * bore.sigma))


@pytest.mark.parametrize("table", TABLES)
def test_each_table_is_one_of_a_spreadsheet(place: Place, table: Any) -> None:
    told = _told(place, since=_text(BEGIN_NS), until=_text(BEGIN_NS + 4 * DAY_NS))
    told["labels"].append({"label": '=HYPERLINK(1)\r\n,"x"', "frames": 1})
    rows = [*csv.DictReader(io.StringIO(as_csv(told, table), newline=""))]
    assert rows
    assert None not in rows[-1]
    if table == "labels":
        assert rows[-1]["label"] == '\'=HYPERLINK(1)\r\n,"x"'
    if table == "cameras":
        assert [row["camera"] for row in rows] == ["left", "top"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"since": "2026-01-02", "until": "2026-01-01"}, "a time that ends behind its beginning"),
        ({"since": "1971-01-01", "until": "2200-01-01"}, "at most 4000 days"),
        ({"since": "8h", "period": "shift"}, "since and until says a time, and so does another"),
        ({"day": "2026-11-27", "period": "today"}, "one of them was expected"),
        ({"day": "2026-11-27", "shift": "noon"}, "expected one of early, late, night"),
        ({"shift": "early"}, "is of a day, which is missing"),
        ({"day": "0001-01-01", "shift": "noon"}, "does not begin on"),
    ],
)
def test_a_time_that_is_none_is_told(asked: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        StatisticsQuery(**asked).wanted(ZONE, NOW_NS)  # type: ignore[arg-type]


@pytest.mark.parametrize("period", ["shift", "last_shift", "today", "yesterday", "7d", "30d", "90d"])
def test_a_time_that_moves_with_the_clock_has_now_in_it_or_lies_before(period: Any) -> None:
    now_ns = NOW_NS + 12345
    wanted = StatisticsQuery(period=period).wanted(ZONE, now_ns)
    assert wanted.since_ns % QUARTER_NS == wanted.until_ns % QUARTER_NS == 0
    assert (wanted.until_ns <= now_ns) == (period in {"last_shift", "yesterday"})
    assert wanted.since_ns <= now_ns
