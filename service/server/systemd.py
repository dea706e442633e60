"""Telling systemd how the server is; see sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time

_log = logging.getLogger(__name__)

_WAIT_S = 1.0
_READY = "READY=1\nSTATUS=inspecting frames"
_STATES = {
    "ready": _READY,
    "reloading": "RELOADING=1",
    "reloaded": _READY,
    "stopping": "STOPPING=1",
    "followed": _READY,
}


def notify_systemd(what: str, pid: int = 0) -> None:
    """Say "ready", "reloading", "reloaded", "stopping" or "followed", by process `pid`, which is the main one then.

    Does nothing where systemd did not ask.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    state = _STATES[what]
    if what == "followed":
        state += f"\nMAINPID={pid}"
    if what == "reloading":
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(_WAIT_S)
        try:
            sender.sendto(os.fsencode(state), os.fsencode(address))
        except (OSError, ValueError) as error:  # it is not worth the frames of a line
            _log.warning("systemd could not be told %r: %s", what, error)
