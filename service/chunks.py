"""Bounds on chunked bodies: what gunicorn parses, counted while it does.

A chunk costs the same time whether it brings one byte or a megabyte, and its size line may carry extensions that nobody
reads. Without bounds a million one-byte chunks cost five hundred times what the same bytes cost with a length. What a
client that streams sends (chunks of kilobytes, no extensions, no trailers) is far from every bound here. The chunk
count is that of Triton's HTTP server.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gunicorn.http import message
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import NoMoreData, ParseException

from workers.errors import BodyInvalid, FrameTooLarge

_MOST_CHUNKS = 65_536
_LEAST_MEAN_BYTES = 128  # of which a megabyte costs fifty times what it costs with a length; of 64, a hundred times
_FRAMING_BYTES = len("1\r\n\r\n")  # of a chunk, at least
_GRACE_BYTES = 65_536  # on the wire, in which chunks may be of any size
_LONGEST_LINE_BYTES = 256
_EXTENSION_BYTES = 16_384  # of all chunks together
_TRAILER_BYTES = 8192
_QUOTED = 120  # characters of what a client sent, in an error


class BoundedChunks(ChunkedReader):  # type: ignore[misc]  # gunicorn publishes no types
    """Reads a chunked body and refuses one that is malformed or out of all proportion.

    `most_bytes` is what a body may have in all; a front sets it once, when it knows its slots.
    """

    most_bytes: ClassVar[int] = 1 << 30

    def __init__(self, req: Any, unreader: Any) -> None:
        super().__init__(req, unreader)
        self.unreader = unreader
        self.limit_trailer_section: int = min(self.limit_trailer_section, _TRAILER_BYTES)
        self._chunks = 0
        self._body_bytes = 0
        self._extension_bytes = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the body, fewer only at its end.

        Raises:
            BodyInvalid, FrameTooLarge: it is malformed or out of bounds; what follows on the connection means nothing.
            NoMoreData: the client stopped sending.
        """
        try:
            data: bytes = super().read(size)
        except ParseException as error:
            raise BodyInvalid(f"the chunked body is malformed: {str(error)[:_QUOTED]}") from None
        return data

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> tuple[int, bytes | None]:
        """Read a size line, of which the first bytes are in `data`; returns the size and what follows the line."""
        line = data or b""
        while (end := line.find(b"\r\n", 0, _LONGEST_LINE_BYTES + 2)) < 0:
            if len(line) >= _LONGEST_LINE_BYTES + 2:
                raise BodyInvalid(f"the size line of a chunk has more than {_LONGEST_LINE_BYTES} bytes")
            more = unreader.read()
            if not more:
                raise NoMoreData
            line += more
        if b";" in line[:end]:
            self._count_extension(end)
        size: int
        size, rest = super().parse_chunk_size(unreader, line)
        if size:
            self._count(size)
        return size, rest

    def _count_extension(self, line_bytes: int) -> None:
        self._extension_bytes += line_bytes
        if self._extension_bytes > _EXTENSION_BYTES:
            raise BodyInvalid(f"the chunks have more than {_EXTENSION_BYTES} bytes of extensions")

    def _count(self, size: int) -> None:
        self._chunks += 1
        self._body_bytes += size
        if self._body_bytes > self.most_bytes:  # at once: what was announced need not come
            raise FrameTooLarge(
                f"the chunks announce {self._body_bytes} bytes, at most {self.most_bytes} are accepted (max_frame_mib)"
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


# a request of gunicorn's makes whatever stands under this name
message.ChunkedReader = BoundedChunks
