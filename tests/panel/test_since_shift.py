"""What the page Live takes from the history: counts since the shift began, and which pictures were kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from service.history.schema.tables import PICTURES, RECORDS
from service.history.schema.times import QUARTER_NS
from service.history.stored import Stored
from service.history.writing.store import Store
from service.live.seen import Rejected
from service.panel.live.since_shift import Counts, SinceShift
from service.panel.live.strip import Strip
from service.results.record import Head, Record, about_bytes

NOW_NS = time.time_ns()
FRAMES = {"ok": 1, "nok": 2, "process_off": 3, "errors": 4, "held": 5}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.begin(tmp_path / "history.sqlite", "mark", NOW_NS)
    yield made
    made.close()


def _record(number: int, at_ns: int, status: int, verdict: bool | None) -> Record:
    packed = Head(at_ns, number, status, verdict).pack(about_bytes("c", "top", "P", ""), b"", b"")
    return Record.unpack(packed, 0, number)


def _rejected(record: Record) -> Rejected:
    return Rejected(record.id, record.head.came_ns, "NOK", "top", "P", (), None)


def test_counts_are_those_since_the_shift_began(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.panel.live.since_shift._PAUSE_S", 0)
    begin_ns = NOW_NS // QUARTER_NS * QUARTER_NS
    counts = SinceShift(Stored(tmp_path / "history.sqlite"), lambda _: begin_ns)
    store.write([_record(1, begin_ns - 1, 200, False)], NOW_NS)
    assert counts(FRAMES).since_ns in {None, begin_ns}
    later = [(2, 200, True), (3, 200, True), (4, 200, False), (5, 200, None), (6, 500, None)]
    store.write([_record(number, begin_ns + number, status, verdict) for number, status, verdict in later], NOW_NS)
    assert counts(FRAMES) == Counts(2, 1, 1, 1, 0, begin_ns)


def test_without_a_history_or_while_it_is_away_they_are_those_since_the_servers_start(tmp_path: Path) -> None:
    for place in (None, tmp_path / "nothing" / "history.sqlite"):
        counts = SinceShift(Stored(place), lambda now_ns: now_ns)
        assert counts(FRAMES) == counts(FRAMES) == Counts(1, 2, 3, 4, 5)


def test_a_picture_is_shown_once_it_is_kept(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.panel.live.strip._PAUSE_S", 0)
    stored = Stored(tmp_path / "history.sqlite")
    records = [_record(number, NOW_NS + number, 200, False) for number in (1, 2)]
    rejected = [*map(_rejected, records)]
    strip = Strip(stored, lambda: True)
    assert strip.addresses(rejected, NOW_NS) == {}
    store.write(records, NOW_NS)
    assert strip.addresses(rejected, NOW_NS) == {}
    with stored.write() as connection:
        [number] = connection.execute(select(RECORDS.c.number).where(RECORDS.c.came_ns == NOW_NS + 1)).scalars()
        row = {"record": number, "why": "nok", "file": "a/b.jpg", "bytes": 5}
        connection.execute(insert(PICTURES), [row])
    expected = {records[0].id: f"api/v1/frames/{records[0].id}/picture"}
    assert strip.addresses(rejected, NOW_NS) == expected
    # what is older than a few seconds is not asked for again; what is known stays known
    assert strip.addresses(rejected, NOW_NS + 3600 * 10**9) == expected
    assert Strip(stored, lambda: True).addresses(rejected, NOW_NS + 3600 * 10**9) == expected
    assert Strip(stored, lambda: False).addresses(rejected, NOW_NS) == {}
    assert Strip(Stored(None), lambda: True).addresses(rejected, NOW_NS) == {}
