"""Whatever text a client sends along in `data` comes back exactly, or is refused; it never becomes a header."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.wire.response import SlotStream
from tests.clients.raw_http import Answer, Connection
from tests.support.running import Server

_HEADERS = {
    b"server",
    b"date",
    b"x-request-id",
    b"connection",
    b"content-type",
    b"content-length",
    b"contextbase64utf",
    b"context",
}
VALUES = int(os.environ.get("SOAK_VALUES", "100000"))
_RAW = "/analyze_raw_image?width=2&height=2&pixel_format=Mono8"


def _ask(server: Server, data: str, query: str) -> Answer:
    with Connection(server.port) as client:
        head = f"POST {_RAW}{query}&data={data} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
        client.send(head.encode())
        answer = client.answer()
        assert answer is not None
        assert client.rest() == b""
    names = {line.split(b":")[0].lower() for line in answer.head.split(b"\r\n")[1:] if line}
    assert names <= _HEADERS, answer.head
    return answer


def _check(server: Server, data: bytes) -> None:
    sent = quote(data)
    # equally long, so that both are refused or neither
    body, picture = _ask(server, sent, "&not_for_us=anything"), _ask(server, sent, "&response_type=image")
    assert body.status == picture.status
    if body.status == 200:
        in_headers = dict(line.split(b": ", 1) for line in picture.head.split(b"\r\n")[1:] if line)
        whole = data.decode()
        assert body.json()["seen"]["data"] == whole
        assert json.loads(base64.b64decode(in_headers[b"ContextBase64utf"]))["seen"]["data"] == whole
        assert json.loads(in_headers[b"context"])["seen"]["data"] == whole
    else:
        assert body.status in {400, 414, 431}, body


_texts = st.one_of(
    st.text(max_size=300).map(str.encode),
    st.text(alphabet="\r\n\0: \u20ac\U0001f600X-Evil1Location\u2028\x7f\ufeff\"\\'<>&+%#", max_size=200).map(
        str.encode
    ),
    st.binary(max_size=100),
    st.builds(lambda text, times: (text * times).encode(), st.text(min_size=1, max_size=4), st.integers(100, 2000)),
)


@settings(max_examples=200, deadline=None)
@given(_texts)
@example(b"\r\nX-Evil: 1\r\n\r\n")
@example("\U0001f600".encode() * 200)
@example(b"\xff\xfe")
@example(b"\x7f")
@example(b"\xed\xa0\x80")
@example(b"x" * 1_000_000)
def test_any_data_comes_back_exactly_or_is_refused(server: Server, data: bytes) -> None:
    _check(server, data)


def test_an_answer_that_is_never_sent_gives_its_slot_back() -> None:
    given_back: list[bool] = []
    answer = SlotStream({}, memoryview(b""), lambda: False, lambda: given_back.append(True))
    del answer
    assert given_back == [True]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_100_000_values_of_data_come_back_exactly_or_are_refused(server: Server) -> None:
    """SOAK_VALUES says how many; all of them differ, and each is sent for a context and for a picture."""
    seen: set[bytes] = set()

    @settings(max_examples=VALUES, deadline=None, database=None)
    @given(_texts)
    def check(data: bytes) -> None:
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if digest not in seen and len(seen) < VALUES:
            seen.add(digest)
            _check(server, data)

    while len(seen) < VALUES:
        check()
