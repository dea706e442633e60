"""Parts in the database: as their records have them, once, and let go of with their frames."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.frames.known import in_full
from service.history.database import open_to_read
from service.history.frame_id import row_of
from service.history.marks import mark_of
from service.history.part_lookup import newest_of
from service.history.stored import Stored
from service.history.writing.store import Store, Written
from service.parts.desk.told import NoRing
from service.parts.joining import OK, Frame, Part, Seen
from service.parts.plans import PartPlan
from service.results.record import BadRecord, Head, Kind, OtherKind, Record, Times, about_bytes, with_request
from tests.history.kept import NOW_NS, SECOND_NS, found, record, rows
from tests.results.house import House, house

VIEWS = ("top", "left\0", "<b>")
_DAY_NS = 86_400 * SECOND_NS


@pytest.fixture(name="path")
def a_path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture(name="store")
def a_store(path: Path) -> Iterator[Store]:
    made = Store.begin(path, str(mark_of(os.getpid())), NOW_NS)
    yield made
    made.close()


def part_record(sequence: int, part: str = "4711", views: Any = None, **head: Any) -> Record:
    """What became of a part, as a follower has it."""
    told = {"why": "", "views": views if views is not None else [["top", "OK", f"{NOW_NS:016x}07"]]}
    known = {"status": 200, "verdict": True, "flow": 7, "times": Times(took_ns=5_000_000), "kind": Kind.PART, **head}
    packed = Head(NOW_NS + sequence * SECOND_NS, 0xE2, **known).pack(
        orjson.dumps({"part": part}), orjson.dumps(told), b""
    )
    return Record.unpack(packed, 2, sequence)


def test_a_part_is_read_as_its_record_has_it_and_once(store: Store, path: Path) -> None:
    views = [["top", "OK", f"{NOW_NS:016x}07"], ["left", "MISSING", None]]
    batch = [part_record(1, "ž <b>", views, status=500, verdict=None), part_record(2), record(1)]
    batch[0].told["why"] = "missing"  # type: ignore[index]
    assert store.write(batch, None) == Written(1, 0)
    assert store.write(batch, None) == Written(0, 0)
    expected = [{**one.document(), "server": "local"} for one in (batch[1], batch[0])]
    assert [one for one in found(path) if one["kind"] == "part"] == expected
    assert found(path, parts=("ž <b>",)) == expected[1:]
    assert found(path, parts=("ž <b>",), servers=("another",)) == []
    assert [one["part"] for one in found(path, verdicts=("ERROR",))] == ["ž <b>"]
    assert [one["kind"] for one in found(path, cameras=("top",))] == ["frame"]


def test_the_newest_of_a_name_is_found_whatever_the_name_is(store: Store, path: Path) -> None:
    names = ["4711", "a\0b", "'; DROP TABLE parts", "4711"]
    store.write([part_record(number, name) for number, name in enumerate(names, 1)], None)
    engine = open_to_read(path)
    with engine.begin() as connection:
        told = {name: newest_of(connection, name) for name in (*names, "nobody")}
    engine.dispose()
    assert told.pop("nobody") is None
    assert told["4711"] == part_record(4).document()
    assert told["a\0b"] == {**part_record(2).document(), "part": "a\N{REPLACEMENT CHARACTER}b"}


@pytest.mark.parametrize("views", [7, [], [7], [["top"]], [["top", "OK", "no frame"]], [["a", "OK", None]] * 2])
def test_views_that_are_none_are_believed_in_nothing(store: Store, path: Path, views: Any) -> None:
    assert store.write([part_record(1, "4711", views)], None) == Written(0, 0)
    assert [one["part"] for one in found(path)] == ["4711"]


def test_parts_go_with_their_frames_and_by_age(store: Store, path: Path) -> None:
    frames = [record(number) for number in range(1, 6)]
    store.write([*frames, *(part_record(number, str(number)) for number in range(1, 6))], None)
    store.forget(0, surplus=2, now_ns=NOW_NS, most=500)
    assert [one["part"] for one in found(path) if one["kind"] == "part"] == ["5", "4", "3"]
    store.forget(1, surplus=0, now_ns=NOW_NS + _DAY_NS + 5 * SECOND_NS, most=500)
    assert [one["part"] for one in found(path) if one["kind"] == "part"] == ["5"]
    assert rows(path, "SELECT count(*) FROM part_views") == [(1,)]


def test_what_the_desk_writes_is_a_record_like_others() -> None:
    one = Part("4711", 7, PartPlan(VIEWS, 100), NOW_NS, 1)
    for number, view in enumerate(VIEWS):
        one.add(view, Seen(OK, Frame(NOW_NS + number, number)))
    told = NoRing().tell(one, one.verdict(lambda *_: False), NOW_NS + 3_000_000)
    assert (told["verdict"], told["took_ms"], told["flowVersion"]) == ("OK", 3.0, f"{7:016x}")
    assert [(view["view"], view["frame"]) for view in told["views"]] == [
        (view, f"{NOW_NS + number:016x}{number:02x}") for number, view in enumerate(VIEWS)
    ]


def test_a_follower_passes_over_kinds_that_it_does_not_know(tmp_path: Path) -> None:
    packed = bytearray(Head(1, 0, 200).pack(b"{}", b"", b""))
    packed[6] = 9
    with pytest.raises(OtherKind):
        Record.unpack(bytes(packed))
    packed[0] = 0
    with pytest.raises(BadRecord, match="begins with"):
        Record.unpack(bytes(packed))
    packed[0] = ord("F")
    with house(tmp_path) as server:
        assert _parts_around(server, bytes(packed)) == ["before", "behind"]


def _parts_around(server: House, packed: bytes) -> list[str]:
    with server.follow() as follower:
        server.answer("before")
        server.publishers[0]._ring.append(packed)
        server.answer("behind")
        told = [record.about["part"] for record in follower.read(30)]
        assert follower.missed == 0
        return told


def test_threads_of_a_front_ask_one_after_another(store: Store, path: Path) -> None:
    store.write([part_record(1)], None)
    stored, told = Stored(path), []

    def ask() -> None:
        with stored.read() as connection:
            told.append(newest_of(connection, "4711"))

    for _ in range(3):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert told == [part_record(1).document()] * 3


def test_a_view_that_was_held_is_marked(store: Store, path: Path) -> None:
    at_ns = NOW_NS + SECOND_NS
    held = with_request(about_bytes("c", "top", "4711", "", "top"), "r", None, "scratches")
    frames = [
        Record.unpack(Head(at_ns, 7, 200, False).pack(held, b"", b""), 0, 1),
        record(1, came_ns=at_ns, part="4711", view="left", front=1),
    ]
    ids = [f"{at_ns:016x}07", f"{at_ns:016x}01"]
    views = [["top", "NOK", ids[0]], ["left", "OK", ids[1]], ["right", "MISSING", None]]
    store.write([*frames, part_record(1, views=views, verdict=False)], None)
    engine = open_to_read(path)
    with engine.begin() as connection:
        told = in_full(connection, row_of(connection, ids[1]))["partOfViews"]
    engine.dispose()
    assert [(one["view"], one["held"]) for one in told["views"]] == [
        ("top", "scratches"),
        ("left", None),
        ("right", None),
    ]
