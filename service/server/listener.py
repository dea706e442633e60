"""The socket that clients connect to: one of our own, or one that systemd holds for us.

A socket that was handed over (sd_listen_fds(3)) outlives the server: while it is exchanged, or was killed, clients that
connect wait for the next one instead of being refused.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import CannotListen

if TYPE_CHECKING:
    from service.settings import Settings

_log = logging.getLogger(__name__)

_FIRST_FD = 3  # SD_LISTEN_FDS_START
_BACKLOG = 2048
_HANDED_OVER = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class Listener(NamedTuple):
    """A bound TCP socket; `is_ours` where it ends with this server."""

    sock: socket.socket
    is_ours: bool

    @property
    def host(self) -> str:
        """The address that it is bound to."""
        return str(self.sock.getsockname()[0])

    @property
    def port(self) -> int:
        """The port that it is bound to."""
        return int(self.sock.getsockname()[1])


def listener(settings: Settings) -> Listener:
    """Take the socket that was handed over, or bind one to the settings' host and port; raises CannotListen."""
    count = os.environ.get("LISTEN_FDS", "0") if os.environ.get("LISTEN_PID") == str(os.getpid()) else "0"
    for name in _HANDED_OVER:  # they are for this process alone
        os.environ.pop(name, None)
    if count == "0":
        return Listener(_bind(settings), is_ours=True)
    if count != "1":
        raise CannotListen(f"{count} sockets were handed over; one ListenStream= was expected in the socket unit")
    return Listener(_handed_over(), is_ours=False)


def _handed_over() -> socket.socket:
    try:
        sock = socket.socket(fileno=_FIRST_FD)
    except OSError as error:
        raise CannotListen(f"LISTEN_FDS=1, but descriptor {_FIRST_FD} is no socket: {error.strerror}") from None
    if sock.family not in {socket.AF_INET, socket.AF_INET6} or sock.type != socket.SOCK_STREAM:
        raise CannotListen(f"the socket that was handed over is {sock.family.name}; a TCP socket was expected")
    sock.set_inheritable(False)
    _log.info("clients connect to the socket that was handed over; host and port of the settings are not used")
    return sock


def _bind(settings: Settings) -> socket.socket:
    try:
        return _bound(settings)
    except OSError as error:
        raise _cannot_listen(settings, error) from None


def check_address(settings: Settings) -> None:
    """Raise CannotListen where a server could not listen there, whatever else may use the port at the moment."""
    try:
        _bound(settings).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise _cannot_listen(settings, error) from None


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
    except UnicodeError:
        sock.close()
        raise OSError(errno.EINVAL, "it is no name of a host") from None
    except OSError:
        sock.close()
        raise
    return sock


def _cannot_listen(settings: Settings, error: OSError) -> CannotListen:
    return CannotListen(
        f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; "
        "choose another --host or --port, or stop what uses it"
    )
