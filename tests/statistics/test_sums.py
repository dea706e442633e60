"""Sums say what the frames say, each frame once, whatever a flow makes up; and they go when they are old."""

from __future__ import annotations

import math
import os
import random
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.history.marks import mark_of
from service.history.schema.quarter_tables import CELLS
from service.history.schema.times import DAY_NS, QUARTER_NS
from service.history.writing import store as store_module
from service.history.writing.names import MOST_CAMERAS, MOST_LABELS, OTHERS
from service.history.writing.places import places_of
from service.history.writing.store import Store
from service.history.writing.sums import bin_of
from service.results.record import Record
from tests.history.kept import NOW_NS, SECOND_NS, record, refusals, rows

MARK = str(mark_of(os.getpid()))
SHAPE = {"height": 480, "width": 640}


@pytest.fixture(name="path")
def a_path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture(name="store")
def a_store(path: Path) -> Iterator[Store]:
    made = Store.begin(path, MARK, NOW_NS)
    yield made
    made.close()


def _rectangle(x: float, y: float, label: str = "dent", size: float = 10) -> dict[str, Any]:
    return {"x": x, "y": y, "width": size, "height": size, "classNames": [{"label": label}]}


def _some_frames(count: int) -> list[Record]:
    chance = random.Random(7)
    found = []
    for sequence in range(1, count + 1):
        is_ok = chance.random() < 0.8
        labels = [] if is_ok else chance.sample(["dent", "scratch", "chip"], 2)
        rectangles = [_rectangle(chance.uniform(0, 630), chance.uniform(0, 470), label) for label in labels]
        measures = {"bore": {"value": chance.gauss(1000, 1e-4), "unit": "mm", "min": 999.9, "max": 1000.1, "ok": is_ok}}
        context = {"result": is_ok, "detectedRectangles": rectangles, "imageShape": SHAPE, "measures": measures}
        came_ns = NOW_NS + int(chance.uniform(0, 3 * DAY_NS))
        one = record(sequence, 0, came_ns, context, camera=chance.choice(["top", "left"]))
        took = one.head.times._replace(took_ns=int(chance.lognormvariate(16, 1)))
        head = one.head._replace(slot=sequence % 8, verdict=is_ok, times=took)
        found.append(Record(head, one.about, one.told, one.context, 0, sequence))
    return found


@pytest.mark.parametrize(("span", "span_ns"), [("quarter", QUARTER_NS), ("day", DAY_NS)])
def test_sums_say_what_the_frames_say_also_after_a_kill(store: Store, path: Path, span: str, span_ns: int) -> None:
    frames = _some_frames(400)
    for first in range(0, 400, 30):
        store.write(frames[first : first + 30], None)
        again = Store.begin(path, MARK, NOW_NS)  # one that does not know what the other has done
        again.write(frames[first : first + 45], None)
        again.close()
    begin = f"came_ns - came_ns % {span_ns}"
    counted = f"""SELECT {begin}, 'local', camera, sum(verdict = 'OK'), sum(verdict = 'NOK'), 0, 0, 0, 0, sum(took_ns)
        FROM records GROUP BY 1, 3 ORDER BY 1, 3"""
    assert rows(path, f"SELECT * FROM {span}s ORDER BY 1, 3") == rows(path, counted)
    labelled = f"""SELECT {begin}, 'local', camera, label, count(*), sum(verdict = 'NOK')
        FROM labels JOIN records ON number = record GROUP BY 1, 3, 4 ORDER BY 1, 3, 4"""
    assert rows(path, f"SELECT * FROM {span}_labels ORDER BY 1, 3, 4") == rows(path, labelled)
    cell = f"CAST((x + width / 2) * {CELLS} AS INT) + {CELLS} * CAST((y + height / 2) * {CELLS} AS INT)"
    placed = f"""SELECT {begin}, 'local', camera, label, {cell}, count(*)
        FROM places JOIN records ON number = record GROUP BY 1, 3, 4, 5 ORDER BY 1, 3, 4, 5"""
    assert rows(path, f"SELECT * FROM {span}_places ORDER BY 1, 3, 4, 5") == rows(path, placed)
    took = Counter(bin_of(ns) for (ns,) in rows(path, "SELECT took_ns FROM records"))
    assert dict(rows(path, f"SELECT bin, sum(count) FROM {span}_took GROUP BY 1")) == took
    values = f"""SELECT {begin}, camera, value, ok FROM measured JOIN records ON number = record"""
    by_key: dict[Any, list[Any]] = {}
    for at_ns, camera, value, ok in rows(path, values):
        by_key.setdefault((at_ns, camera), []).append((value, ok))
    sums = rows(
        path, f"SELECT begin_ns, camera, count, mean, squares, least, most, failed, low, high FROM {span}_measured"
    )
    assert len(sums) == len(by_key)
    for at_ns, camera, count, mean, squares, least, most, failed, low, high in sums:
        found, oks = zip(*by_key[at_ns, camera], strict=True)
        assert (count, least, most, failed) == (len(found), min(found), max(found), oks.count(0))
        assert (low, high) == (999.9, 1000.1)
        assert math.isclose(mean, statistics.fmean(found), rel_tol=1e-14)
        assert math.isclose(squares, statistics.pvariance(found) * count, rel_tol=1e-6, abs_tol=1e-16)


def test_frames_of_all_verdicts_and_refused_ones_are_counted(store: Store, path: Path) -> None:
    frames = [record(n, context={"result": True}) for n in (1, 2, 3, 4)]
    told = [(200, True), (200, False), (200, None), (504, None)]
    heads = [
        one.head._replace(status=status, verdict=verdict) for one, (status, verdict) in zip(frames, told, strict=True)
    ]
    written = [Record(head, one.about, one.told, b"", 0, one.sequence) for head, one in zip(heads, frames, strict=True)]
    store.write([*written, refusals(5, [{"client": "a", "status": 429, "count": 7}, {"count": -3}])], None)
    assert rows(path, "SELECT camera, ok, nok, off, error, refused FROM days ORDER BY 1") == [
        ("", 0, 0, 0, 0, 7),
        ("top", 1, 1, 1, 1, 0),
    ]


@pytest.mark.parametrize("value", [1e308, -1e101, 1e-320, 5e-324, 10**18, 0.0, None, "3", True, [1]])
def test_a_value_beyond_all_measure_is_no_fault(store: Store, path: Path, value: object) -> None:
    for sequence, one in enumerate((value, 2.5, value), start=1):
        context = {"measures": {"bore": {"value": one, "unit": "mm"}}}
        assert store.write([record(sequence, context=context)], None).frames == 1
    ((count, mean, squares, failed),) = rows(path, "SELECT count, mean, squares, failed FROM day_measured")
    assert count + failed == 3
    is_known = isinstance(value, float | int) and not isinstance(value, bool) and abs(value) <= 1e100
    assert count == (3 if is_known else 1)
    assert math.isclose(mean, (2 * float(value) + 2.5) / 3 if is_known else 2.5)  # type: ignore[arg-type]
    assert squares >= 0


_NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.none()
    | st.text(st.characters(codec="utf-8"), max_size=3)
    | st.booleans()
)
_JSON = st.recursive(
    _NUMBERS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), some),
    max_leaves=5,
)
_RECTANGLES = st.lists(
    st.one_of(_JSON, st.fixed_dictionaries(dict.fromkeys(("x", "y", "width", "height", "classNames"), _NUMBERS))),
    max_size=80,
)


@given(_RECTANGLES, st.one_of(_JSON, st.fixed_dictionaries({"width": _NUMBERS, "height": _NUMBERS}), st.just(SHAPE)))
def test_a_place_lies_in_its_picture_whatever_a_flow_says(rectangles: Any, shape: Any) -> None:
    places = places_of(
        Record(record(1).head, {}, {}, orjson.dumps({"detectedRectangles": rectangles, "imageShape": shape}))
    )
    assert len(places) <= 64
    for place in places:
        assert 0 <= place.x <= place.x + place.width <= 1.0000001
        assert 0 <= place.y <= place.y + place.height <= 1.0000001
        assert 0 <= place.cell(CELLS) < CELLS * CELLS


def test_what_of_a_rectangle_lies_outside_its_picture_is_left_out(store: Store, path: Path) -> None:
    rectangles = [
        _rectangle(-10, -10, size=20),
        _rectangle(630, 470, size=1000),
        _rectangle(641, 0),
        _rectangle(0, 0, size=-1),
    ]
    store.write([record(1, context={"detectedRectangles": rectangles, "imageShape": SHAPE})], None)
    assert rows(path, "SELECT place, x, y, width, height FROM places") == [
        (0, 0, 0, 10 / 640, 10 / 480),
        (1, 630 / 640, 470 / 480, 10 / 640, 10 / 480),
    ]
    store.forget(0, surplus=1, now_ns=NOW_NS, most=500)
    assert rows(path, "SELECT count(*) FROM places") == [(0,)]
    assert rows(path, "SELECT ok FROM quarters") == [(1,)]


def test_names_that_are_made_up_for_each_frame_are_counted_together(store: Store, path: Path) -> None:
    labels = [{"surfaceClasses": [{"label": f"{n}-{'x' * 300}"}]} for n in range(1, 1001)]
    store.write([record(n, context=labels[n - 1]) for n in range(1, 501)], None)
    again = Store.begin(path, MARK, NOW_NS)
    again.write([record(n, context=labels[n - 1], camera=f"c{n}") for n in range(501, 1001)], None)
    again.write([record(1001, context=labels[0])], None)
    again.close()
    for span in ("quarter", "day"):
        counts = dict(rows(path, f"SELECT label, sum(count) FROM {span}_labels WHERE camera = 'top' GROUP BY 1"))
        assert len(counts) == MOST_LABELS + 1
        assert counts[OTHERS] == 500 - MOST_LABELS
        assert counts["1-" + "x" * 198] == 2
        cameras = dict(rows(path, f"SELECT camera, sum(ok) FROM {span}s GROUP BY 1"))
        assert (len(cameras), sum(cameras.values())) == (MOST_CAMERAS + 1, 1001)


def test_sums_go_when_they_are_older_than_frames_may_be(store: Store, path: Path) -> None:
    frames = [
        record(n + 1, came_ns=NOW_NS + n * QUARTER_NS, context={"measures": {"a": {"value": 1}}}) for n in range(400)
    ]
    store.write(frames, None)
    now_ns = NOW_NS + 400 * QUARTER_NS
    for _ in range(200):
        store.forget(1, surplus=0, now_ns=now_ns, most=500)
    for table in ("quarters", "quarter_took", "quarter_measured"):
        ((count, first_ns),) = rows(path, f"SELECT count(*), min(begin_ns) FROM {table}")
        assert 96 <= count <= 98, table
        assert first_ns + QUARTER_NS > now_ns - DAY_NS
    ((first_ns,),) = rows(path, "SELECT min(begin_ns) FROM days")
    assert first_ns + DAY_NS > now_ns - DAY_NS


def test_a_batch_that_came_to_nothing_leaves_no_name_behind(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {"surfaceClasses": [{"label": "dent"}], "measures": {"bore": {"value": 3.5, "unit": "mm"}}}
    with monkeypatch.context() as patched:
        patched.setattr(store_module, "note_seen", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.write([record(1, context=context)], NOW_NS + SECOND_NS)
    assert rows(path, "SELECT count(*) FROM quarters") == [(0,)]
    store.write([record(1, context=context)], NOW_NS + SECOND_NS)
    assert rows(path, "SELECT ok FROM quarters") == [(1,)]
    assert rows(path, "SELECT count FROM quarter_labels") == [(1,)]
