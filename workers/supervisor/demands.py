"""What is asked of the server while it runs: to stop, to change its version, to let another server follow.

It comes by signals, over HTTP, and from the servers before and after this one. Of what would take its place, a version
or a server, one is on its way at a time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workers.memory.control import Control
from workers.pool.to_supervisor import Asked, Message
from workers.supervisor.events import Event
from workers.supervisor.following import Following
from workers.supervisor.fronts_master import BOOT_S

if TYPE_CHECKING:
    import selectors
    import socket
    from collections.abc import Callable

    from workers.change.changing import Changing
    from workers.crew.crew import Crew
    from workers.memory.control import ControlPage
    from workers.supervisor.ending import Ending
    from workers.supervisor.fronts_master import FrontsMaster
    from workers.supervisor.successor import Started

_log = logging.getLogger(__name__)


class Demands:
    """What can be done is done, of the rest the log says why not.

    `start_successor`, `follows` and `announce` are the supervisor's; loading a project may take `boot_ms`. `changing`
    changes the version. `ending` returns how the server ends, which is made after this.
    """

    def __init__(
        self,
        control: ControlPage,
        crew: Crew,
        fronts: FrontsMaster,
        selector: selectors.BaseSelector,
        boot_ms: int,
        *,
        changing: Changing,
        start_successor: Callable[[], Started],
        follows: socket.socket | None,
        announce: Callable[[Event, int], None],
        ending: Callable[[], Ending],
    ) -> None:
        self._control = control
        self._crew = crew
        self._fronts = fronts
        self._boot_ms = boot_ms
        self._announce = announce
        self._ending = ending
        self._changing = changing
        self._following = Following(
            start_successor,
            follows,
            selector,
            announce=announce,
            stop=self.stop,
            give_way=self._drain,
            is_running=lambda: ending().is_running,
        )

    @property
    def pids(self) -> set[int]:
        """The processes of what would take this server's place, or its version's."""
        return self._following.pids | self._changing.pids

    @property
    def is_behind(self) -> bool:
        """Whether the server before this one still lives."""
        return self._following.is_behind

    def hear(self) -> None:
        """Hear of the server before this one from now on."""
        self._following.watch_before()

    def watch(self) -> None:
        """End what takes too long on its way here."""
        self._following.watch()
        self._changing.watch()

    def act_on(self, message: Message | None, asked: Asked) -> None:
        """Act on what a front says; None is nothing that anybody of this version says."""
        if message is Message.READY:
            self._fronts.one_is_ready()
        elif message is Message.STOP:
            self._stop_both()
        elif message is not None:
            self._change(message, asked)

    def _stop_both(self) -> None:
        """Be asked to stop over HTTP: the server before has this address too, and is told."""
        _log.info("asked to stop over HTTP")
        self._following.pass_on_stop()
        self.stop()

    def stop(self) -> None:
        """Ask everything to stop, who took over included; asked a second time, kill it."""
        if self._following.stop_who_took_over():
            _log.info("asked to stop: the server that took over is told")
        elif self._ending().is_running and self._fronts.have_served:
            self._drain()
        elif not self._following.was_told_already():
            self._ending().end_at_once()

    def _drain(self) -> None:
        self._control.words[Control.FOLLOWED] = int(self._following.has_taken_over)
        self._control.words[Control.STOPPING] = 1
        if not self._following.has_taken_over:
            self._announce(Event.STOPPING, 0)
        self._ending().begin()

    def reload(self) -> None:
        """Be asked by a signal to load the project anew."""
        self._change(Message.RELOAD, Asked("a signal (SIGHUP)"))

    def _change(self, message: Message, asked: Asked) -> None:
        """Load the project anew, or go back to the version before it."""
        if not self._ending().is_running:
            asked.drop()
        elif self._following.is_on_its_way:
            self._changing.refuse(asked, "a server that loads it anew is about to follow this one")
        elif message is Message.ROLLBACK:
            self._changing.rollback(asked)
        elif message is Message.OVERRIDE:
            self._changing.override(asked)
        else:
            self._changing.reload(asked)

    def be_followed(self) -> None:
        """Start another server, which takes over once it is ready."""
        if self._ending().is_running and self._fronts.have_served:
            self._following.be_followed(self._boot_ms / 1000 + BOOT_S)
        else:
            _log.error("no other server is started now: this one is starting, or stopping")

    def abandon(self) -> None:
        """Kill what is on its way here."""
        self._changing.end()
        self._following.kill()

    def is_left(self) -> bool:
        """Whether some of that still lives."""
        return bool(self._following.is_on_its_way or self._changing.pids)
