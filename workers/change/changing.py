"""Changes of the version: asked for, read, loaded, proved, switched, or refused; and back to the version before.

::

    reload --> READ a copy --> LOAD a template --> PROVE in a fork of it --> SWITCH: all workers at once --> done
                  |                 |                     |                     |
                  '-----------------+---------------------+---------------------+--> refused: what runs goes on
    rollback -------------------->  LOAD  ----------------------------------> SWITCH

Other thresholds for what runs are read, loaded and proved as a reload is, from the copy of what runs.

What is asked for while a copy is read is read once more after that (reading.py). What is read takes the place of what
is being loaded or proved. The copy of the version before is kept until another takes its place; who has gone back to it
does not go back any further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from workers.change.attempt import Attempt, Before, Kept, said, tell_of_start
from workers.change.reading import Reading
from workers.change.refusing import Refusing
from workers.change.trial import MakePage, Trial, Verdict
from workers.memory.control import Control

if TYPE_CHECKING:
    import selectors

    from workers.crew.crew import Crew
    from workers.flow.project import Project
    from workers.memory.control import ControlPage
    from workers.pool.to_supervisor import Asked
    from workers.settings import PoolSettings


_UNDER_WAY = "another change of the version is under way; ask again when that is done"


class Overriding(NamedTuple):
    """How what runs gets other thresholds: `read` makes a version of it and of what is to be laid over it.

    `changed` is told which version runs now, before anybody hears of it, and whether it was read from disk.
    """

    read: Callable[[Project, bytes], Project] = lambda project, _: project
    changed: Callable[[Project, bool], object] = lambda *_: None


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
        overriding: Overriding,
    ) -> None:
        self._crew = crew
        self._control = control
        self._begun = begun
        self._over = over
        self._overriding = overriding
        self._refusing = Refusing(control, lambda: crew.shift.project.version)
        self._reading = Reading(read, settings.boot_ms, selector, self._on_read, self._refusing.failed)
        self._trial = Trial(settings, selector, crew.shift.template, make_page)
        self._attempt: Attempt | None = None
        self._before = Before()
        self._reloads = 0

    @property
    def pids(self) -> set[int]:
        """Its processes, beside the crew's."""
        return self._reading.pids | self._trial.pids

    def prove_what_runs(self) -> None:
        """Try the proof of the version that the server has started with; that it fails is said, and changes nothing."""
        project = self._crew.shift.project
        if project.proofs:
            self._trial.prove(project, None, lambda verdict: tell_of_start(verdict, project.version))

    def reload(self, asked: Asked) -> None:
        """Load the project anew; once more, where that is under way."""
        self._reading.ask(asked)

    def rollback(self, asked: Asked) -> None:
        """Let the version before run again."""
        self._notice()
        if self._attempt is not None or self._reading.is_under_way:
            self.refuse(asked, _UNDER_WAY)
        elif self._before.kept is None:
            self.refuse(asked, "there is no version before it to go back to")
        else:
            project = replace(self._before.kept.project)  # another object: that one may still have a template that ends
            self._begin(Attempt(project, Kept.of(self._crew.shift.project), [asked], is_rollback=True))

    def override(self, asked: Asked) -> None:
        """Let what runs run on with other thresholds; what lies in the project's folder by now is none of it."""
        self._notice()
        running = self._crew.shift.project
        if self._attempt is not None or self._reading.is_under_way:
            self.refuse(asked, _UNDER_WAY)
        elif asked.seen != running.version:
            self.refuse(asked, "it is another by now than the one whose thresholds were to be changed; look again")
        else:
            self._reading.ask(asked, lambda: self._overriding.read(running, asked.overrides))

    def refuse(self, asked: Asked, why: str) -> None:
        """Change nothing."""
        self._refusing.not_begun(why, [asked])

    def has_failed(self, why: str) -> bool:
        """Hear that a version cannot be loaded; False where it is none that is on its way."""
        if not self._crew.give_up_reload():
            return False
        self._end_refused(why)
        return True

    def watch(self) -> None:
        """Go on where that is due. Called at every tick."""
        self._reading.watch()
        self._trial.watch()
        self._notice()

    def _notice(self) -> None:
        """See whether all new workers have arrived meanwhile, and so the change is done."""
        if self._reloads != self._control.words[Control.RELOADS]:
            self._reloads = self._control.words[Control.RELOADS]
            self._end_done()

    def end(self) -> None:
        """The server ends: end all of it, and leave who asked without an outcome."""
        self._trial.give_up()
        self._reading.end()
        for asked in self._attempt.asked if self._attempt else ():
            asked.drop()
        self._attempt = None

    def _on_read(self, project: Project, asked: list[Asked]) -> None:
        if not asked:  # the server ends
            return
        self._notice()
        if self._attempt is not None:
            self._crew.give_up_reload()
            self._end_refused("another reload has taken its place")
        self._begin(Attempt(project, Kept.of(self._crew.shift.project), asked))

    def _begin(self, attempt: Attempt) -> None:
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
        if attempt.takes(verdict):
            self._crew.let_come()
        else:
            self._crew.give_up_reload()
            self._end_refused(said(verdict))

    def _end_done(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        self._before.end(attempt)
        self._over()
        self._overriding.changed(attempt.project, attempt.is_from_disk)
        attempt.tell_done()

    def _end_refused(self, why: str) -> None:
        attempt, self._attempt = self._attempt, None
        self._trial.give_up()
        if attempt is not None:
            attempt.running.let_go()
            self._refusing.failed(why, attempt.asked)
        self._over()
