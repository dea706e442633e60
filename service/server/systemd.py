"""Telling systemd how the server is; see sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time

from workers.supervisor.events import Event

_log = logging.getLogger(__name__)

_WAIT_S = 1.0
_READY = "READY=1\nSTATUS=inspecting frames"
_STATES = {
    Event.READY: _READY,
    Event.RELOADING: "RELOADING=1",
    Event.RELOADED: _READY,
    Event.STOPPING: "STOPPING=1",
    Event.FOLLOWED: _READY,
}


def notify_systemd(event: Event, pid: int = 0) -> None:
    """Tell it of `event`; where the server is followed, by process `pid`, which is the main one then.

    Does nothing where systemd did not ask.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    state = _STATES[event]
    if event is Event.FOLLOWED:
        state += f"\nMAINPID={pid}"
    if event is Event.RELOADING:
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(_WAIT_S)
        try:
            sender.sendto(os.fsencode(state), os.fsencode(address))
        except (OSError, ValueError) as error:  # it is not worth the frames of a line
            _log.warning("systemd could not be told of %s: %s", event.name, error)
