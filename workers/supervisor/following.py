"""One server follows another: this one the server before it, and the next one this one.

While two are there they are one server to who asks it to stop: each passes that on to the other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workers.supervisor.events import Event
from workers.supervisor.predecessor import Predecessor
from workers.supervisor.successor import Successor

if TYPE_CHECKING:
    import selectors
    import socket
    from collections.abc import Callable

    from workers.supervisor.successor import Started

_log = logging.getLogger(__name__)


class Following:
    """The server before this one and the one after it, as far as there are any.

    `start` starts the one after; `before` is open while the one before lives. `stop` is called where either of them was
    asked to stop, `give_way` where this server is to end because the next one answers.
    """

    def __init__(
        self,
        start: Callable[[], Started],
        before: socket.socket | None,
        selector: selectors.BaseSelector,
        *,
        announce: Callable[[Event, int], None],
        stop: Callable[[], None],
        give_way: Callable[[], None],
        is_running: Callable[[], bool],
    ) -> None:
        self.has_taken_over = False  # the one after
        self._announce = announce
        self._stop = stop
        self._give_way = give_way
        self._is_running = is_running
        self._told = False
        self._after = Successor(start, selector, self._on_followed, self._on_not_followed, stop)
        self._before = Predecessor(before, selector, self._on_told, stop, lambda: announce(Event.ALONE, 0))

    @property
    def is_behind(self) -> bool:
        """Whether the server before this one still lives."""
        return self._before.is_there

    @property
    def is_on_its_way(self) -> bool:
        """Whether one was started that has neither taken over nor failed."""
        return self._after.is_on_its_way

    @property
    def pids(self) -> set[int]:
        """The process of the one after."""
        return self._after.pids

    def watch_before(self) -> None:
        """Hear of the one before from now on."""
        self._before.watch()

    def watch(self) -> None:
        """End one that takes too long to get ready."""
        self._after.watch()

    def be_followed(self, patience_s: float) -> None:
        """Start the command of this server anew, as the one that takes over."""
        if self._after.pids:
            _log.error("no other server is started now: this one is about to be followed")
            return
        _log.info("another server is started, to follow this one once it is ready")
        self._announce(Event.RELOADING, 0)
        try:
            self._after.start(patience_s)
        except OSError as error:
            _log.error("no other server can be started: %s; this one goes on", error)
            self._on_not_followed()

    def stop_who_took_over(self) -> bool:
        """End the one after where it is on its way, ask it where it took over; returns whether it is told now."""
        return self._after.stop()

    def pass_on_stop(self) -> None:
        """Tell the one before that this server was asked to stop."""
        self._before.pass_on_stop()

    def was_told_already(self) -> bool:
        """Whether a wish to stop has come by the server before; the same may come by two ways, so it counts once."""
        told, self._told = self._told, False
        return told

    def kill(self) -> None:
        """End the one after, unless it took over."""
        self._after.kill()

    def _on_followed(self, pid: int) -> None:
        _log.info("process %d answers in place of this one", pid)
        self.has_taken_over = True
        self._announce(Event.FOLLOWED, pid)
        self._give_way()

    def _on_not_followed(self) -> None:
        if self._is_running():
            self._announce(Event.RELOADED, 0)

    def _on_told(self) -> None:
        """The server before was asked to stop, and means both."""
        if self._is_running():
            self._stop()
            self._told = True
