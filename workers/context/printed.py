"""What user code prints while a frame is inspected: bounded, and never an error of the frame."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import NamedTuple, TextIO

MAX_OUTPUT_BYTES = 64 * 1024  # of each of stdout and stderr: more is a mistake in a flow that runs all day


class BoundedText(io.TextIOBase):
    """What user code prints: the first MAX_OUTPUT_BYTES of it, and whether there was more.

    Once it was `lent`, only what that thread writes before it is `taken_back` is kept; the rest goes where it would go
    without a frame: another thread's lines are of no frame, nor are those of a handler that code keeps.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._cut = False
        self.heard: Callable[[bytes], None] | None = None  # is told what is kept
        self._elsewhere: TextIO | None = None
        self._thread = 0

    def lent(self, elsewhere: TextIO | None) -> TextIO:
        """Keep from now on what the thread that asks writes; return this stream."""
        self._elsewhere, self._thread = elsewhere, get_ident()
        return self  # type: ignore[return-value]  # as text streams of Python's own

    def taken_back(self) -> None:
        """Keep nothing more."""
        self._thread = 0

    def write(self, text: str) -> int:
        """Keep what still fits; what UTF-8 cannot hold is kept as an escape."""
        if not isinstance(text, str):
            msg = f"write() takes text, got {type(text).__name__}"
            raise TypeError(msg)
        if self._elsewhere is not None and get_ident() != self._thread:
            return self._elsewhere.write(text)
        room = MAX_OUTPUT_BYTES - len(self._kept)
        encoded = text[: room + 1].encode("utf-8", "backslashreplace")
        self._cut = self._cut or len(encoded) > room
        self._kept += encoded[:room]
        if self.heard is not None and room > 0:
            self.heard(encoded[:room])
        return len(text)

    def writable(self) -> bool:
        """Say yes, as a text stream does."""
        return True

    @property
    def is_empty(self) -> bool:
        """Whether nothing was printed, and more could be."""
        return not self._kept and not self.closed

    def text(self) -> str:
        """Return what was kept, with a mark at its end where there was more."""
        kept = self._kept.decode("utf-8", "ignore")
        return f"{kept}\n[cut: more than {MAX_OUTPUT_BYTES} bytes were printed]\n" if self._cut else kept


class Printed(NamedTuple):
    """The two streams of user code; those in which nothing was printed serve the next frame too."""

    stdout: BoundedText
    stderr: BoundedText

    @classmethod
    def fresh(cls) -> Printed:
        """Two empty ones."""
        return cls(BoundedText(), BoundedText())

    def listen(self, heard: Callable[[int, bytes], None]) -> None:
        """Tell `heard` all that is printed, by the number of the stream."""
        for number, stream in enumerate(self):
            stream.heard = partial(heard, number)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was printed to either."""
        return self.stdout.is_empty and self.stderr.is_empty
