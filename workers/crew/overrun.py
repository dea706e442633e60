"""Ends workers whose frame runs longer than it may, and has them say first where they are.

A worker that is to be killed is asked for the stack of its threads (told/stack.py); one turn of the supervisor's
loop later, or three where it has not answered, comes SIGKILL. Module, line and times are in the log by then, and in the
slot's header, for the client; what the frame had printed is in the log. A frame that ends in between spares its worker.

A client's time is often over a moment before that. So a frame that has run for long is looked at shortly before its
deadline too: that ends nothing, and its client is told where it was.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.containment.log import escaped
from workers.crew.rescue import has_run
from workers.memory.control import Control, WorkerRow
from workers.memory.slot import State, Word
from workers.told.black_box import Reading
from workers.told.stack import Question

if TYPE_CHECKING:
    from workers.containment.log import Outputs
    from workers.crew.member import Member
    from workers.memory.control import ControlPage
    from workers.memory.module_table import ModuleTable
    from workers.memory.slot import Header

_log = logging.getLogger(__name__)

_BEFORE_NS = 100_000_000  # five turns of the loop: one to ask, four to hear
_LONG_NS = 4 * _BEFORE_NS  # a frame that has run for less is left in peace before its deadline


@dataclass(slots=True)
class _Look:
    """At one frame of one worker."""

    generation: int
    question: Question
    seen: bool = False


class Overrun:
    """What the supervisor asks at every turn."""

    def __init__(
        self, headers: Sequence[Header], control: ControlPage, run_ms: int, *, modules: ModuleTable, outputs: Outputs
    ) -> None:
        self._headers = headers
        self._control = control
        self._run_ms = run_ms
        self._modules = modules
        self._outputs = outputs
        self._looks: dict[int, _Look] = {}

    @property
    def run_ns(self) -> int:
        """How long a frame may run."""
        return self._run_ms * 1_000_000

    def watch(self, members: Iterable[Member], now_ns: int) -> None:
        """Ask workers whose frame has just run for too long, and kill those that were asked before."""
        running = self._running(now_ns)
        asked = {}
        for member in members:
            header = running.get(member.pid)
            look = self._looks.get(member.pid)
            if header is None or (look is not None and look.generation != header.words[Word.GENERATION]):
                look = None
                _spare(member)
            if header is not None:
                look = self._turn(member, header, look, now_ns)
            if look is not None:
                asked[member.pid] = look
        self._looks = asked

    def _running(self, now_ns: int) -> dict[int, Header]:
        """The frames that run, by their workers; of several one that runs for too long: a worker may write rubbish."""
        found: dict[int, Header] = {}
        for header in self._headers:
            if header.words[Word.STATE] < State.RUNNING or header.state is not State.RUNNING:
                continue
            pid = header.words[Word.OWNER_PID]
            if pid not in found or has_run(header, now_ns, self.run_ns):
                found[pid] = header
        return found

    def _turn(self, member: Member, header: Header, look: _Look | None, now_ns: int) -> _Look | None:
        if has_run(header, now_ns, self.run_ns):
            if not member.killed_for_time:
                # from here on its death is ours
                member.killed_for_time, member.late_ns = True, now_ns
                return self._ask(member, header, now_ns)
            if member.late_ns and (look is None or look.question.is_due(now_ns)):
                self._kill(member, header, look, now_ns)
            return look
        _spare(member)
        if look is None:
            return self._ask(member, header, now_ns) if self._is_nearly_over(header, now_ns) else None
        if not look.seen and look.question.is_due(now_ns):
            look.seen = True
            look.question.end()
            header.leave_place(self.place(member, look.question))
        return look

    def _is_nearly_over(self, header: Header, now_ns: int) -> bool:
        words = header.words
        started_ns, wanted = words[Word.STARTED_NS], words[Word.CANCELLED] != words[Word.GENERATION]
        ends_ns = words[Word.DEADLINE_NS] - _BEFORE_NS
        return bool(wanted and now_ns - started_ns >= _LONG_NS and ends_ns <= now_ns < words[Word.DEADLINE_NS])

    @staticmethod
    def _ask(member: Member, header: Header, now_ns: int) -> _Look:
        return _Look(header.words[Word.GENERATION], Question(member.pid, Reading(member.box_fd), now_ns))

    def _kill(self, member: Member, header: Header, look: _Look | None, now_ns: int) -> None:
        member.late_ns = 0
        self._control.words[Control.OVERDUE_KILLS] += 1
        place = self.place(member)
        if look is not None:
            look.question.end()
            place = self.place(member, look.question)
        header.leave_place(place)
        os.kill(member.pid, signal.SIGKILL)
        words = header.words
        _log.warning(
            "worker %d is killed: %s: it waited %d ms and ran %d ms, %s",
            member.pid,
            escaped(header.limited.encode()) or f"its frame ran longer than {self._run_ms} ms (run_ms)",
            max(0, words[Word.STARTED_NS] - words[Word.QUEUED_NS]) // 1_000_000,
            max(0, now_ns - words[Word.STARTED_NS]) // 1_000_000,
            place,
        )
        if look is not None:
            stack = look.question.stack.replace(f'File "{member.project.folder}/', 'File "')
            self._outputs.quote(member.pid, "its stack", stack.encode())
        self.quote_printed(member)

    def place(self, member: Member, question: Question | None = None) -> str:
        """Name the module at work in a worker, and the line of it where that is known."""
        module = self._modules.name(self._control.workers[member.row][WorkerRow.MODULE]).label
        line = question.place(member.project.folder) if question is not None else ""
        return escaped((f"{module}, {line}" if line else module).encode("utf-8", "backslashreplace"))

    def quote_printed(self, member: Member) -> None:
        """Write what the frame at hand had printed into the log: no answer will have it."""
        for name, text in zip(("stdout", "stderr"), Reading(member.box_fd).printed(), strict=True):
            self._outputs.quote(member.pid, f"what its frame had printed to {name}", text)


def _spare(member: Member) -> None:
    if member.late_ns:
        member.killed_for_time, member.late_ns = False, 0


class SlowEnds:
    """The same for workers that take longer than `finish_ms` for what user code does at their end (leaving.py)."""

    def __init__(self, control: ControlPage, finish_ms: int, outputs: Outputs) -> None:
        self.killed = 0
        self._control = control
        self._finish_ms = finish_ms
        self._outputs = outputs
        self._asked: dict[int, Question] = {}

    def watch(self, members: Iterable[Member], now_ns: int) -> None:
        """Ask those that have just taken too long where they are, and kill those that were asked before."""
        late = {member.pid: member for member in members if self._is_late(member, now_ns)}
        asked = {pid: question for pid, question in self._asked.items() if pid in late}
        for pid, member in late.items():
            question = asked.get(pid)
            if question is None and not member.cut_short_ns:
                member.cut_short_ns = now_ns
                self.killed += 1
                _log.warning(
                    "worker %d is killed: stop(), atexit and threads took longer at its end than %d ms (finish_ms)",
                    pid,
                    self._finish_ms,
                )
                asked[pid] = Question(pid, Reading(member.box_fd), now_ns)
            elif question is not None and question.is_due(now_ns):
                question.end()
                self._outputs.quote(pid, "its stack", (question.stack or question.why_not).encode())
                os.kill(pid, signal.SIGKILL)
                del asked[pid]
        self._asked = asked

    def _is_late(self, member: Member, now_ns: int) -> bool:
        begun_ns = self._control.workers[member.row][WorkerRow.ENDS_NS] if member.ready else 0
        return bool(begun_ns) and now_ns - begun_ns >= self._finish_ms * 1_000_000
