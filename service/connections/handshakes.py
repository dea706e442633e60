"""TLS before a request: the handshake, step by step in the front's main loop, as its bytes come.

No thread waits for it, and nothing is made for a connection before it has sent a byte: whoever only connects costs no
more here than without TLS.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn import http

from service.connections.guests import Guest
from service.wire.holdings import HELD
from workers.errors import NoFreeSlot

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.connections.certificates import Certificates
    from service.connections.lobby import Lobby

_log = logging.getLogger(__name__)
_COMPLAINT_S = 1.0
_TLS_BYTES = 40_960  # of a connection with a record that came in part; 16 KiB where it is idle


class Handshakes:
    """Used by the main thread alone; a handshake may take `head_s`. `go_on` takes a connection for which it is done."""

    def __init__(self, lobby: Lobby, certificates: Certificates, head_s: float, go_on: Callable[[Any], None]) -> None:
        self._lobby = lobby
        self._certificates = certificates
        self._head_s = head_s
        self._go_on = go_on
        self._complain_from_s = 0.0
        self._untold = 0

    def await_hello(self, conn: Any) -> None:
        """Wait for the first byte of a handshake."""
        until_s = time.monotonic() + self._head_s
        self._lobby.stay(Guest(conn, until_s, self._begin, None, idle=True))

    def _begin(self, guest: Guest) -> None:
        conn = guest.conn
        try:
            said = conn.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._lobby.dismiss(guest)
            return
        self._lobby.release(guest)
        try:
            conn.held = HELD.hold(str(conn.client[0]), _TLS_BYTES, partial(self._lobby.let_go_idle, conn))
            conn.sock = self._certificates.context.wrap_socket(
                conn.sock, server_side=True, do_handshake_on_connect=False
            )
        except (OSError, NoFreeSlot):  # it has gone, or its address has far too many
            self._lobby.close(conn)
            return
        handshake = Guest(conn, time.monotonic() + self._head_s, self._step, None)
        self._lobby.stay(handshake)
        self._lobby.go_on_with(handshake)

    def _step(self, guest: Guest) -> None:
        conn = guest.conn
        try:
            conn.sock.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            raise
        except (ssl.SSLEOFError, ssl.SSLSyscallError, ConnectionError):
            self._lobby.dismiss(guest)
        except OSError as error:
            self._complain(conn.client, error)
            self._lobby.release(guest)
            self._lobby.see_off(conn)  # so that the client can read the alert
        else:
            self._lobby.release(guest)
            conn.parser = http.get_parser(conn.cfg, conn.sock, conn.client)
            conn.initialized = True  # gunicorn has nothing left to do for it
            self._go_on(conn)

    def _complain(self, client: Any, error: OSError) -> None:
        """Say why, once a second at most: whoever wants to could fill the log."""
        now_s = time.monotonic()
        if now_s < self._complain_from_s:
            self._untold += 1
            return
        self._complain_from_s = now_s + _COMPLAINT_S
        more = f" (and {self._untold} others before)" if self._untold else ""
        self._untold = 0
        _log.warning("no TLS connection with %s: %s%s", client[0], getattr(error, "reason", None) or error, more)
