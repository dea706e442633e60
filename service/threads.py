"""gunicorn's threaded worker, with a shorter way from one request of a camera to its next.

A camera posts its next frame as soon as it has the answer, or a takt later. gunicorn would hand the connection back to
its main thread, wait for it there and hand it to a thread again: four wake-ups and as many trips through the
interpreter's lock. Here the thread that answered waits for the next request itself, while threads are not scarce.
"""

from __future__ import annotations

import select
import threading
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

import service.chunks  # from here on gunicorn bounds chunked bodies
import service.heads  # noqa: F401 - from here on gunicorn notes heads
from service.repeat import answer_again
from service.wire import response_head

_STEP_MS = 100  # how soon a waiting thread sees that the front is to stop
_STEPS = 20
_SHORT_BYTES = 65_536
_SPARE_THREADS = 32  # never waiting for a camera: for new connections, health and the page


class OneWrite(wsgi.Response):  # type: ignore[misc]  # gunicorn publishes no types
    """Sends headers and a short body together: one system call, and the client wakes up once."""

    def write(self, arg: bytes) -> None:
        """See WSGI's write callable."""
        whole = self.response_length == len(arg) and 0 < len(arg) <= _SHORT_BYTES
        if self.headers_sent or self.chunked or self._omits_body or self.upgrade or not whole:
            super().write(arg)
            return
        major, minor = self.req.version
        head = response_head(f"{major}.{minor}", self.status, self.headers, keep=not self.should_close())
        self.headers_sent: bool = True
        self.sent: int = len(arg)
        util.write(self.sock, head + arg)


# wsgi.create makes whatever stands under this name
wsgi.Response = OneWrite


class CameraThreads(ThreadWorker):  # type: ignore[misc]  # gunicorn publishes no types
    """Serves a connection's requests one after the other in one thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = 0
        self._waiting_lock = threading.Lock()

    def handle(self, conn: Any) -> Any:
        """Answer requests until the connection pauses, closes, or its thread is needed elsewhere."""
        while True:
            result = answer_again(conn.parser.unreader, conn.sock) if self._may_repeat(conn) else None
            if result is None:
                result = super().handle(conn)
            # False is closed; gunicorn's own mark for "no data yet" is neither
            if result is not True or conn.is_http2 or not self._next_request_comes(conn):
                return result

    def _may_repeat(self, conn: Any) -> bool:
        return bool(self.alive and conn.initialized and not conn.is_http2)

    def _next_request_comes(self, conn: Any) -> bool:
        if conn.parser.unreader.buf.tell():  # it came together with the one before
            return bool(self.alive)
        with self._waiting_lock:
            if self._waiting >= self.cfg.threads - _SPARE_THREADS:
                return False
            self._waiting += 1
        try:
            return self._becomes_readable(conn)
        finally:
            with self._waiting_lock:
                self._waiting -= 1

    def _becomes_readable(self, conn: Any) -> bool:
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        for _ in range(_STEPS):
            if not self.alive:
                return False
            if poll.poll(_STEP_MS):
                return True
        return False
