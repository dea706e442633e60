"""What decoders written in C say on standard error, caught: their warnings of damage reach nobody otherwise."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
# what OpenCV's own readers log, and theirs of libtiff's complaints; long ones go on in lines of their own
_OPENCVS_WORDS = re.compile(rb"\[ *(?:WARN|ERROR):[^]]*\] global (?:grfmt_|loadsave)")
# libjpeg's warnings (jerror.h) about data that it went on with; cv2's copy tells stderr only
_DECODERS_WORDS = (
    b"Corrupt JPEG data",
    b"Premature end of JPEG file",
    b"Inconsistent progression sequence",
    b"Invalid SOS parameters",
    b"Warning: unknown JFIF revision",
    b"Unknown Adobe color transform",
)


@contextmanager
def words_of_decoders() -> Iterator[list[bytes]]:
    """Collect what decoders write to stderr; it is filled in at the end. What others wrote there is passed on.

    A client could fill the log with them, one frame after another.
    """
    messages: list[bytes] = []
    stderr = _copy_of_stderr()
    caught = os.memfd_create("framemill-messages")
    if caught != _STDERR:
        os.dup2(caught, _STDERR)
    try:
        yield messages
    finally:
        written = os.pread(caught, 1 << 16, 0).splitlines()
        if stderr is not None:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
        elif caught != _STDERR:
            os.close(_STDERR)
        os.close(caught)
        others = _without_theirs(written, messages)
        if others and stderr is not None:
            os.write(_STDERR, b"".join(line + b"\n" for line in others))


def _without_theirs(written: list[bytes], messages: list[bytes]) -> list[bytes]:
    """Move what decoders said from the lines `written` to `messages` and return the others."""
    others: list[bytes] = []
    goes_on = False
    for line in written:
        opencv = _OPENCVS_WORDS.match(line) is not None
        if opencv or line.startswith(_DECODERS_WORDS):
            messages.append(line.partition(b"] global ")[2] if opencv else line)
            goes_on = opencv
        elif not (goes_on and (not line or line.startswith(b">"))):
            others.append(line)
            goes_on = False
    return others


def _copy_of_stderr() -> int | None:
    try:
        return os.dup(_STDERR)
    except OSError:  # user code has closed it
        return None
