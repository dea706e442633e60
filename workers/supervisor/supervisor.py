"""The parent of everything: makes the frame memory, forks the workers, starts the fronts, and ends them all.

::

    supervisor (this file: one thread, one loop, no pixels, no HTTP)
     |- fronts' master   a command it was given; fronts say "ready N" and "stop" through a socket
     |- template         has loaded the project; workers are its forks, and children of this process (hiring.py)
     |- worker 0 .. N-1  (crew.py)
     '- spare            a worker that waits for its go, where each loads the project by itself and that is slow

To stop is to ask, to wait until one deadline, to kill, and to say how many of each. A supervisor that is killed takes
all of them with it (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import enum
import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.containment.limits import be_last_to_go
from workers.containment.orphans import Strays
from workers.crew.crew import Crew
from workers.crew.standing import BootFailed
from workers.memory.arena import create_arena, keep_from_children, map_part
from workers.memory.control import Control, ControlPage, FrontRow
from workers.memory.layout import Geometry
from workers.memory.slot import headers
from workers.pool.channel import Channel
from workers.pool.handover import Handover
from workers.pool.to_supervisor import Message, hear, pair
from workers.supervisor.events import Event
from workers.supervisor.exits import Exit, how_it_ended
from workers.supervisor.predecessor import Predecessor
from workers.supervisor.program import Fronts
from workers.supervisor.reloading import Reloading
from workers.supervisor.signals import act_on_signals
from workers.supervisor.successor import Started, Successor

if TYPE_CHECKING:
    from workers.flow.project import Project
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_TICK_S = 0.02
_FRONT_BOOT_S = 30.0
_WORKERS_GO_S = 2.0  # they are idle by then: only user code at exit can hold them


class _Stage(enum.Enum):
    RUNNING = enum.auto()
    DRAINING = enum.auto()  # the fronts finish what they have
    RETIRING = enum.auto()  # the workers go
    KILLED = enum.auto()


class Supervisor:
    """Runs the server until it is asked to stop.

    `front_command` makes the command and environment that start the fronts, from what they are to inherit;
    `load_project` reads the project anew for a reload, in a process of its own; `tidy` removes copies of it that nobody
    uses; `tend` is called again and again; `announce` is told each Event, with a process id where one follows;
    `start_successor` starts the server that is to follow, and `follows` is open while the one before lives.
    """

    def __init__(
        self,
        settings: PoolSettings,
        project: Project,
        *,
        front_command: Callable[[Handover], tuple[list[str], dict[str, str], tuple[int, ...]]],
        load_project: Callable[[], Project],
        announce: Callable[[Event, int], None],
        tend: Callable[[], None],
        start_successor: Callable[[], Started],
        follows: socket.socket | None = None,
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        geometry = Geometry.of(settings)
        arena = create_arena(geometry)
        low = map_part(arena, 0, geometry.replies_at, writable=True)
        keep_from_children(low)  # workers map their own
        self.control = ControlPage(low, geometry)
        self.control.format()
        self.control.words[Control.STARTED_NS] = time.monotonic_ns()
        for header in headers(low, geometry):
            header.format()
        self._settings = settings
        self._announce = announce
        self._tend = tend
        self._selector = selectors.DefaultSelector()
        self._strays = Strays()
        channel = Channel.create(geometry.slots)
        self._crew = Crew(settings, project, arena, channel, self.control, low, self._selector, tidy)
        self._reloading = Reloading(load_project, settings.boot_ms, self._selector, self._on_read)
        self._ours, theirs = pair()
        handover = Handover(arena=arena, channel=channel, supervisor_fd=theirs.detach())
        self._fronts = Fronts(lambda: front_command(handover), handover.fds, self._selector, self._on_fronts_ended)
        self._fronts_ready = 0
        self._successor = Successor(
            start_successor, self._selector, self._on_followed, self._on_not_followed, self.stop
        )
        self._before = Predecessor(follows, self._selector, self._on_told, self.stop, lambda: announce(Event.ALONE, 0))
        self._told, self._announced, self._reloads = False, False, 0
        self._stage, self._status = _Stage.RUNNING, Exit.STOPPED
        self._give_up_at, self._asked = 0.0, 0

    def run(self) -> Exit:
        """Start everything, keep it alive, end it; returns the exit status."""
        be_last_to_go()
        self._listen_to_signals()
        self._selector.register(self._ours, selectors.EVENT_READ, self._on_message)
        self._act(self._crew.hire)
        self._before.watch()
        if not self._before.is_there:  # else it can still answer frames that fronts of this one would refuse now
            self._start_fronts()
        while not self._is_over():
            for key, _ in self._selector.select(_TICK_S):
                self._act(key.data)
            self._act(self._tick)
        self._crew.close()
        self._strays.end_all(but=self._successor.pids)
        by_force = self._stage is _Stage.KILLED
        _log.info("stopped%s", how_it_ended(self._status, self._asked, was_ready=self._announced, by_force=by_force))
        return self._status

    def _act(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BootFailed as failure:
            if self._crew.give_up_reload():
                _log.error("the project was not reloaded, the one before goes on: %s", failure)
                self._announce(Event.RELOADED, 0)
                return
            _log.error("the project cannot be loaded: %s", failure)
            self._status = Exit.CANNOT_LOAD_PROJECT
            self._kill()

    def _listen_to_signals(self) -> None:
        acts = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self._reload}
        act_on_signals(self._selector, {**acts, signal.SIGUSR2: self._be_followed})

    def _start_fronts(self) -> None:
        self._fronts_ready = 0
        try:
            self._fronts.start()
        except OSError as error:
            if not self._announced:
                raise
            _log.error("the HTTP fronts cannot be started at the moment: %s; it is tried again", error)

    def _on_fronts_ended(self, status: int) -> None:
        if self._stage is _Stage.DRAINING:
            self._retire()
        elif self._stage is _Stage.RUNNING and not self._announced:
            _log.error("the HTTP fronts did not start (exit status %d); their message is above", status)
            self._status = Exit.CANNOT_START_FRONTS
            self._kill()
        elif self._stage is _Stage.RUNNING:
            _log.warning("the fronts' master ended with status %d; it is started again", status)

    def _on_message(self) -> None:
        message = hear(self._ours)
        if message is Message.READY:
            self._fronts_ready += 1
        elif message is Message.STOP:
            _log.info("asked to stop over HTTP")
            self._before.pass_on_stop()
            self.stop()
        elif message is Message.RELOAD:
            self._reload()

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        self._strays.sweep(now_ns, self._started_pids())
        self._tend()
        if self._stage is _Stage.KILLED:
            return
        self._crew.watch(now_ns)
        if self._stage is _Stage.RUNNING:
            self._crew.hire()
            self._successor.watch()
            self._reloading.watch()
            if self._fronts.are_due and (not self._before.is_there or self._crew.complete):
                self._start_fronts()
        if not self._announced and self._fronts_ready >= self._settings.fronts and self._crew.complete:
            self._announced = True
            self.control.words[Control.OPEN] = 1
            _log.info("ready after %.2f s", (now_ns - self.control.words[Control.STARTED_NS]) / 1e9)
            self._announce(Event.READY, 0)
        if self._reloads != self.control.words[Control.RELOADS]:
            self._reloads = self.control.words[Control.RELOADS]
            _log.info("the project was reloaded")
            self._announce(Event.RELOADED, 0)
        if self._stage is not _Stage.RUNNING and time.monotonic() > self._give_up_at:
            _log.error("not everything ended in time; the rest is killed")
            self._status = Exit.STOPPED_BY_FORCE
            self._kill()
        if not self._announced and self._fronts.age_s > _FRONT_BOOT_S and self._crew.complete:
            _log.error("no HTTP front was ready within %d s", _FRONT_BOOT_S)
            self._status = Exit.CANNOT_START_FRONTS
            self._kill()

    def _started_pids(self) -> set[int]:
        """All that we know of; fronts become our children where their master is killed."""
        fronts = {row[FrontRow.PID] for row in self.control.fronts}
        return self._crew.pids | fronts | self._fronts.pids | self._successor.pids | self._reloading.pids

    def stop(self) -> None:
        """Ask everything to stop, who took over included; asked a second time, kill it."""
        if self._successor.stop():
            _log.info("asked to stop: the server that took over is told")
        elif self._stage is _Stage.RUNNING and self._announced:
            self._drain()
        elif self._told:  # by the server before; the same wish may come by two ways
            self._told = False
        else:
            self._stop_at_once()

    def _stop_at_once(self) -> None:
        if self._stage in {_Stage.DRAINING, _Stage.RETIRING}:
            _log.warning("asked to stop a second time: the rest is killed")
            self._status = Exit.STOPPED_BY_FORCE
        self._retire()  # before it was ready there is nothing to wait for
        self._kill()

    def _drain(self) -> None:
        self._stage = _Stage.DRAINING
        self._reloading.kill()
        self.control.words[Control.STOPPING] = 1
        if not self.control.words[Control.FOLLOWED]:
            self._announce(Event.STOPPING, 0)
        self._give_up_at = time.monotonic() + self._settings.deadline_ms / 1000 + _WORKERS_GO_S
        self._asked = self._crew.size + 1
        if self._fronts.pids:
            self._fronts.terminate()
        else:
            self._retire()

    def _retire(self) -> None:
        self._stage = _Stage.RETIRING
        self._crew.retire_all()

    def _kill(self) -> None:
        self._stage = _Stage.KILLED
        self._asked = max(self._asked, self._crew.size + len(self._fronts.pids))
        self._crew.kill_all()
        self._reloading.kill()
        self._fronts.kill()
        self._successor.kill()

    def _is_over(self) -> bool:
        living = self._fronts.pids or self._crew.size or self._successor.is_on_its_way or self._reloading.pids
        return self._stage is not _Stage.RUNNING and not living

    def _reload(self) -> None:
        if self._stage is _Stage.RUNNING and self._successor.is_on_its_way:
            _log.error("the project is not reloaded: a server that loads it anew is about to follow this one")
        elif self._stage is _Stage.RUNNING:
            self._reloading.start()

    def _on_read(self, project: Project) -> None:
        if self._stage is _Stage.RUNNING:
            self._announce(Event.RELOADING, 0)
            self._crew.reload(project)

    def _be_followed(self) -> None:
        """Start the command of this server anew, as the one that takes over."""
        if self._stage is not _Stage.RUNNING or not self._announced or self._successor.pids:
            _log.error("no other server is started now: this one is starting, stopping, or about to be followed")
            return
        _log.info("another server is started, to follow this one once it is ready")
        self._announce(Event.RELOADING, 0)
        try:
            self._successor.start(self._settings.boot_ms / 1000 + _FRONT_BOOT_S)
        except OSError as error:
            _log.error("no other server can be started: %s; this one goes on", error)
            self._on_not_followed()

    def _on_followed(self, pid: int) -> None:
        _log.info("process %d answers in place of this one", pid)
        self.control.words[Control.FOLLOWED] = 1
        self._announce(Event.FOLLOWED, pid)
        self._drain()

    def _on_not_followed(self) -> None:
        if self._stage is _Stage.RUNNING:
            self._announce(Event.RELOADED, 0)

    def _on_told(self) -> None:
        """The server that was before this one was asked to stop, and means both."""
        if self._stage is _Stage.RUNNING:
            self.stop()
            self._told = True
