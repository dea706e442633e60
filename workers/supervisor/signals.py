"""Signals as events of a loop: handlers only note, the loop acts."""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable, Mapping


def _note(number: int, frame: object) -> None:
    """Do nothing: the number arrives at the loop through the wake-up descriptor."""


def act_on_signals(selector: selectors.BaseSelector, acts: Mapping[signal.Signals, Callable[[], None]]) -> None:
    """Have `selector` return a step that acts on the signals that came; for the main thread."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in acts:
        signal.signal(number, _note)
    signal.set_wakeup_fd(writer.detach())

    def on_signals() -> None:
        for number in reader.recv(64):
            acts[signal.Signals(number)]()

    selector.register(reader, selectors.EVENT_READ, on_signals)
