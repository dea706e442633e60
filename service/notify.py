"""Telling systemd how the server is; see sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time

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
        sender.sendto(state.encode(), address)
