"""A record says what it was given, and bytes that are none are refused."""

from __future__ import annotations

import contextlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.results.documents import essence_of
from service.results.record import (
    FIXED,
    BadRecord,
    Head,
    Kind,
    Picture,
    Record,
    Times,
    about_bytes,
    error_bytes,
)

WORD = st.integers(0, 2**64 - 1)
CONTEXT = {
    "result": False,
    "score": 0.25,
    "detectedRectangles": [
        {"classNames": [{"label": "scratch"}, {"label": "second"}]},
        {"classNames": [{"label": "dent"}]},
        {"classNames": [{"label": "scratch"}]},
        {"classNames": []},
    ],
    "surfaceClasses": [{"label": "rust", "area": 3.0}],
    "measures": {"gap": {"value": 1.5, "unit": "mm", "min": 1, "max": 2, "ok": True}},
}


@given(
    st.builds(
        Head,
        came_ns=WORD,
        slot=st.integers(0, 255),
        status=st.integers(100, 599),
        verdict=st.sampled_from([True, False, None]),
        flow=WORD,
        frame_bytes=WORD,
        times=st.builds(Times, *[WORD] * 7),
        picture=st.none() | st.builds(Picture, st.integers(0, 255), WORD),
        left_out_bytes=st.integers(0, 2**32 - 1),
        kind=st.sampled_from(Kind),
        wanted=st.integers(0, 2**24 - 1),
    ),
    st.lists(st.text(), min_size=4, max_size=4),
    st.binary(max_size=3000),
)
def test_it_comes_back_as_it_was(head: Head, words: list[str], context: bytes) -> None:
    client, camera, part, data = words
    packed = head.pack(about_bytes(client, camera, part, data), error_bytes("a_code", data), memoryview(context))
    found = Record.unpack(packed, 3, 7)
    told = {key: value for key, value in zip(("client", "camera", "part", "data"), words, strict=True) if value}
    assert (found.head, found.about, found.context) == (head, told, context)
    assert found.told == {"code": "a_code", "message": data[:4000]}
    assert (found.front, found.sequence) == (3, 7)
    json.dumps(found.document())  # whatever it holds can be written


@given(st.binary(max_size=400))
def test_other_bytes_are_refused(rubbish: bytes) -> None:
    with pytest.raises(BadRecord):
        Record.unpack(rubbish)


@given(st.integers(0, FIXED.size + 60), st.integers(1, 255))
def test_one_wrong_byte_is_another_record_or_none_and_never_a_fault(at: int, change: int) -> None:
    packed = bytearray(Head(1, 2, 200, verdict=True).pack(about_bytes("a", "b", "c", "d"), b"{}", b'{"score":1}'))
    packed[at % len(packed)] ^= change
    with contextlib.suppress(BadRecord):
        json.dumps(Record.unpack(bytes(packed)).document())


@pytest.mark.parametrize("cut", [0, 1, FIXED.size - 1, FIXED.size, FIXED.size + 5])
def test_a_record_that_was_cut_is_none(cut: int) -> None:
    packed = Head(1, 2, 200).pack(about_bytes("a", "b", "c", "d"), b"{}", b"{}")
    with pytest.raises(BadRecord):
        Record.unpack(packed[:cut])


def test_what_a_context_says_of_its_part_is_found_in_it() -> None:
    record = Record.unpack(Head(1, 2, 200, verdict=False).pack(b"{}", b"", orjson.dumps(CONTEXT)))
    document = record.document(with_context=False)
    assert document["verdict"] == "NOK"
    assert document["score"] == 0.25
    assert document["labels"] == ["scratch", "dent", "rust"]
    assert document["measures"] == CONTEXT["measures"]
    assert "context" not in document
    assert record.document()["context"] == CONTEXT


def test_of_a_context_that_was_left_out_the_same_is_known() -> None:
    told = orjson.dumps(essence_of(CONTEXT))
    left_out = Record.unpack(Head(1, 2, 200, verdict=False, left_out_bytes=70_000).pack(b"{}", told, b""))
    assert left_out.document()["labels"] == ["scratch", "dent", "rust"]
    assert left_out.document()["contextLeftOutBytes"] == 70_000


@pytest.mark.parametrize(
    "odd",
    [
        [],
        3,
        {"detectedRectangles": 5, "surfaceClasses": "no", "measures": [], "score": "high"},
        {"detectedRectangles": [1, {"classNames": [3]}, {"classNames": {"label": "x"}}, {}]},
    ],
)
def test_what_user_code_may_leave_in_a_context_is_no_fault(odd: object) -> None:
    record = Record.unpack(Head(1, 2, 200, verdict=True).pack(b"{}", b"", orjson.dumps(odd)))
    assert record.document()["labels"] == []


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (Head(1, 2, 200, verdict=True), "OK"),
        (Head(1, 2, 200, verdict=False), "NOK"),
        (Head(1, 2, 200), "OFF"),
        (Head(1, 2, 504), "ERROR"),
        (Head(1, 2, 429, kind=Kind.REFUSALS), "REFUSED"),
    ],
)
def test_its_word(head: Head, word: str) -> None:
    assert Record.unpack(head.pack(b"{}", b"", b"")).word == word


def test_ids_sort_as_their_frames_came_and_times_are_of_utc() -> None:
    first, second = (Record.unpack(Head(ns, 250, 200).pack(b"{}", b"", b"")) for ns in (999, 10**18 + 7))
    assert first.id < second.id
    assert second.time == "2001-09-09T01:46:40.000000007Z"
    assert len(second.id) == 18
