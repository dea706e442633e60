"""Parameters, strictly: whatever stands in a query is either exactly right or a 400 that names what is wrong."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients.raw_http import Answer, Connection
from tests.support.running import Server

_CHANNELS = {"Mono8": 1, "RGB8": 3, "BGR8": 3, "BGRa8": 4, "BayerRG8": 1, "Mono12": 2}
_DIGITS = re.compile(r"[0-9]{1,5}", re.ASCII)

_ODD_NUMBERS = [
    "0", "-1", "00004", "65535", "65536", "1e3", "NaN", "inf", "1_0", "+4", " 4", "4 ", "4\n", "", "4.0", "0x4",
    "\u0664", "\uff14", "\xb2", "1000000000", "4294967297", "18446744073709551617", "4,4", "[4]", "None", "4\x00",
]  # fmt: skip
_sizes = st.one_of(
    st.integers(1, 9).map(str), st.integers(-5, 70_000).map(str), st.sampled_from(_ODD_NUMBERS), st.text(max_size=4)
)
_names = st.sampled_from(
    ["width", "height", "pixel_format", "bayer", "response_type", "context_in_body", "data", "deadline_ms", "WIDTH",
     "Height", "width[]", "height[0]", " width", "Pixel_Format", "other", "widths", "w\x00idth"]
)  # fmt: skip
_values = st.one_of(
    _sizes, st.sampled_from([*_CHANNELS, "mono8", "Mono9", "image", "Context", "true", "0", "maybe", "1"])
)
_queries = st.one_of(
    st.lists(st.tuples(_names, _values), max_size=6),
    # mostly right, so that the few mistakes stand alone
    st.tuples(
        st.tuples(st.just("width"), st.integers(1, 6).map(str)),
        st.tuples(st.just("height"), st.integers(1, 6).map(str)),
        st.tuples(st.just("pixel_format"), st.sampled_from([*_CHANNELS])),
        st.tuples(_names, _values),
    ).map(list),
)


def _post(server: Server, path: str, query: list[tuple[str, str]], body: bytes) -> Answer:
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    with Connection(server.port) as client:
        client.send(f"POST {path}?{text} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = client.answer()
        assert answer is not None
        return answer


def _may_be_accepted(query: list[tuple[str, str]], length: int) -> bool:
    """Written apart from the server: whether these sizes are numbers, stand once, and make this length."""
    values = dict(query)
    ours = [name for name, _ in query if name != "other"]
    if len(set(ours)) < len(ours):
        return False
    sizes = [values.get(name, "") for name in ("width", "height")]
    if not all(_DIGITS.fullmatch(size) and 1 <= int(size) <= 65_535 for size in sizes):
        return False
    named = values.get("pixel_format")
    channels = {1, 3, 4} if named is None else {_CHANNELS.get(named, _CHANNELS.get(named.capitalize(), 0))}
    return any(int(sizes[0]) * int(sizes[1]) * count == length for count in channels)


def _check(server: Server, query: list[tuple[str, str]], body: bytes) -> None:
    answer = _post(server, "/analyze_raw_image", query, body)
    assert answer.status in {200, 400, 504}, answer  # a deadline of a few milliseconds may well pass
    if answer.status == 200:
        assert _may_be_accepted(query, len(body)), query
    if answer.status == 400:
        assert answer.json()["detail"], query


@st.composite
def _requests(draw: st.DrawFn) -> tuple[list[tuple[str, str]], bytes]:
    """A query, and mostly as many bytes as it asks for, or one more or less."""
    query = draw(_queries)
    values = dict(query)
    sizes = [int(values[name]) for name in ("width", "height") if _DIGITS.fullmatch(values.get(name, ""))]
    whole = sizes[0] * sizes[1] * _CHANNELS.get(values.get("pixel_format", "Mono8"), 1) if len(sizes) == 2 else 4
    return query, bytes(max(0, min(whole, 100_000) + draw(st.sampled_from([0, 0, 0, -1, 1]))))


@settings(max_examples=300, deadline=None)
@given(_requests())
def test_no_query_is_accepted_wrongly_or_is_a_fault_of_ours(
    server: Server, request_: tuple[list[tuple[str, str]], bytes]
) -> None:
    _check(server, *request_)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=100_000, deadline=None)
@given(_requests())
def test_100_000_queries_are_not_accepted_wrongly_either(
    server: Server, request_: tuple[list[tuple[str, str]], bytes]
) -> None:
    _check(server, *request_)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ([("Width", "2"), ("width", "2"), ("height", "2")], "expected width"),
        ([("width", "2"), ("HEIGHT", "2"), ("height", "2")], "expected height"),
        ([("width[]", "2"), ("width", "2"), ("height", "2")], "expected width"),
        ([("width[0]", "2"), ("height", "2")], "expected width"),
        ([(" width", "2"), ("height", "2")], "expected width"),
        ([("width", "2"), ("height", "2"), ("Response_Type", "image")], "expected response_type"),
        ([("width", "2"), ("height", "2"), ("Data", "x")], "expected data"),
        ([("width", "2"), ("height", "2"), ("height", "2")], "height is given twice"),
        ([("width", "\uff12"), ("height", "2")], "width="),
        ([("width", "65535"), ("height", "65535")], "4294836225"),
    ],
)
def test_a_parameter_that_is_nearly_right_is_named(server: Server, query: list[tuple[str, str]], named: str) -> None:
    answer = _post(server, "/analyze_raw_image", query, b"abcd")
    assert answer.status == 400
    assert named in answer.json()["detail"]


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("formed", ["length", "chunks"])
def test_a_byte_too_few_or_too_many_is_refused(server: Server, size: int, formed: str) -> None:
    head = b"POST /analyze_raw_image?width=2&height=2&pixel_format=Mono8 HTTP/1.1\r\nHost: a\r\n"
    body = {
        "length": b"Content-Length: %d\r\n\r\n" % size + b"x" * size,
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n%d\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size),
    }[formed]
    with Connection(server.port) as client:
        client.send(head + body)
        answer = client.answer()
    assert answer is not None
    assert (answer.status, answer.json()["code"]) == (400, "frame_size_mismatch")


@pytest.mark.parametrize(
    ("query", "fields", "said"),
    [
        ("", [("width", "2"), ("width", "2"), ("height", "2")], "width is given twice"),
        ("width=2", [("width", "2"), ("height", "2")], "in the query and in the form"),
        ("", [("width", "2" + "0" * 5000), ("height", "2")], "more than 4096 bytes"),
    ],
)
def test_a_form_names_each_parameter_once(server: Server, query: str, fields: list[tuple[str, str]], said: str) -> None:
    parts: list[tuple[str, tuple[None, str | bytes]]] = [(name, (None, value)) for name, value in fields]
    with server.client() as client:
        answer = client.post(f"/analyze_raw_image?{query}", files=[*parts, ("array", (None, b"abcd"))])
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
