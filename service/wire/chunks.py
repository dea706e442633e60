"""Chunked bodies, read as they come: each byte is looked at once, and nothing waits in here.

A chunk costs the same time whether it brings one byte or a megabyte, and its size line may carry extensions that nobody
reads. Without bounds a million one-byte chunks cost five hundred times what the same bytes cost with a length. What a
client that streams sends (chunks of kilobytes, no extensions, no trailers) is far from every bound here. The chunk
count is that of Triton's HTTP server.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import RFC9110_6_5_1_FORBIDDEN_TRAILER, TOKEN_RE

from service.head_end import HEAD_END
from workers.errors import BodyInvalid, FrameTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CHUNKS = 65_536
_LEAST_MEAN_BYTES = 128  # of which a megabyte costs fifty times what it costs with a length; of 64, a hundred times
_FRAMING_BYTES = len("1\r\n\r\n")  # of a chunk, at least
_GRACE_BYTES = 65_536  # on the wire, in which chunks may be of any size
_LONGEST_LINE_BYTES = 256
_EXTENSION_BYTES = 16_384  # of all chunks together
_TRAILER_BYTES = 8192
_QUOTED = 40  # bytes of what a client sent, in an error
_SIZE = re.compile(rb"[0-9A-Fa-f]+")
_NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class ChunkScanner:
    """Takes the bytes of a chunked body piece by piece, however small, and finds its end.

    `most_bytes` is what the body may have in all.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._step: Callable[[ChunkScanner, memoryview], int] = ChunkScanner._size_line  # of the class: no cycle
        self._keep: Callable[[memoryview], object] = len
        self._line = bytearray()  # of what is no data: as much as came of a size line, a chunk's end, or the trailers
        self._left = 0  # bytes of this chunk's data that are to come
        self._chunks = 0
        self._body_bytes = 0
        self._extension_bytes = 0
        self.is_over = False

    def feed(self, piece: memoryview, keep: Callable[[memoryview], object]) -> int:
        """Hand the data in `piece` to `keep`; returns how much of it is the body's: less than all only at its end.

        Raises:
            BodyInvalid, FrameTooLarge: it is malformed or out of bounds; what follows on the connection means nothing.
        """
        self._keep = keep
        at = 0
        while at < len(piece) and not self.is_over:
            at += self._step(self, piece[at:])
        self._keep = len
        return at

    def _data(self, piece: memoryview) -> int:
        data = piece[: self._left]
        self._keep(data)
        self._left -= len(data)
        if not self._left:
            self._step = ChunkScanner._chunk_end
        return len(data)

    def _chunk_end(self, piece: memoryview) -> int:
        took = piece[: 2 - len(self._line)]
        self._line += took
        if not b"\r\n".startswith(self._line):
            raise _malformed("a chunk does not end in CR LF where its size says")
        if len(self._line) == 2:
            self._line.clear()
            self._step = ChunkScanner._size_line
        return len(took)

    def _size_line(self, piece: memoryview) -> int:
        took = bytes(piece[: _LONGEST_LINE_BYTES + 2 - len(self._line)])
        end = took.find(b"\n") + 1
        self._line += took[:end] if end else took
        if not end:
            if len(self._line) >= _LONGEST_LINE_BYTES + 2:
                raise BodyInvalid(f"the size line of a chunk has more than {_LONGEST_LINE_BYTES} bytes")
            return len(took)
        if not self._line.endswith(b"\r\n"):
            raise _malformed("the size line of a chunk ends in a bare LF")
        line = bytes(self._line[:-2])
        self._line.clear()
        self._begin_chunk(line)
        return end

    def _begin_chunk(self, line: bytes) -> None:
        digits, semicolon, extensions = line.partition(b";")
        if semicolon:
            self._extension_bytes += len(line)
            if self._extension_bytes > _EXTENSION_BYTES:
                raise BodyInvalid(f"the chunks have more than {_EXTENSION_BYTES} bytes of extensions")
            digits = digits.rstrip(b" \t")  # blanks may stand before an extension, and only there
        if not _SIZE.fullmatch(digits):
            raise _malformed(f"the size of a chunk is {digits[:_QUOTED]!r}, a hexadecimal number was expected")
        if semicolon and not CHUNK_EXT_RE.fullmatch(b";" + extensions):
            raise _malformed("a chunk's extension is no name, or no name and value")
        self._left = int(digits, 16)
        if self._left:
            self._count(self._left)
            self._step = ChunkScanner._data
        else:
            self._line += b"\r\n"  # the end of this line may be the first half of the section's end
            self._step = ChunkScanner._trailers

    def _trailers(self, piece: memoryview) -> int:
        took = bytes(piece[:_TRAILER_BYTES])
        before = bytes(self._line[-3:])  # an end that comes in pieces begins in these
        end = (before + took).find(HEAD_END)
        if end < 0:
            self._line += took
            if len(self._line) > _TRAILER_BYTES:
                raise BodyInvalid(f"the trailer section of the chunked body has more than {_TRAILER_BYTES} bytes")
            return len(took)
        took = took[: end + len(HEAD_END) - len(before)]
        self._line += took
        _check_trailers(bytes(self._line[2 : -len(HEAD_END)]))
        self.is_over = True
        return len(took)

    def _count(self, size: int) -> None:
        self._chunks += 1
        self._body_bytes += size
        if self._body_bytes > self._most_bytes:  # at once: what was announced need not come
            raise FrameTooLarge(
                f"the chunks announce {self._body_bytes} bytes, at most {self._most_bytes} are accepted (max_frame_mib)"
            )
        if self._chunks > _MOST_CHUNKS:
            raise BodyInvalid(f"the body has more than {_MOST_CHUNKS} chunks; send larger ones or a Content-Length")
        if self._body_bytes < _LEAST_MEAN_BYTES * self._chunks and self._wire_bytes > _GRACE_BYTES:
            raise BodyInvalid(
                f"the chunks have fewer than {_LEAST_MEAN_BYTES} bytes on average; send larger ones or a Content-Length"
            )

    @property
    def _wire_bytes(self) -> int:
        return self._body_bytes + _FRAMING_BYTES * self._chunks


def _check_trailers(section: bytes) -> None:
    """Nobody reads trailers, but what is no trailer may be the beginning of somebody's next request."""
    for line in section.split(b"\r\n") if section else ():
        name, colon, value = line.partition(b":")
        token = name.decode("latin-1")
        if not colon or not TOKEN_RE.fullmatch(token) or _NOT_IN_A_VALUE.search(value):
            raise _malformed("a trailer is no name and value")
        if token.upper() in RFC9110_6_5_1_FORBIDDEN_TRAILER:
            raise _malformed(f"{token[:_QUOTED]} may not stand in the trailers")


def _malformed(how: str) -> BodyInvalid:
    return BodyInvalid(f"the chunked body is malformed: {how}")


class BoundedChunks:
    """What gunicorn makes for a chunked body (install.py); it is gathered (gathered.py), never read through this.

    `most_bytes` is what a body may have in all; a front sets it once, when it knows its slots.
    """

    most_bytes: ClassVar[int] = 1 << 30

    def __init__(self, req: Any, unreader: Any) -> None:
        del req
        self.unreader = unreader

    def read(self, size: int) -> bytes:
        """Say that there is no more: where the next request would begin is not known."""
        del size
        raise NoMoreData
