"""Server-sent events on a connection: a thread of their own each, at most so many a front; a slow client is cut off.

A front has these threads beyond those that frames need (front.py), and a connection whose thread only waits is not
counted where threads are given to others (turns.py). Nothing is written while the client has not taken what came
before; one that takes nothing for five seconds loses its connection, and is counted.
"""

from __future__ import annotations

import errno
import select
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from service.wire.unsent import Outgoing

if TYPE_CHECKING:
    import falcon

_TAKES_S = 5.0
_BEAT_S = 10.0  # a proxy ends what says nothing for a minute
_POLL_MS = 50
_LOOK_S = 1.0
_RETRY_MS = 1000
_LATER_MS = 2000


class Streams:
    """How many streams a front has; `most` at most. `count` is told of what happens to them, by a counter's name.

    `is_still_in` tells of a request whether it would be let in now.
    """

    def __init__(
        self,
        most: int,
        is_ending: Callable[[], bool],
        count: Callable[[str], None],
        is_still_in: Callable[[falcon.Request], bool],
    ) -> None:
        self.is_still_in = is_still_in
        self.is_ending = is_ending
        self.count = count
        self._most = most
        self._now = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place; False where there is none."""
        with self._lock:
            if self._now >= self._most or self.is_ending():
                return False
            self._now += 1
            return True

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._now -= 1

    @property
    def now(self) -> int:
        """How many there are."""
        return self._now


class EventStream:
    """A stream as an iterable of WSGI; `source` yields bytes as they are due, and nothing, b"", at least each second.

    It ends where the source ends, the server does, the client is gone, or is not let in any more.
    """

    def __init__(
        self,
        env: dict[str, Any],
        streams: Streams,
        source: Iterator[bytes],
        *,
        is_still_in: Callable[[], bool],
        farewell: bytes,
    ) -> None:
        self._is_still_in = is_still_in
        self._farewell = farewell
        self._look_s = 0.0
        connection = env.get("gunicorn.socket")
        self._connection = connection if isinstance(connection, Outgoing) else None
        self._streams = streams
        self._source = source
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        """Send what is due."""
        yield b"retry: %d\n\n" % _RETRY_MS
        said_s = time.monotonic()
        for piece in self._wait_for_each():
            now_s = time.monotonic()
            if piece:
                yield piece
            elif now_s - said_s >= _BEAT_S:
                yield b":\n\n"
            else:
                continue
            said_s = now_s
            self._see_taken(now_s + _TAKES_S)
        if self._farewell and not self._is_still_in():
            yield self._farewell

    def _wait_for_each(self) -> Iterator[bytes]:
        while not self._streams.is_ending() and not self._is_gone() and self._may_go_on():
            if self._connection is not None:
                self._connection.waits = True
            piece = next(self._source, None)
            if piece is None:
                return
            yield piece

    def _may_go_on(self) -> bool:
        now_s = time.monotonic()
        if now_s >= self._look_s:
            self._look_s = now_s + _LOOK_S
            return self._is_still_in()
        return True

    def _is_gone(self) -> bool:
        if self._connection is None:
            return False
        poll = select.poll()
        poll.register(self._connection, select.POLLRDHUP)
        return bool(poll.poll(0))

    def _see_taken(self, until_s: float) -> None:
        """Wait until the client has taken all; raises ConnectionResetError where it does not."""
        connection = self._connection
        if connection is None or connection.unsent is None:
            return
        poll = select.poll()
        poll.register(connection, select.POLLOUT)
        while (unsent := connection.unsent) is not None:
            if unsent.send(connection):
                connection.forget()
                return
            if unsent.is_lost or time.monotonic() >= until_s or self._streams.is_ending():
                connection.forget()
                self._streams.count("live.cut_off")
                raise ConnectionResetError(errno.ECONNRESET, "a browser did not take its events")
            connection.waits = True
            poll.poll(_POLL_MS)

    def close(self) -> None:
        """Give the place back; WSGI servers call this at the end in any case."""
        if self._is_open:
            self._is_open = False
            self._streams.leave()

    def __del__(self) -> None:
        """Give the place back where the server met a fault before it asked for anything."""
        self.close()


def answer_with_stream(
    req: falcon.Request,
    resp: falcon.Response,
    streams: Streams,
    source: Callable[[], Iterator[bytes]],
    farewell: bytes = b"",
) -> None:
    """Answer with a stream; where there is no place for one with its beginning, to be asked for again soon.

    `farewell` is said to who is not let in any more.
    """
    is_still_in = partial(streams.is_still_in, req)
    resp.content_type = "text/event-stream"
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("X-Content-Type-Options", "nosniff")
    resp.set_header("X-Accel-Buffering", "no")
    if streams.enter():
        resp.stream = EventStream(req.env, streams, source(), is_still_in=is_still_in, farewell=farewell)
        return
    streams.count("live.polled")
    resp.data = b"retry: %d\n\n" % _LATER_MS + next(source(), b"")


def event(name: str, data: str | bytes, event_id: str = "") -> bytes:
    """Return an event as it is sent; data of several lines are several lines."""
    text = data.encode() if isinstance(data, str) else data
    lines = b"".join(b"data: %b\n" % line for line in text.replace(b"\r", b"").split(b"\n"))
    first = b"id: %b\n" % event_id.encode() if event_id else b""
    return b"%bevent: %b\n%b\n" % (first, name.encode(), lines)
