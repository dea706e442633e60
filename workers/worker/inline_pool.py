"""The pool without processes: the same slots, the same contract, the work done in the calling thread.

For tests and for stepping through a flow with a debugger. A crash of user code is a crash of the process, and a frame
that overruns its deadline is not cut short.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from workers.admission.pace import Pace
from workers.flow.project import modules_of
from workers.memory.arena import create_arena, map_part
from workers.memory.control import Control, ControlPage, WorkerRow
from workers.memory.crash_table import CrashTable
from workers.memory.global_data import GlobalData, create_global_data
from workers.memory.layout import Geometry
from workers.memory.module_table import ModuleTable
from workers.memory.slot import Word, headers
from workers.memory.slot_memory import SlotMemory
from workers.pool.channel import Channel, Descriptor
from workers.pool.exchange import receive_into
from workers.pool.pool import Pool
from workers.told.witness import WorkerWitness
from workers.worker.inspector import Inspector
from workers.worker.newest import Newest
from workers.worker.runner import Runner

if TYPE_CHECKING:
    from workers.flow.project import Project
    from workers.memory.slot import Header
    from workers.pool.exchange import Rest
    from workers.settings import PoolSettings


class InlinePool(Pool):
    """A pool that needs no supervisor and no workers."""

    def __init__(self, project: Project, settings: PoolSettings) -> None:
        geometry = Geometry.of(settings)
        arena = create_arena(geometry, create_global_data(settings.global_data_kib))
        low = map_part(arena, 0, geometry.requests_at, writable=True)
        high = map_part(arena, geometry.requests_at, geometry.total_bytes, writable=False)
        control = ControlPage(low, geometry)
        control.format()
        control.words[Control.WORKERS_READY] = control.words[Control.WORKERS_WANTED] = control.words[Control.OPEN] = 1
        control.workers[0][WorkerRow.PID] = os.getpid()
        slots = headers(low, geometry)
        for header in slots:
            header.format()
        inspector = Inspector.prepare(project, settings)
        memory = SlotMemory(slots, low, high, arena)
        newest = Newest(memory, control, control.workers[0])
        channel = Channel.create(geometry.slots)
        self._fds = (arena.fd, arena.global_fd, channel.submit_fd, channel.inbox_fd, *channel.done_fds)
        row, pace = control.workers[0], Pace(control.words)
        names = ModuleTable(low, geometry, control.words)
        modules = list(modules_of(project.steps))
        names.enter(modules)
        crashes = CrashTable(low, geometry, arena.fd)
        witness = WorkerWitness(str(project.folder), row, names.places(modules), crashes)
        shared, run_ms = GlobalData(arena.global_fd), settings.run_ms
        self._runner = Runner(inspector, newest, arena.fd, channel.done_fds, row, pace, run_ms, witness, shared)
        self._turn = threading.Lock()
        super().__init__(arena, 0, self._run_here)

    def _run_here(self, header: Header, area: memoryview, _client_fd: int, rest: Rest | None) -> None:
        if rest is not None:
            rest.receive(partial(receive_into, area))
        header.queue(time.monotonic_ns())
        with self._turn:
            self._runner.run(Descriptor(header.index, header.words[Word.GENERATION]))

    def close(self) -> None:
        """Give the descriptors back; the memory goes with the last view of it."""
        for fd in self._fds:
            os.close(fd)
