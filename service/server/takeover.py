"""From one server to the next: what is handed over when a new version takes the place of a running one.

The next server is started by the one before, as its child, with the command line of that one. What it needs to know is
in one variable of its environment: the descriptor through which it says that it is ready, that of the socket that
clients connect to, and whether that socket ends with the server. Another holds the descriptor of what both servers
share (heirloom.py), one more that of what frames leave for later ones (global_data.py), one that of what operators
have set (operator_inputs.py), and one those of parts that are open (service/parts/handed.py): a version that knows
nothing of one leaves it alone, and who follows such a version has none.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from typing import NamedTuple

from service.access.heirloom import Heirloom
from service.parts.handed import PartsHandedOn
from service.server.listener import Listener
from workers.memory.global_data import is_global_data
from workers.supervisor.successor import READY, Started

_log = logging.getLogger(__name__)

_VARIABLE = "_FRAMEMILL_FOLLOWS"  # not FRAMEMILL_: those are settings
_INHERITS = "_FRAMEMILL_INHERITS"
_GLOBAL_DATA = "_FRAMEMILL_GLOBAL_DATA"
_INPUTS = "_FRAMEMILL_INPUTS"
_PARTS = "_FRAMEMILL_PARTS"


class Predecessor(NamedTuple):
    """The server that started this one, the socket that it hands over, and what it shares, if it does."""

    link: socket.socket
    open_to: Listener
    heirloom: Heirloom | None
    global_fd: int | None = None
    inputs_fd: int | None = None
    parts: PartsHandedOn | None = None

    def take_over(self) -> bool:
        """Tell it to stop, for this server answers; false where it is not there any more."""
        try:
            self.link.send(READY)
        except OSError:
            return False
        return True


def predecessor() -> Predecessor | None:
    """The server that this one follows; None where it was started by anybody else."""
    names = (_VARIABLE, _INHERITS, _GLOBAL_DATA, _INPUTS, _PARTS)
    told, inherits, shared, inputs, parts = (os.environ.pop(name, None) for name in names)
    if told is None:
        return None
    link_fd, sock_fd, is_ours = map(int, told.split(","))
    link, sock = socket.socket(fileno=link_fd), socket.socket(fileno=sock_fd)
    link.set_inheritable(False)
    sock.set_inheritable(False)
    open_to = Listener(sock, bool(is_ours))
    open_parts = PartsHandedOn.read(parts) if parts else None
    return Predecessor(link, open_to, _inherited(inherits), _shared(shared), _shared(inputs), open_parts)


def _inherited(told: str | None) -> Heirloom | None:
    if told is None:
        return None
    fd = int(told)
    os.set_inheritable(fd, False)
    try:
        return Heirloom(fd)
    except ValueError as error:
        _log.warning("the page's sessions and counts of wrong keys begin anew: %s", error)
        os.close(fd)
        return None


def _shared(told: str | None) -> int | None:
    try:
        if told is None or not is_global_data(int(told)):
            return None
        os.set_inheritable(int(told), False)
    except OSError:  # the one before was told of it by its own, and knew nothing of it
        return None
    return int(told)


def start_successor(
    open_to: Listener, heirloom: Heirloom, global_fd: int, inputs_fd: int, parts: PartsHandedOn | None
) -> Started:
    """Start the command of this server once more, as the one that follows it; raises OSError."""
    if os.getpid() == 1:
        msg = "a container ends with its first process, so start another container instead"
        raise OSError(msg)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        fds = (theirs.fileno(), open_to.sock.fileno())
        told = {
            _VARIABLE: ",".join(map(str, (*fds, int(open_to.is_ours)))),
            _INHERITS: str(heirloom.fd),
            _GLOBAL_DATA: str(global_fd),
            _INPUTS: str(inputs_fd),
            **({_PARTS: parts.as_text()} if parts else {}),
        }
        try:
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                env={**os.environ, **told},
                pass_fds=(*fds, heirloom.fd, global_fd, inputs_fd, *(parts.fds if parts else ())),
            )
        except OSError:
            ours.close()
            raise
    return Started(process, ours)
