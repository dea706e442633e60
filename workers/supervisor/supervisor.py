"""The parent of everything: makes the frame memory, forks the workers, starts the fronts, and ends them all.

::

    supervisor (this file: one thread, one loop, no pixels, no HTTP)
     |- fronts' master   a command it was given; fronts tell it what they are asked for (pool/to_supervisor.py)
     |- programs         commands beside the fronts (program.py)
     |- template         has loaded the project; workers are its forks, and children of this process (crew/templates.py)
     |- worker 0 .. N-1  (crew/crew.py)
     '- spare            a worker that waits for its go, where loading the project takes long

A supervisor that is killed takes all of them with it (PR_SET_PDEATHSIG). What it is asked for is in demands.py,
how it ends otherwise in ending.py.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workers.change.changing import Changing, Overriding
from workers.containment.orphans import Orphans
from workers.crew.crew import Crew
from workers.crew.standing import BootFailed
from workers.memory.arena import create_arena, keep_from_children, map_part
from workers.memory.control import Control, ControlPage, FrontRow
from workers.memory.global_data import create_global_data
from workers.memory.layout import Geometry
from workers.memory.slot import headers
from workers.pool.channel import Channel
from workers.pool.handover import Handover
from workers.pool.to_supervisor import hear, pair
from workers.supervisor.demands import Demands
from workers.supervisor.ending import Ending
from workers.supervisor.events import Event
from workers.supervisor.exits import Exit
from workers.supervisor.fronts_master import FrontsMaster
from workers.supervisor.program import Command, Program, ProgramPlan
from workers.supervisor.signals import act_on_signals
from workers.this_process import be_last_to_go

if TYPE_CHECKING:
    from workers.change.trial import MakePage
    from workers.flow.project import Project
    from workers.memory.arena import ArenaFile
    from workers.settings import PoolSettings
    from workers.supervisor.successor import Started

_log = logging.getLogger(__name__)

_TICK_S = 0.02


class Supervisor:
    """Runs the server until it is asked to stop.

    `front_command` makes the command of the fronts, from what they are to inherit; `beside` are other programs.
    `load_project` reads the project anew for a reload, in a process of its own, and `show_proof` makes a page of a
    proof that failed in another; `tidy` removes copies of it that nobody uses; `enter` hears of each version before it
    sees a frame, and of the one that runs; `overriding` is for other thresholds; `tend` is called again and again;
    `announce` is told each Event, with a process id where one follows; `start_successor` starts the server that is to
    follow, `follows` is open while the one before lives. `global_fd` is the memory of globalData; `attend` gets the
    frame memory and the loop's selector.
    """

    def __init__(
        self,
        settings: PoolSettings,
        project: Project,
        *,
        front_command: Callable[[Handover], Command],
        load_project: Callable[[], Project],
        announce: Callable[[Event, int], None],
        tend: Callable[[], None],
        start_successor: Callable[[], Started],
        follows: socket.socket | None = None,
        tidy: Callable[[], None] = lambda: None,
        overriding: Overriding = Overriding(),  # noqa: B008 - it holds nothing
        show_proof: MakePage | None = None,
        beside: Sequence[ProgramPlan] = (),
        global_fd: int | None = None,
        attend: Callable[[selectors.BaseSelector, ArenaFile], None] = lambda *_: None,
        enter: Callable[[Project, Project], None] = lambda *_: None,
    ) -> None:
        shared_fd = create_global_data(settings.global_data_kib) if global_fd is None else global_fd
        arena, low = _frame_memory(Geometry.of(settings), shared_fd)
        self.control = ControlPage(low, arena.geometry)
        self._announce = announce
        self._tend = tend
        self._selector = selectors.DefaultSelector()
        attend(self._selector, arena)
        self._orphans = Orphans()
        channel = Channel.create(arena.geometry.slots)
        self._crew = Crew(settings, project, arena, channel, self.control, low, self._selector, tidy, enter)
        self._changing = Changing(
            settings,
            self._crew,
            self.control,
            self._selector,
            read=load_project,
            make_page=show_proof,
            begun=lambda: announce(Event.RELOADING, 0),
            over=lambda: announce(Event.RELOADED, 0),
            overriding=overriding,
        )
        self._ours, theirs = pair()
        handover = Handover(arena=arena, channel=channel, supervisor_fd=theirs.detach())
        self._fronts = FrontsMaster(
            lambda: front_command(handover),
            settings.fronts,
            self._selector,
            ended=lambda: self._ending.fronts_have_ended(),  # noqa: PLW0108 - it is made below
            fail=lambda: self._ending.kill(Exit.CANNOT_START_FRONTS),
        )
        self._beside = [Program(plan, self._selector) for plan in beside]
        self._demands = Demands(
            self.control,
            self._crew,
            self._fronts,
            self._selector,
            settings.boot_ms,
            changing=self._changing,
            start_successor=start_successor,
            follows=follows,
            announce=announce,
            ending=lambda: self._ending,
        )
        self._ending = Ending(
            settings,
            self._crew,
            self._fronts,
            self._beside,
            abandon=self._demands.abandon,
            is_left=self._demands.is_left,
        )

    def run(self) -> Exit:
        """Start everything, keep it alive, end it; returns the exit status."""
        be_last_to_go()
        demands = self._demands
        acts = {signal.SIGTERM: demands.stop, signal.SIGINT: demands.stop, signal.SIGHUP: demands.reload}
        act_on_signals(self._selector, {**acts, signal.SIGUSR2: demands.be_followed})
        self._selector.register(self._ours, selectors.EVENT_READ, lambda: demands.act_on(*hear(self._ours)))
        self._act(self._crew.hire)
        demands.hear()
        if not demands.is_behind:  # else it can still answer frames that fronts of this one would refuse now
            self._fronts.start()
        while not self._ending.is_over:
            for key, _ in self._selector.select(_TICK_S):
                if self._selector.get_map().get(key.fd) is key:  # else what came before it this time has let go of it
                    self._act(key.data)
            self._act(self._tick)
        self._crew.close()
        self._orphans.end_all(but=demands.pids)
        _log.info("stopped%s", self._ending.how(was_ready=self._fronts.have_served))
        return self._ending.status

    def _act(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BootFailed as failure:
            if self._changing.has_failed(str(failure)):
                return
            _log.error("the project cannot be loaded: %s", failure)
            self._ending.kill(Exit.CANNOT_LOAD_PROJECT)

    def _tick(self) -> None:
        self._orphans.sweep(time.monotonic_ns(), self._started_pids())
        self._tend()
        if self._ending.was_forced:
            return
        self._crew.watch(time.monotonic_ns())
        self._crew.hire()  # when the server stops, too: frames may still wait for a worker
        if self._ending.is_running:
            self._keep_going()
        self._ending.watch()
        if self._crew.complete:
            self._fronts.check_in_time()

    def _keep_going(self) -> None:
        self._demands.watch()
        if self._fronts.is_due and (not self._demands.is_behind or self._crew.complete):
            self._fronts.start()
        for program in self._beside:
            program.start_if_due()
        if not self._fronts.have_served and self._fronts.are_ready and self._crew.complete:
            self._fronts.have_served = True
            self.control.words[Control.OPEN] = 1
            _log.info("ready after %.2f s", (time.monotonic_ns() - self.control.words[Control.STARTED_NS]) / 1e9)
            self._announce(Event.READY, 0)
            self._changing.prove_what_runs()

    def _started_pids(self) -> set[int]:
        """All that we know of; fronts become our children where their master is killed."""
        fronts = {row[FrontRow.PID] for row in self.control.fronts}
        beside = {pid for program in self._beside for pid in program.pids}
        return self._crew.pids | fronts | self._fronts.pids | beside | self._demands.pids


def _frame_memory(geometry: Geometry, global_fd: int) -> tuple[ArenaFile, memoryview]:
    """Make it, with all slots free and nothing ready; the mapping is of what lies before the reply areas."""
    arena = create_arena(geometry, global_fd)
    low = map_part(arena, 0, geometry.replies_at, writable=True)
    keep_from_children(low)  # workers map their own
    control = ControlPage(low, geometry)
    control.format()
    control.words[Control.STARTED_NS] = time.monotonic_ns()
    for header in headers(low, geometry):
        header.format()
    return arena, low
