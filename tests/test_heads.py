"""A head that is recognised means exactly what it would mean if it were parsed anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from service.heads import _PARSED, RepeatedHead

PEER = ("127.0.0.1", 5000)
HEADS = [
    b"POST /analyze_raw_image?width=2&height=2&data=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    b"POST /analyze_raw_image?width=2&height=2&data=12 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    b"POST /analyze_raw_image?width=2&height=2&data=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX: y\r\n\r\n",
    b"PUT /analyze_image HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n",
    b"POST /x HTTP/1.0\r\nContent-Length: 4\r\n\r\n",
    b"POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
]


def _body(head: bytes, number: int) -> bytes:
    payload = b"%04d" % number
    return b"4\r\n" + payload + b"\r\n0\r\n\r\n" if b"chunked" in head else payload


def _read(kind: type[Any], chunks: list[bytes], count: int) -> Iterator[dict[str, Any]]:
    unreader = IterUnreader(iter(chunks))
    for _ in range(count):
        request = kind(Config(), unreader, PEER)
        fields = {name: getattr(request, name) for name in _PARSED}
        yield fields | {"body": request.body.read(), "close": request.should_close()}


ORDER = [0, 0, 1, 0, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 0, 0]


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
def test_recognised_heads_mean_what_parsed_ones_do(size: int) -> None:
    stream = b"".join(HEADS[i] + _body(HEADS[i], number) for number, i in enumerate(ORDER))
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    recognised = list(_read(RepeatedHead, list(chunks), len(ORDER)))
    parsed = list(_read(Request, list(chunks), len(ORDER)))
    assert recognised == parsed
    assert [fields["body"] for fields in recognised] == [b"%04d" % number for number in range(len(ORDER))]


def test_a_head_is_recognised_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    original = Request.parse_request_line

    def counting(self: Request, line: bytes) -> None:
        parsed.append(line)
        original(self, line)

    monkeypatch.setattr(Request, "parse_request_line", counting)
    list(_read(RepeatedHead, [HEADS[0] + b"0000"] * 5, 5))
    assert len(parsed) == 1


def test_a_head_that_ends_early_is_never_completed_from_memory() -> None:
    cut = HEADS[0][:-2]
    requests = _read(RepeatedHead, [HEADS[0] + b"0000", cut], 2)
    next(requests)
    with pytest.raises(NoMoreData):
        next(requests)
