"""gunicorn's threaded worker, with a lobby before its threads and a shorter way from one request to the next.

A connection is given to a thread once the head of its request is there (lobby.py). A camera posts its next frame as
soon as it has the answer, or a takt later: the thread that answered waits for it, while threads are not scarce, for the
way through the main thread would cost four wake-ups and as many trips through the interpreter's lock.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from service.connections.arrivals import Arrivals
from service.connections.handshakes import Handshakes
from service.connections.lobby import Lobby
from service.connections.outbox import Outbox
from service.connections.slow_bodies import SlowBodies
from service.connections.slow_heads import Patience, SlowHeads
from service.threads.next_request import NextRequest
from service.threads.repeat import answer_again
from service.threads.thread_pool import ScarceThreads
from service.threads.turns import Turns
from service.wire.gathered import BodyPaused, SetAside, drop_gathered
from service.wire.plain_body import receive_in_steps
from service.wire.request_head import head_is_whole
from service.wire.unsent import PlainClient

_log = logging.getLogger(__name__)

_SPARE_THREADS = 32  # never waiting for a camera: for new connections, health and the page
_TURN_S = 0.1  # how often deadlines are looked at
_BUSY_TURN_S = 0.002  # how soon it is seen that a thread has begun to wait for a slot or a worker
_HEAD_S = 5.0
_LINGER_S = 1.0  # for a request that a client is sending while the front is asked to stop
_HANDSHAKE_S = 0.2  # for a client on the way from its SYN to its ACK


class CameraThreads(ThreadWorker):  # type: ignore[misc]  # gunicorn publishes no types
    """Serves a connection's requests one after the other in one thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._looked_at = 0.0

    def get_thread_pool(self) -> ScarceThreads:
        """See gunicorn: made once, in the front's own process."""
        return ScarceThreads(self.cfg.threads)

    def run(self) -> None:
        """Serve until asked to stop, then until nobody is left."""
        self._turns = Turns(self.cfg.threads, _SPARE_THREADS, super().enqueue_req, PlainClient.leaves_much, self._close)
        self._next = NextRequest(self, self._turns, self.cfg.threads - _SPARE_THREADS)
        self._outbox = Outbox(self.poller, self.app.send_s, self._close, self.app.count_cut_off)
        self._lobby = Lobby(
            self.poller,
            deliver=self._outbox.deliver,
            left=self._count_out,
            refused=self.app.count_failed,
            later=self.method_queue.defer,
        )
        self._arrivals = Arrivals(self, self.app.share, (self._lobby, self._outbox, self._turns), self._greet)
        patience = Patience(float(self.cfg.keepalive), _HEAD_S)
        self._heads = SlowHeads(self._lobby, patience, go_on=self._turns.come)
        self._slow_bodies = SlowBodies(self._lobby, self.app.body_s, go_on=self._turns.come)
        certificates = self.app.certificates
        await_head = partial(self._heads.await_head, is_new=True)
        self._handshakes = Handshakes(self._lobby, certificates, _HEAD_S, await_head) if certificates else None
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
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
        self.wait_for_and_dispatch_events(
            _BUSY_TURN_S if self._turns.is_waiting else self._arrivals.patience_s(_TURN_S)
        )
        self._turns.call()
        now_s = time.monotonic()
        self._arrivals.look(now_s, is_open=self.alive)
        if now_s - self._looked_at >= _TURN_S:
            self._looked_at = now_s
            self._lobby.call_time()
            self._outbox.call_time()
            self.app.call_time()

    def _drain(self) -> None:
        """Answer who is here, and who comes while others are still here; then close the door and answer the rest."""
        begun_s = time.monotonic()
        self.set_accept_enabled(True)
        self._lobby.hurry(begun_s + _LINGER_S)
        self._turn_until(begun_s + _LINGER_S)
        if self.app.closes_the_door:
            self._arrivals.let_nobody_knock()
            handshakes_end_s = time.monotonic() + _HANDSHAKE_S
            while time.monotonic() < handshakes_end_s:  # also where nobody is here: somebody may be on the way
                self._turn()
        self._arrivals.take_all()
        self._arrivals.close()
        self._turn_until(begun_s + self.cfg.graceful_timeout)
        self._lobby.end()
        self._outbox.end()
        self.app.end()

    def _turn_until(self, end_s: float) -> None:
        while self._arrivals.count and time.monotonic() < end_s:
            self._turn()

    def accept(self, listener: socket.socket) -> None:
        """See gunicorn: somebody knocks."""
        self._arrivals.take_some(listener, is_open=self.alive)

    def _greet(self, conn: Any) -> None:
        if self._handshakes is not None:
            self._handshakes.await_hello(conn)
        else:
            conn.init()
            receive_in_steps(conn.sock)
            self._heads.await_head(conn, is_new=True)

    def _close(self, conn: Any) -> None:
        self._lobby.close(conn)

    def _count_out(self) -> None:
        self._arrivals.count_out()

    def handle(self, conn: Any) -> Any:
        """Answer requests until the connection pauses, closes, or its thread is needed elsewhere."""
        try:
            return self._handle_all(conn)
        except BodyPaused as paused:
            return paused.aside  # an exception would keep all that its traceback has seen

    def _handle_all(self, conn: Any) -> Any:
        while True:
            result = answer_again(conn.parser.unreader, conn.sock) if self._may_repeat(conn) else None
            if result is None:
                if not head_is_whole(conn.parser.unreader.buf):
                    return True
                result = super().handle(conn)
            # False is closed; gunicorn's own mark for "no data yet" is neither
            if result is not True or conn.is_http2 or conn.sock.unsent or not self._next.comes(conn):
                return result

    def _may_repeat(self, conn: Any) -> bool:
        return self.alive and not conn.is_http2 and "gathered" not in conn.parser.unreader.__dict__

    def handle_request(self, req: Any, conn: Any) -> Any:
        """See gunicorn: a request was parsed and is answered."""
        try:
            return super().handle_request(req, conn)
        finally:
            drop_gathered(req.body)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread gives a connection back to the main thread, where this runs."""
        self._turns.done(conn)
        try:
            result = not fs.cancelled() and fs.result()
        except Exception:  # noqa: BLE001 - whatever it was, it may not end the loop that all connections live in
            _log.exception("a connection met a fault of ours")
            result = False
        if conn.sock.unsent is None:
            self._go_on(conn, result)
        else:  # until the client has taken its answer it is asked for nothing more
            self._outbox.deliver(conn, partial(self._go_on, conn, result))

    def _go_on(self, conn: Any, result: Any) -> None:
        if isinstance(result, SetAside):
            self._slow_bodies.await_body(conn, result)
        elif result is True:
            self._heads.await_head(conn)
        else:
            self._lobby.see_off(conn)
