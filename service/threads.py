"""gunicorn's threaded worker, with a lobby before its threads and a shorter way from one request to the next.

A connection is given to a thread once the head of its request is there (lobby.py). A camera posts its next frame as
soon as it has the answer, or a takt later: the thread that answered waits for it, while threads are not scarce, for the
way through the main thread would cost four wake-ups and as many trips through the interpreter's lock.
"""

from __future__ import annotations

import errno
import logging
import select
import selectors
import socket
import threading
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

import service.one_write  # noqa: F401 - from here on gunicorn answers with one system call
from service.door import let_in, shut, stop_handshakes
from service.heads import head_is_whole
from service.lobby import Lobby, Patience
from service.repeat import answer_again
from service.scarce import ScarceThreads
from service.wire import BodyPaused, receive_in_steps

_log = logging.getLogger(__name__)

_WAIT_S = 2.0
_STEP_MS = 50  # how soon a thread that waits on TLS sees that the front is to stop
_SPARE_THREADS = 32  # never waiting for a camera: for new connections, health and the page
_TURN_S = 0.1  # how often deadlines are looked at
_HEAD_S = 5.0
_LINGER_S = 1.0  # for a request that a client is sending while the front is asked to stop
_HANDSHAKE_S = 0.2  # for a client on the way from its SYN to its ACK
_NO_DESCRIPTORS_S = 0.5
_COMPLAINT_S = 1.0
_READ_BYTES = 8192


class CameraThreads(ThreadWorker):  # type: ignore[misc]  # gunicorn publishes no types
    """Serves a connection's requests one after the other in one thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inside = 0
        self._inside_lock = threading.Lock()
        self._handshakes: dict[Any, float] = {}  # TLS connections in a thread without a request yet: until when
        self._looked_at = 0.0
        self._accept_from = 0.0
        self._door_closes = False
        self._complain_from = 0.0

    def get_thread_pool(self) -> ScarceThreads:
        """See gunicorn: made once, in the front's own process."""
        return ScarceThreads(self.cfg.threads)

    def run(self) -> None:
        """Serve until asked to stop, then until nobody is left."""
        patience = Patience(float(self.cfg.keepalive), _HEAD_S, self.app.body_s)
        self._lobby = Lobby(self.poller, patience, self.enqueue_req, self._count_out, self.app.count_failed)
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self._share = self.app.share
        while self.alive and self.is_parent_alive():
            self._turn()
        self._drain()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()
        for listener in self.sockets:
            listener.close()

    def _turn(self) -> None:
        self.notify()
        self.wait_for_and_dispatch_events(self._share.patience_s(_TURN_S))
        now_s = time.monotonic()
        may_accept = self.alive and now_s >= self._accept_from
        self._share.note(self.nr_conns, counts=may_accept)
        if may_accept and not self._accepting and self._share.is_open(now_s):
            self.set_accept_enabled(True)
        if now_s - self._looked_at < _TURN_S:
            return
        self._looked_at = now_s
        self._lobby.call_time()
        self.murder_keepalived()
        self.murder_pending()
        self._end_handshakes(now_s)

    def _drain(self) -> None:
        """Answer who is here, and who comes while others are still here; then close the door and answer the rest."""
        begun_s = time.monotonic()
        self.set_accept_enabled(True)
        self._lobby.hurry(begun_s + _LINGER_S)
        self._cap_keepalive(begun_s + _LINGER_S)
        self._turn_until(begun_s + _LINGER_S)
        self._door_closes = self.app.closes_the_door
        if self._door_closes:
            for listener in self.sockets:
                stop_handshakes(listener)
            handshakes_end_s = time.monotonic() + _HANDSHAKE_S
            while time.monotonic() < handshakes_end_s:  # also where nobody is here: somebody may be on the way
                self._turn()
        self._accept_all()
        self.set_accept_enabled(False)
        if self._door_closes:
            for listener in self.sockets:
                shut(listener)
        self._turn_until(begun_s + self.cfg.graceful_timeout)
        self._lobby.end()

    def _turn_until(self, end_s: float) -> None:
        while self.nr_conns and time.monotonic() < end_s:
            self._turn()

    def _accept_all(self) -> None:
        for listener in self.sockets:
            while self._accepting and self._accept_one(listener):
                pass

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection into the lobby, or leave it to a front that has fewer."""
        if self.alive and not self._share.is_mine(self.nr_conns):
            self.set_accept_enabled(False)
            return
        self._accept_one(listener)

    def _accept_one(self, listener: socket.socket) -> bool:
        """Returns whether there was one."""
        if self.nr_conns >= self.worker_connections:
            self._lobby.make_room()
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                self._suffer(error)
            return error.errno == errno.ECONNABORTED
        if self._door_closes:
            let_in(client)
        self.nr_conns += 1
        conn = TConn(self.cfg, client, address, listener.getsockname())
        if self.cfg.is_ssl:
            self._await_handshake(conn)
        else:
            conn.init()
            receive_in_steps(client)
            self._lobby.await_head(conn)
        return True

    def _suffer(self, error: OSError) -> None:
        """Let an idle connection go for who comes, and one more, for files are opened too; where none is, wait."""
        now_s = time.monotonic()
        found = self._lobby.make_room() and self._lobby.make_room()
        if now_s >= self._complain_from:
            self._complain_from = now_s + _COMPLAINT_S
            what = "idle ones are closed for it" if found else "it has to wait"
            _log.error("there is no descriptor for a connection: %s; %s", error, what)
        if not found:
            self._accept_from = now_s + _NO_DESCRIPTORS_S
            self.set_accept_enabled(False)

    def _await_handshake(self, conn: Any) -> None:
        """Let a TLS client that has not said anything wait without a thread."""
        conn.timeout = time.monotonic() + _HEAD_S
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _count_out(self) -> None:
        self.nr_conns -= 1

    def handle(self, conn: Any) -> Any:
        """Answer requests until the connection pauses, closes, or its thread is needed elsewhere."""
        with self._inside_lock:
            self._inside += 1
        try:
            return self._handle_all(conn)
        except BodyPaused as paused:
            return paused
        finally:
            self._handshakes.pop(conn, None)
            with self._inside_lock:
                self._inside -= 1

    def _handle_all(self, conn: Any) -> Any:
        while True:
            result = answer_again(conn.parser.unreader, conn.sock) if self._may_repeat(conn) else None
            if result is None:
                if not self._has_whole_head(conn):
                    return True
                result = super().handle(conn)
            # False is closed; gunicorn's own mark for "no data yet" is neither
            if result is not True or conn.is_http2 or not self._next_request_comes(conn):
                return result

    def _may_repeat(self, conn: Any) -> bool:
        return bool(self.alive and conn.initialized and not conn.is_http2)

    def _has_whole_head(self, conn: Any) -> bool:
        """Whether the parser would not have to wait; a connection that ended has as much as there will ever be."""
        if self.cfg.is_ssl:
            self._handshakes[conn] = time.monotonic() + _HEAD_S
            return True
        unreader = conn.parser.unreader
        if not unreader.buf.tell():
            conn.sock.setblocking(True)
            try:
                received = conn.sock.recv(_READ_BYTES)
            except OSError:  # reset: gunicorn finds its end next
                received = b""
            if not received:
                return True
            unreader.unread(received)
        return head_is_whole(unreader.buf)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """See gunicorn: a request was parsed and is answered."""
        self._handshakes.pop(conn, None)
        return super().handle_request(req, conn)

    def _end_handshakes(self, now_s: float) -> None:
        """Wake threads that wait for a TLS client's handshake or head, by ending its connection."""
        for conn in [conn for conn, until_s in list(self._handshakes.items()) if until_s <= now_s]:
            self._handshakes.pop(conn, None)
            shut(conn.sock)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread gives a connection back to the main thread, where this runs."""
        try:
            result = not fs.cancelled() and fs.result()
        except Exception:  # noqa: BLE001 - whatever it was, it may not end the loop that all connections live in
            _log.exception("a connection met a fault of ours")
            result = False
        if isinstance(result, BodyPaused):
            self._lobby.await_body(conn, result)
        elif result is True and not self.cfg.is_ssl and not conn.is_http2:
            self._lobby.await_head(conn)
        elif result:
            super().finish_request(conn, fs)
        else:
            self._lobby.see_off(conn)

    def _next_request_comes(self, conn: Any) -> bool:
        if conn.parser.unreader.buf.tell():  # it came together with the one before
            return bool(self.alive)
        if self._inside > self.cfg.threads - _SPARE_THREADS:
            return False
        give_up_s = time.monotonic() + _WAIT_S
        while self.alive and time.monotonic() < give_up_s and not self.tpool.are_scarce:
            if self._receive_some(conn):
                return True
        return False

    def _receive_some(self, conn: Any) -> bool:
        """Wait for a moment; returns whether the connection has something to say, be it that it ended."""
        if self.cfg.is_ssl:
            poll = select.poll()
            poll.register(conn.sock, select.POLLIN)
            return bool(poll.poll(_STEP_MS))
        if conn.sock.gettimeout() is not None:  # gunicorn's main thread has had it
            conn.sock.setblocking(True)
        try:
            conn.parser.unreader.buf.write(conn.sock.recv(_READ_BYTES))
        except BlockingIOError:  # see wire.receive_in_steps
            return False
        except OSError:  # reset: whoever reads next finds its end
            return True
        return True
