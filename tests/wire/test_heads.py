"""The head that a connection notes is byte for byte what gunicorn has parsed, or none."""

from __future__ import annotations

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from service.wire.request_head import NotedHead, last_head

PEER = ("127.0.0.1", 5000)
HEADS = [
    b"POST /analyze_raw_image?width=2&height=2&data=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    b"PUT /analyze_image HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    b"POST /x HTTP/1.0\r\nContent-Length: 4\r\n\r\n",
    b"POST /z HTTP/1.1\r\nHost: a\r\nLong: " + b"x" * 5000 + b"\r\nContent-Length: 4\r\n\r\n",
]
FIELDS = ("method", "uri", "path", "query", "version", "headers", "scheme")


def _read(kind: type[Any], chunks: list[bytes]) -> list[tuple[dict[str, Any], bytes | None]]:
    unreader = IterUnreader(iter(chunks))
    found = []
    for _ in HEADS:
        request = kind(Config(), unreader, PEER)
        fields = {name: getattr(request, name) for name in FIELDS}
        found.append((fields | {"body": request.body.read()}, last_head(unreader)))
    return found


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
def test_noting_changes_nothing(size: int) -> None:
    stream = b"".join(head + b"%04d" % number for number, head in enumerate(HEADS))
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    noted = _read(NotedHead, list(chunks))
    assert [fields for fields, _ in noted] == [fields for fields, _ in _read(Request, list(chunks))]


def test_a_head_that_came_whole_is_noted() -> None:
    noted = _read(NotedHead, [head + b"0000" for head in HEADS])
    assert [head for _, head in noted] == HEADS


def test_a_head_in_pieces_is_not_noted() -> None:
    unreader = IterUnreader(iter([HEADS[0][:20], HEADS[0][20:] + b"0000"]))
    NotedHead(Config(), unreader, PEER)
    assert last_head(unreader) is None


def test_a_head_that_ends_early_is_no_request() -> None:
    unreader = IterUnreader(iter([HEADS[0][:-2]]))
    with pytest.raises(NoMoreData):
        NotedHead(Config(), unreader, PEER)
    assert last_head(unreader) is None
