"""What workers say outside of frames and on their descriptors 1 and 2: bounded, prefixed, in the server's own log.

Both descriptors of a worker are one pipe that never blocks it: what finds no room is lost, for a log is not worth a
frame. The same goes for templates, which say what user code prints when it is imported. The supervisor reads a little
of each pipe per turn of its loop and writes whole lines to its standard error::

    worker 4711: what was said

A line may begin with its priority, `<0>` to `<7>` (sd-daemon(3)): it stays in front where the journal reads standard
error, and is taken off elsewhere. At most 64 kB/s are kept of each worker; the rest is thrown away unread and counted.
Control characters become escapes, so that no line can pass for one of ours. What user code prints during a frame is not
here: it goes into the frame's context (flow/run.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import selectors
import time
from dataclasses import dataclass, field

from workers.server_log import is_read_by_journal

_KEPT_PER_S_BYTES = 64 * 1024
_TURN_BYTES = 16 * 1024
_LAST_WORDS_BYTES = 16 * 1024  # of a worker that died: the trace of a crash
_LINE_BYTES = 4096  # prefix included: what a pipe takes in one piece (PIPE_BUF)
_PIPE_BYTES = 256 * 1024
_SECOND_NS = 1_000_000_000
_STDERR = 2
_PRIORITIES = frozenset(b"%d" % priority for priority in range(8))


@dataclass(slots=True)
class _Source:
    """One worker's pipe, and what was kept of it in the present second."""

    name: str
    fd: int
    begun: bytes = b""  # a line whose end has not come
    skips: bool = False  # the rest of a line that was cut is on its way
    since_ns: int = field(default_factory=time.monotonic_ns)
    kept_bytes: int = 0
    dropped_bytes: int = 0


class Outputs:
    """The pipes of all workers, read by the supervisor's loop."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._sources: dict[int, _Source] = {}
        self._nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._marked = is_read_by_journal()
        self._log = select.poll()
        self._log.register(_STDERR, select.POLLOUT)

    @staticmethod
    def pipe() -> tuple[int, int]:
        """Make the pipe of a worker to come: the end to follow, and the end to write to; neither blocks."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.suppress(OSError):  # a user may have only so much in pipes: the usual size does too
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return reader, writer

    def follow(self, pid: int, fd: int, what: str = "worker") -> None:
        """Read what the process `pid` writes to the pipe that ends in `fd`, and close that in the end."""
        source = self._sources[pid] = _Source(f"{what} {pid}", fd)
        self._selector.register(fd, selectors.EVENT_READ, lambda: self._turn(source))

    def quote(self, pid: int, what: str, text: bytes) -> None:
        """Write the end of what a worker left behind in other ways than its pipe, under a line that says what it is."""
        source = self._sources.get(pid)
        if source is None or not text:
            return
        source.kept_bytes = 0
        last = text[-_LAST_WORDS_BYTES:]
        cut = f", the last {len(last):,} of {len(text):,} bytes" if len(last) < len(text) else ""
        for line in (f"{what}{cut}:".encode(), *last.rstrip(b"\n").split(b"\n")):
            self._keep(source, line)

    def end(self, pid: int) -> None:
        """Write the last words of a worker that has ended. Children of it may go on writing: nobody reads them."""
        source = self._sources.pop(pid)
        waiting = b""
        while len(waiting) < _PIPE_BYTES and (said := _read(source.fd, _PIPE_BYTES)):
            waiting += said
        self._close(source)
        last = waiting[-_LAST_WORDS_BYTES:]
        source.skips = source.skips or len(last) < len(waiting)
        source.dropped_bytes += len(waiting) - len(last)
        source.kept_bytes = 0
        self._take(source, last + b"\n" if last or source.begun else b"")
        self._say_dropped(source)

    def tick(self, now_ns: int) -> None:
        """Begin a new second for those whose last one is over, and say what was dropped in it."""
        for source in self._sources.values():
            if now_ns - source.since_ns >= _SECOND_NS:
                source.since_ns = now_ns
                source.kept_bytes = 0
                self._say_dropped(source)

    def _turn(self, source: _Source) -> None:
        if source.kept_bytes >= _KEPT_PER_S_BYTES:
            self._throw_away(source)
        elif said := _read(source.fd, _TURN_BYTES):
            self._take(source, said)
        elif said is not None:  # the worker and its children have closed it; it would be readable for ever
            self._close(source)

    def _close(self, source: _Source) -> None:
        if source.fd >= 0:
            self._selector.unregister(source.fd)
            os.close(source.fd)
            source.fd = -1

    def _throw_away(self, source: _Source) -> None:
        """Empty the pipe without reading it: so a flood costs the supervisor next to nothing."""
        with contextlib.suppress(BlockingIOError):
            source.dropped_bytes += os.splice(source.fd, self._nowhere, _PIPE_BYTES, flags=os.SPLICE_F_NONBLOCK)
            source.dropped_bytes += len(source.begun)
            source.begun = b""
            source.skips = True

    def _take(self, source: _Source, said: bytes) -> None:
        *lines, rest = (source.begun + said).split(b"\n")
        for line in lines:
            if source.skips:
                source.dropped_bytes += len(line)
                source.skips = False
            else:
                self._keep(source, line)
        if source.skips or len(rest) > _LINE_BYTES:
            if not source.skips:
                self._keep(source, rest)
            source.dropped_bytes += len(rest) if source.skips else 0
            source.skips, rest = True, b""
        source.begun = rest

    def _keep(self, source: _Source, line: bytes) -> None:
        mark = line[:3] if line[:1] == b"<" and line[1:2] in _PRIORITIES and line[2:3] == b">" else b""
        line = line[len(mark) :]
        shown = f"{source.name}: {escaped(line[:_LINE_BYTES])}".encode()
        if len(shown) >= _LINE_BYTES:
            source.dropped_bytes += max(0, len(line) - _LINE_BYTES)
            shown = shown[: _LINE_BYTES - 7].decode("utf-8", "ignore").encode() + b" [cut]"
        if source.kept_bytes + len(shown) > _KEPT_PER_S_BYTES or not self._write(
            (mark if self._marked else b"") + shown
        ):
            source.kept_bytes = max(source.kept_bytes, _KEPT_PER_S_BYTES)  # no line of less gets past it either
            source.dropped_bytes += len(line)
            return
        source.kept_bytes += len(shown) + 1

    def _say_dropped(self, source: _Source) -> None:
        if source.dropped_bytes and self._write(f"{source.name}: ... {source.dropped_bytes:,} bytes dropped".encode()):
            source.dropped_bytes = 0

    def _write(self, line: bytes) -> bool:
        """Write one line where standard error has room: whoever reads it must not be able to stop the supervisor."""
        if not self._log.poll(0):
            return False
        with contextlib.suppress(OSError):
            os.write(_STDERR, line + b"\n")
        return True


def _read(fd: int, size: int) -> bytes | None:
    """Return what is there, nothing at the end, None where nothing has come."""
    if fd < 0:
        return b""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None


def escaped(line: bytes) -> str:
    """Return `line` as text that is all on one line of a terminal: what cannot be printed is shown as an escape."""
    text = line.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
