"""Making workers: templates are started, asked for forks, and their children taken in.

A worker is known by its pipes from the moment it is asked for, and by its process id once it says that; then it is the
supervisor's child. What does not come within a few seconds is missed: its template is made again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from workers.crew.fork import Birth
from workers.crew.member import Member
from workers.told.black_box import make_box

if TYPE_CHECKING:
    from workers.crew.template_process import Household, TemplateProcess
    from workers.crew.templates import Templates
    from workers.flow.project import Project

_log = logging.getLogger(__name__)

_FORK_NS = 5_000_000_000  # milliseconds are usual
_REPORT_BYTES = 1 << 20


class Hiring:
    """Has the workers that are on their way from `templates`.

    `arrived` is told of a worker that is there, `reported` what it says of itself after that.
    """

    def __init__(
        self,
        house: Household,
        templates: Templates,
        arrived: Callable[[Member], None],
        reported: Callable[[Member, dict[str, Any]], None],
    ) -> None:
        self.templates = templates
        self._house = house
        self._arrived = arrived
        self._reported = reported
        self._coming: list[Member] = []

    @property
    def coming(self) -> Sequence[Member]:
        """The workers that are on their way."""
        return self._coming

    def fill(self, project: Project, wanted: int, members: Collection[Member]) -> None:
        """Ask for as many workers of this version as are missing among `members`; raises OSError."""
        template = self.templates.of(project)
        if template.is_missing:
            template.start()
        present = sum(1 for m in (*members, *self._coming) if m.project is project and not m.retired)
        for _ in range(wanted - present):
            taken = {m.row for m in (*members, *self._coming)}
            row = next((r for r in range(self._house.settings.worker_rows) if r not in taken), None)
            # the last generation may still be on its way out; the next tick tries again
            if row is None or not template.takes_orders or not self._order(template, row):
                return

    def _order(self, template: TemplateProcess, row: int) -> bool:
        with Birth() as birth:
            report_read, report_write = birth.pipe_from()
            os.set_blocking(report_read, False)
            lifeline_read, lifeline_write = birth.pipe_to()
            output_read, output_write = birth.pipe_from(self._house.outputs.pipe)
            box_fd = birth.shared(make_box())
            member = Member(0, -1, row, report_read, lifeline_write, template.project)
            member.output_fd, member.box_fd, member.template_pid = output_read, box_fd, template.pid
            if not template.order(row, (report_write, lifeline_read, output_write, box_fd)):
                birth.fail()
                return False
        self._coming.append(member)
        self._house.selector.register(report_read, selectors.EVENT_READ, lambda: self.hear(member))
        return True

    def hear(self, member: Member) -> None:
        """Act on what a worker has reported since it was heard last; raises BootFailed."""
        if member.report_fd < 0:
            return
        try:
            piece = os.read(member.report_fd, _REPORT_BYTES)
        except BlockingIOError:
            return
        *lines, member.said = (member.said + piece).split(b"\n")
        said = [orjson.loads(line) for line in lines]
        for pid in [told["pid"] for told in said if "pid" in told]:
            self._take_in(member, pid)
        told = next((told for told in said if "pid" not in told), None)
        if told or not piece:
            self.drop_report(member)
            if member in self._coming:
                self._lose(member)
        if told:
            self._reported(member, told)

    def _take_in(self, member: Member, pid: int) -> None:
        try:
            member.pidfd = os.pidfd_open(pid)
        except OSError as error:
            _log.error("the worker %d cannot be followed: %s", pid, error)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it is reaped as an orphan
            return
        self._coming.remove(member)
        member.pid = pid
        self._house.outputs.follow(pid, member.output_fd)
        member.output_fd = -1
        self._arrived(member)

    def _lose(self, member: Member) -> None:
        """It has ended before it was there: forking it failed, or it was killed."""
        self._coming.remove(member)
        os.close(member.output_fd)
        os.close(member.box_fd)
        if member.lifeline_fd >= 0:
            os.close(member.lifeline_fd)
        if not member.retired:
            self.templates.of(member.project).standing.pause()

    def drop_report(self, member: Member) -> None:
        """Listen no longer to a worker that has said all."""
        if member.report_fd >= 0:
            self._house.selector.unregister(member.report_fd)
            os.close(member.report_fd)
            member.report_fd = -1

    def watch(self, now_ns: int) -> None:
        """End templates that take too long to load or to fork; raises BootFailed."""
        self.templates.watch({m.template_pid for m in self._coming if now_ns - m.born_ns > _FORK_NS}, now_ns)

    def watch_loading(self, members: Iterable[Member], now_ns: int) -> None:
        """End workers that take too long to load the project by themselves; raises BootFailed for a new version."""
        boot_ms = self._house.settings.boot_ms
        for member in members:
            if member.report_fd >= 0 and not member.said_why and now_ns - member.born_ns > boot_ms * 1_000_000:
                os.kill(member.pid, signal.SIGKILL)  # it does not look at its lifeline while it loads
                member.said_why = True
                if not member.retired:
                    standing = self.templates.of(member.project).standing
                    standing.failed(f"a worker did not load the project within {boot_ms} ms (boot_ms)")

    def give_up(self, project: Project) -> list[Member]:
        """Let the template of this version go; returns the workers of it that are on their way."""
        self.templates.of(project).give_up()
        return [member for member in self._coming if member.project is project]
