"""The part desk's process, started by the supervisor as `python -I -m service.beside.part_desk FD`; how it is started.

Its plan is in the file of that number. It ends with the supervisor, or when it is asked to, behind the last front.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from service.environment import for_fronts
from service.parts.counts import create_page
from service.parts.desk.before import Before
from service.parts.desk.desk import Next, PartDesk, links, woken_by
from service.parts.desk.hearing import FrontLink
from service.parts.desk.heir import HeirPage
from service.parts.desk.joins import Joins, Tells
from service.parts.desk.kept import Kept
from service.parts.desk.told import NoRing, PartRing, Recent, documents_in
from service.parts.handed import PartsHandedOn, PartsPlan
from service.parts.plans import PartPlan, PlanBook, Plans
from service.parts.unsent import create_unsent
from service.results.files import ResultsPlan
from service.results.reading import RingReader
from service.results.ring import RingWriter
from service.results.seats import Sleepers
from workers.flow.part import holds
from workers.isolated import isolated
from workers.server_log import log_to
from workers.standard_streams import begin_streams, never_wait
from workers.supervisor.program import Command
from workers.this_process import die_with_parent, keep_private

if TYPE_CHECKING:
    import select
    from collections.abc import Callable

    from workers.flow.project import Project

_PLAN_BYTES = 1 << 16


class PartDeskPlan(BaseModel):
    """What the desk is told, as JSON; descriptors by number, which it inherits."""

    model_config = ConfigDict(frozen=True)

    supervisor_pid: int
    links: tuple[int, ...]
    unsent_fds: tuple[int, ...]
    plans_fd: int
    kept_fd: int
    counts_fd: int
    results: ResultsPlan | None
    next_link: int
    heir_fd: int
    before: PartsHandedOn | None


class PartDeskStart:
    """The supervisor's: all that the desk and the fronts share, which outlives both; and the desk's command."""

    def __init__(self, fronts: int, results: ResultsPlan | None, before: PartsHandedOn | None = None) -> None:
        """Say to the server before, if there is one, that what is open there is gone on with here; raises OSError."""
        self._links = links(fronts)
        self._unsent_fds = tuple(create_unsent() for _ in self._links)
        self._book = PlanBook()
        self._before = before
        self._kept_fd = before.kept_fd if before else os.memfd_create("framemill-open-parts")
        self._counts_fd = create_page()
        self._results = results
        self._plan_fd = os.memfd_create("framemill-part-desk-plan")
        ((self._next_theirs, self._next_ours),) = links(1)
        self._heir = HeirPage.create()
        if before:
            HeirPage(before.heir_fd).claim(os.getpid())

    @property
    def for_next(self) -> PartsHandedOn | None:
        """What a server that is to follow is handed; None where no parts are joined."""
        ring_fd = self._results.part_ring if self._results else -1
        return PartsHandedOn(self._kept_fd, self._next_theirs, self._heir.fd, ring_fd) if self.is_wanted() else None

    def followed_by(self, pid: int) -> None:
        """Hear which server answers in place of this one."""
        self._heir.took_over(pid)

    @property
    def plan(self) -> PartsPlan:
        """What a front is handed."""
        fronts = tuple(front for front, _ in self._links)
        pages = {"plans_fd": self._book.fd, "counts_fd": self._counts_fd}
        return PartsPlan(links=fronts, unsent_fds=self._unsent_fds, **pages)

    def enter(self, project: Project, running: Project) -> None:
        """Hear of a version before it sees a frame, and of the one that runs."""
        for one in (running, project):
            self._book.enter(one.version, _plan_of(one))

    def is_wanted(self) -> bool:
        """Whether there is anything to join."""
        return self._book.has_some or self._before is not None

    def __call__(self) -> Command:
        plan = PartDeskPlan(
            supervisor_pid=os.getpid(),
            links=tuple(ours for _, ours in self._links),
            unsent_fds=self._unsent_fds,
            plans_fd=self._book.fd,
            kept_fd=self._kept_fd,
            counts_fd=self._counts_fd,
            results=self._results,
            next_link=self._next_ours,
            heir_fd=self._heir.fd,
            before=self._before,
        )
        text = plan.model_dump_json().encode()
        os.pwrite(self._plan_fd, text, 0)
        os.ftruncate(self._plan_fd, len(text))
        of_results = self._results.fds if self._results else ()
        of_before = self._before.fds if self._before else ()
        pages = (plan.plans_fd, plan.kept_fd, plan.counts_fd, plan.heir_fd, self._plan_fd)
        fds = tuple({*plan.links, *plan.unsent_fds, plan.next_link, *pages, *of_results, *of_before})
        return Command(isolated("-m", "service.beside.part_desk", str(self._plan_fd)), for_fronts(), fds)


def _plan_of(project: Project) -> PartPlan | None:
    part = project.part
    return PartPlan(tuple(part.views), part.wait_ms, part.verdict) if part else None


def main() -> int:
    """Join parts until the server ends; returns the exit status."""
    begin_streams()
    never_wait()
    log_to()
    end_fd = woken_by()
    signal.signal(signal.SIGTERM, lambda *_: os.eventfd_write(end_fd, 1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, whose server asks in its own time
    plan = PartDeskPlan.model_validate_json(os.pread(int(sys.argv[1]), _PLAN_BYTES, 0))
    die_with_parent(plan.supervisor_pid)
    keep_private()
    plans = Plans(plan.plans_fd)
    fronts = [
        FrontLink(socket.socket(fileno=link), unsent_fd, plans)
        for link, unsent_fd in zip(plan.links, plan.unsent_fds, strict=True)
    ]
    following = Next(socket.socket(fileno=plan.next_link), HeirPage(plan.heir_fd))
    before = Before(plan.before.link()) if plan.before else None
    PartDesk(fronts, _joins(plan), following=following, before=before).run(end_fd)
    return 0


def _joins(plan: PartDeskPlan) -> Callable[[select.poll], Joins]:
    """Prepare what joins parts, so that little is left to do when the server before lets go of them."""
    recent, results = Recent(), plan.results
    told_before = _ring_of(plan.before)

    def catch_up() -> None:
        for document in documents_in(told_before) if told_before else ():
            recent.put(document)

    catch_up()
    tells: Tells = NoRing()
    if results is not None:
        fd = results.part_ring
        tells = PartRing(fd, RingWriter(fd), Sleepers(results.pages, results.wakes, results.read_desk))

    def begin(poll: select.poll) -> Joins:
        catch_up()
        return Joins(poll, Kept(plan.kept_fd), tells, recent, holds=holds, counts_fd=plan.counts_fd)

    return begin


def _ring_of(before: PartsHandedOn | None) -> RingReader | None:
    if before is None or before.ring_fd < 0:
        return None
    try:
        reader = RingReader(before.ring_fd)
    except ValueError:  # of another version: what ended there is in the history
        return None
    reader.begin_with_oldest()
    return reader


if __name__ == "__main__":
    sys.exit(main())
