"""Chunked bodies: what clients send arrives whole; what is malformed or costs too much is refused early."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from gunicorn.http.errors import NoMoreData
from hypothesis import given, settings
from hypothesis import strategies as st

from service.wire.chunks import ChunkScanner
from workers.errors import BodyInvalid, FrameTooLarge

_END = b"0\r\n\r\n"


class _Wire:
    """Bytes as a socket brings them, 8 KiB at a time, and how many were asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.read_bytes = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            for start in range(0, len(piece), 8192):
                part = piece[start : start + 8192]
                self.read_bytes += len(part)
                yield part


def _chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def _read(wire: _Wire) -> bytes:
    scanner, body = ChunkScanner(1 << 30), bytearray()
    for piece in wire:
        used = scanner.feed(memoryview(piece), body.extend)
        if scanner.is_over:
            return bytes(body)
        assert used == len(piece)
    raise NoMoreData


def _read_all(stream: bytes) -> bytes:
    return _read(_Wire(iter([stream])))


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=30), st.integers(1, 5000))
def test_any_chunks_of_a_frame_arrive_whole(chunks: list[bytes], cut: int) -> None:
    stream = b"".join(map(_chunk, chunks)) + _END
    pieces = iter([stream[start : start + cut] for start in range(0, len(stream), cut)])
    assert _read(_Wire(pieces)) == b"".join(chunks)


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        (_chunk(b"x" * 60, b";name=value") * 20 + _END, b"x" * 1200),
        (_chunk(b"x", b' ; a = "b;c"') + _END, b"x"),
        (b"000A\r\n0123456789\r\n" + _END, b"0123456789"),
        (_chunk(b"x") + b"0;last\r\n\r\n", b"x"),
        (_chunk(b"x") + b"0\r\nDigest: 1\r\n\r\n", b"x"),
        (_chunk(b"x") * 10_000 + _END, b"x" * 10_000),
        (_chunk(b"x" * 128) * 65_536 + _END, b"x" * 128 * 65_536),
    ],
    ids=["extensions", "quoted", "zeros", "last-extension", "trailer", "small-chunks", "as-many-as-may-be"],
)
def test_what_is_within_bounds_is_read(stream: bytes, body: bytes) -> None:
    assert _read_all(stream) == body


@pytest.mark.parametrize(
    ("make", "said", "most_bytes"),
    [
        (lambda: _chunk(b"x"), "on average", 80_000),
        (lambda: _chunk(b"x" * 127), "on average", 80_000),
        (lambda: _chunk(b"x" * 128), "65536 chunks", 9_000_000),
        (lambda: _chunk(b"x" * 1000, b";" + b"e" * 200), "extensions", 120_000),
        (lambda: b"0" * 1000, "size line", 10_000),
        (lambda: b"1" + b" " * 1000, "size line", 10_000),
        (lambda: b"0\r\n" + b"A: b\r\n" * 10_000, "trailer section", 30_000),
    ],
    ids=["one-byte", "127-byte", "too-many", "extensions", "size-line", "blanks", "trailers"],
)
def test_a_body_without_end_is_refused_early(make: Callable[[], bytes], said: str, most_bytes: int) -> None:
    wire = _Wire(make() for _ in range(1_000_000))
    with pytest.raises(BodyInvalid, match=said):
        _read(wire)
    assert wire.read_bytes <= most_bytes


@pytest.mark.parametrize(
    "stream",
    [b"g\r\n", b"-1\r\nx\r\n", b"+1\r\nx\r\n", b"0x1\r\nx\r\n", b"1_0\r\n", b" 1\r\nx\r\n", b"1 \r\nx\r\n", b"\r\n",
     b"1\nx\r\n" + _END, b"1\r\nxx\r\n" + _END, b"1\r\nx" + _END, b"1;a=\x00\r\nx\r\n", b"1;\r\nx\r\n",
     b"1;a\rb\r\nx\r\n", b"\xd9\xa1\r\nx\r\n"],
)  # fmt: skip
def test_what_is_malformed_is_refused(stream: bytes) -> None:
    with pytest.raises(BodyInvalid):
        _read_all(stream)


@pytest.mark.parametrize("stream", [b"40000001\r\nx", b"10000000000000001\r\nx", b"f" * 200 + b"\r\nx"])
def test_a_chunk_that_announces_too_much_is_refused_before_it_comes(stream: bytes) -> None:
    with pytest.raises(FrameTooLarge, match="at most 1073741824 are accepted"):
        _read_all(stream)


@pytest.mark.parametrize(
    "end", [b"", b"5", b"5\r", b"5\r\n", b"5\r\nhell", b"5\r\nhello", b"5\r\nhello\r\n0", b"0\r\n"]
)
def test_a_body_that_breaks_off_is_never_whole(end: bytes) -> None:
    with pytest.raises((NoMoreData, BodyInvalid)):
        _read_all(end)
