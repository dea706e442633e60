"""The process that has loaded a version and only forks: its workers are there in milliseconds, however slow that was.

::

    supervisor --fork--> template --fork--> (a child that ends at once) --fork--> worker, the supervisor's child by then

It is forked from the supervisor, never executed: packages on disk may have changed meanwhile. It maps no frame memory
and sees no frame. A process is forked safely only while it has one thread and nothing open that its forks would share:
that is looked at before every fork. What it finds instead (a thread, a socket, a database) makes it give up; then a
template that has loaded nothing takes its place, and each worker loads the copy by itself.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

# before all that loads OpenCV or numpy: it says how they are loaded
from workers.worker.preload import calm_down

# isort: split

from workers.containment import streams
from workers.containment.descriptors import Ours
from workers.containment.working_folder import working_folder
from workers.memory.arena import give_back_freed
from workers.this_process import die_with_parent, go_after_workers, keep_private
from workers.trying.proof import run_proof
from workers.versions import wire
from workers.versions.guard import protect
from workers.worker.worker import BOOT_FAILED, Place, load, run_worker

if TYPE_CHECKING:
    import socket

    from workers.flow.project import Project
    from workers.memory.arena import ArenaFile
    from workers.pool.channel import Channel
    from workers.settings import PoolSettings
    from workers.worker.inspector import Inspector


@dataclass(frozen=True, slots=True)
class Charge:
    """What a template is made with: its link and output, and what its workers shall run. It `loads`, or they do."""

    link: socket.socket
    output_fd: int
    arena: ArenaFile
    channel: Channel
    project: Project
    settings: PoolSettings
    loads: bool


def run_template(charge: Charge, supervisor_pid: int) -> NoReturn:
    """Live the life of a template; called right after the fork."""
    status = 1
    try:
        die_with_parent(supervisor_pid)
        keep_private(yes=False)  # until it has arranged its own affairs
        ours = _start_clean(charge)
        go_after_workers()
        keep_private()
        status = _serve(charge, ours, supervisor_pid)
    except BaseException:  # noqa: BLE001 - nothing may unwind into the supervisor's own stack
        with contextlib.suppress(BaseException):  # user code may have closed or replaced the streams
            traceback.print_exc()
    finally:
        streams.flush()
        os._exit(status)


def _start_clean(charge: Charge) -> Ours:
    """Drop what belongs to the supervisor: its signal handlers and its other descriptors."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.setpgid(0, 0)  # Ctrl-C at a terminal is for the supervisor alone
    channel = charge.channel
    streams.speak_through(charge.output_fd)
    own = {charge.link.fileno(), charge.arena.fd, charge.arena.global_fd, channel.inbox_fd, *channel.done_fds}
    kept = sorted({0, 1, 2, charge.output_fd} | own)
    for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)
    os.environ["FRAMEMILL_DATA"] = str(charge.project.data)
    if charge.project.has_code:
        os.chdir(working_folder(charge.project.data, charge.project.folder))
    sys.dont_write_bytecode = True  # not beside the copy of a file
    if charge.project.version:
        protect(charge.project.folder, charge.project.data)
    calm_down()
    return Ours(own, shared=[charge.output_fd])


def _serve(charge: Charge, ours: Ours, supervisor_pid: int) -> int:
    begun_ns = time.monotonic_ns()
    inspector = None
    if charge.loads:
        inspector, failure = load(charge.project, charge.settings)
        if inspector is None:
            wire.tell(charge.link, "failed", failure)
            return BOOT_FAILED
        # what exists now is shared by all workers: the collector must not touch, and so copy, its pages
        gc.collect()
        gc.freeze()
        give_back_freed()
    if why := _why_alone(ours):
        wire.tell(charge.link, "alone", why)
        return 0
    wire.tell(charge.link, "loaded", time.monotonic_ns() - begun_ns)
    said = mmap.mmap(-1, 1)
    while (order := wire.Order.receive(charge.link)) is not None:
        with order:
            if why := _why_alone(ours, order):
                wire.tell(charge.link, "alone", why)
                return 0
            _bear(charge, order, ours, inspector, said, supervisor_pid)
    return 0


def _why_alone(ours: Ours, order: wire.Order | None = None) -> str:
    """Say what speaks against forking this process; nothing where it is safe."""
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - Path makes an object of each, five times as slow
    if threads > 1:
        return f"it starts {threads - 1} threads"
    foreign = ours.foreign(but=order.fds if order else ())
    return f"it holds {', '.join(foreign[:5])} open" if foreign else ""


def _bear(  # noqa: PLR0917 - what a worker is made of
    charge: Charge, order: wire.Order, ours: Ours, inspector: Inspector | None, said: mmap.mmap, supervisor_pid: int
) -> None:
    streams.flush()
    with ours.kept_by_children():
        try:
            middle = os.fork()
            if middle == 0:
                _be_between(charge, order, ours, inspector, said, supervisor_pid)
        except OSError as error:
            wire.tell(charge.link, "unborn", error.strerror or str(error))
            return
    with contextlib.suppress(ChildProcessError):  # user code may have it that nobody waits for children
        _, status = os.waitpid(middle, 0)
        if status:
            wire.tell(charge.link, "unborn", os.strerror(os.waitstatus_to_exitcode(status)))


def _be_between(  # noqa: PLR0917 - as above
    charge: Charge, order: wire.Order, ours: Ours, inspector: Inspector | None, said: mmap.mmap, supervisor_pid: int
) -> NoReturn:
    """Fork the worker and end, so that it becomes the supervisor's child; the status says why that failed."""
    try:
        if os.fork() == 0:
            charge.link.close()
            is_proof = order.row == wire.PROOF_ROW
            place = Place(
                row=charge.settings.worker_rows if is_proof else order.row,  # a number that no worker has
                report_fd=order.report_fd,
                lifeline_fd=order.lifeline_fd,
                new_output_fd=order.output_fd,
                output_fd=charge.output_fd,
                box_fd=order.box_fd,
                arena=charge.arena,
                channel=charge.channel,
                project=charge.project,
                settings=charge.settings,
                ours=ours,
                inspector=inspector,
                said=said,
            )
            if is_proof:
                run_proof(place, supervisor_pid)
            run_worker(place, supervisor_pid)
    except OSError as error:
        os._exit(error.errno or 1)
    os._exit(0)
