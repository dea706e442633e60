"""Changes of the version: asked for, read, loaded, proved, switched, or refused; and back to the version before.

::

    reload --> READ a copy --> LOAD a template --> PROVE in a fork of it --> SWITCH: all workers at once --> done
                  |                 |                     |                     |
                  '-----------------+---------------------+---------------------+--> refused: what runs goes on
    rollback -------------------->  LOAD  ----------------------------------> SWITCH

What is asked for while a copy is read is read once more after that. What is read takes the place of what is being
loaded or proved. The copy of the version before is kept until another takes its place; who has gone back to it does not
go back any further.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workers.change.errand import Errand
from workers.change.trial import MakePage, Trial, Verdict
from workers.memory.control import Control
from workers.pool.to_supervisor import Asked, Outcome
from workers.versions.shelf import hold

if TYPE_CHECKING:
    import selectors

    from workers.crew.crew import Crew
    from workers.flow.project import Project
    from workers.memory.control import ControlPage
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_MOST_LINES = 20  # of a proof, in the log and in an answer


@dataclass(slots=True)
class _Kept:
    """A version that stays as a copy while the lock is held."""

    project: Project
    lock: int

    @classmethod
    def of(cls, project: Project) -> _Kept:
        return cls(project, hold(project.folder))

    def let_go(self) -> None:
        os.close(self.lock)


@dataclass(slots=True)
class _Attempt:
    """A change on its way: what is to run, what runs, who asked for it."""

    project: Project
    running: _Kept
    asked: list[Asked]
    is_rollback: bool = False

    @property
    def who(self) -> str:
        return ", ".join(dict.fromkeys(asked.who for asked in self.asked))

    @property
    def accepted_by(self) -> str:
        return ", ".join(dict.fromkeys(asked.who for asked in self.asked if asked.accepts))


class Changing:
    """The change that is on its way, if there is one, and the version before.

    `read` copies and checks the project, in a process of its own; `make_page` shows a proof that failed; `begun` and
    `over` are told when another version is on its way, and when it is there or has failed.
    """

    def __init__(
        self,
        settings: PoolSettings,
        crew: Crew,
        control: ControlPage,
        selector: selectors.BaseSelector,
        *,
        read: Callable[[], Project],
        make_page: MakePage | None,
        begun: Callable[[], None],
        over: Callable[[], None],
    ) -> None:
        self._crew = crew
        self._control = control
        self._begun = begun
        self._over = over
        self._read = read
        self._errand = Errand(
            "it was not read", settings.boot_ms, selector, on_done=self._on_read, on_failed=self._on_unread
        )
        self._trial = Trial(settings, selector, crew.shift.template, make_page)
        self._reading: list[Asked] = []
        self._next: list[Asked] = []
        self._attempt: _Attempt | None = None
        self._before: _Kept | None = None
        self._reloads = 0

    @property
    def pids(self) -> set[int]:
        """Its processes, beside the crew's."""
        return self._errand.pids | self._trial.pids

    def prove_what_runs(self) -> None:
        """Try the proof of the version that the server has started with; that it fails is said, and changes nothing."""
        project = self._crew.shift.project
        if project.proofs:
            self._trial.prove(project, None, self._on_first_verdict)

    def reload(self, asked: Asked) -> None:
        """Load the project anew; once more, where that is under way."""
        if self._errand.pids:
            self._next.append(asked)
        else:
            self._reading.append(asked)
            self._errand.start(self._read)

    def rollback(self, asked: Asked) -> None:
        """Let the version before run again."""
        if self._attempt is not None or self._errand.pids:
            self.refuse(asked, "another change of the version is under way; ask again when that is done")
        elif self._before is None:
            self.refuse(asked, "there is no version before it to go back to")
        else:
            # another object: the one that ran before may still have a template that ends
            self._begin(_Attempt(replace(self._before.project), self._kept(), [asked], is_rollback=True))

    def refuse(self, asked: Asked, why: str) -> None:
        """Change nothing."""
        _log.error("version %s goes on, whatever %s asks for: %s", self._running, asked.who, why)
        asked.tell(Outcome(done=False, version=self._running, before="", words=why))

    def has_failed(self, why: str) -> bool:
        """Hear that a version cannot be loaded; False where it is none that is on its way."""
        if not self._crew.give_up_reload():
            return False
        self._end_refused(why)
        return True

    def watch(self) -> None:
        """Go on where that is due. Called at every tick."""
        self._errand.watch()
        if self._next and not self._errand.pids:
            self._reading, self._next = self._reading + self._next, []
            self._errand.start(self._read)
        self._trial.watch()
        if self._reloads != self._control.words[Control.RELOADS]:
            self._reloads = self._control.words[Control.RELOADS]
            self._end_done()

    def end(self) -> None:
        """The server ends: end all of it, and leave who asked without an outcome."""
        self._trial.give_up()
        self._errand.kill()
        for asked in (*self._reading, *self._next, *(self._attempt.asked if self._attempt else ())):
            asked.drop()
        self._reading, self._next, self._attempt = [], [], None

    @property
    def _running(self) -> str:
        return self._crew.shift.project.version

    def _kept(self) -> _Kept:
        return _Kept.of(self._crew.shift.project)

    def _on_read(self, project: Project) -> None:
        asked, self._reading = self._reading, []
        if not asked:  # the server ends
            return
        if self._attempt is not None:
            self._crew.give_up_reload()
            self._end_refused("another reload has taken its place")
        self._begin(_Attempt(project, self._kept(), asked))

    def _on_unread(self, why: str) -> None:
        asked, self._reading = self._reading, []
        self._refuse(asked, why)

    def _begin(self, attempt: _Attempt) -> None:
        self._attempt = attempt
        self._begun()
        proves = bool(attempt.project.proofs) and not attempt.is_rollback
        self._trial.give_up()
        if proves:
            self._trial.prove(attempt.project, attempt.running.project, self._on_verdict)
        self._crew.reload(attempt.project, held=proves)

    def _on_verdict(self, verdict: Verdict) -> None:
        attempt = self._attempt
        assert attempt is not None
        if verdict.holds:
            _log.info("the proof of version %s holds, %d frames", attempt.project.version, len(attempt.project.proofs))
        elif who := attempt.accepted_by:
            _log.warning("version %s is accepted by %s: %s", attempt.project.version, who, _said(verdict))
        else:
            self._crew.give_up_reload()
            self._end_refused(_said(verdict))
            return
        self._crew.let_come()

    def _on_first_verdict(self, verdict: Verdict) -> None:
        if verdict.holds:
            _log.info("the proof of version %s holds", self._running)
        else:
            _log.error("the version that runs, %s, is not what it should be: %s", self._running, _said(verdict))

    def _end_done(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        before, version, who = attempt.running, attempt.project.version, attempt.who
        if attempt.is_rollback:
            _log.warning("gone back to version %s from %s; asked for by %s", version, before.project.version, who)
            before.let_go()
            self._keep(None)
        else:
            _log.info(
                "the project was reloaded: version %s runs, before it was %s; asked for by %s",
                version,
                before.project.version,
                who,
            )
            if before.project.version == version:  # the same once more: back leads to what was before that
                before.let_go()
            else:
                self._keep(before)
        self._over()
        outcome = Outcome(done=True, version=version, before=before.project.version, words="")
        for asked in attempt.asked:
            asked.tell(outcome)

    def _keep(self, before: _Kept | None) -> None:
        if self._before is not None:
            self._before.let_go()
        self._before = before

    def _end_refused(self, why: str) -> None:
        attempt, self._attempt = self._attempt, None
        self._trial.give_up()
        if attempt is not None:
            attempt.running.let_go()
            self._refuse(attempt.asked, why)
        self._over()

    def _refuse(self, asked: list[Asked], why: str) -> None:
        _log.error("the project was not reloaded, the one before goes on (version %s): %s", self._running, why)
        for one in asked:
            one.tell(Outcome(done=False, version=self._running, before="", words=why))


def _said(verdict: Verdict) -> str:
    shown = verdict.lines[:_MOST_LINES]
    more = len(verdict.lines) - len(shown)
    lines = [*shown, *([f"and {more} more"] if more > 0 else [])]
    page = f"\nit is shown in {verdict.page}" if verdict.page else ""
    return "its proof fails:\n" + "\n".join(lines) + page
