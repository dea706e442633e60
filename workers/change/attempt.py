"""A change on its way: which version is to run, which one runs, who asked for it, and what they are told."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from workers.pool.to_supervisor import Asked, Outcome
from workers.versions.shelf import hold

if TYPE_CHECKING:
    from workers.change.trial import Verdict
    from workers.flow.project import Project

_log = logging.getLogger(__name__)

_MOST_LINES = 20  # of a proof, in the log and in an answer


@dataclass(slots=True)
class Kept:
    """A version that stays as a copy until it is let go."""

    project: Project
    lock: int

    @classmethod
    def of(cls, project: Project) -> Self:
        """Keep one that is there."""
        return cls(project, hold(project.folder))

    def let_go(self) -> None:
        """Need it no more."""
        os.close(self.lock)


@dataclass(slots=True)
class Attempt:
    """`project` is to take the place of `running`."""

    project: Project
    running: Kept
    asked: Sequence[Asked]
    is_rollback: bool = False

    @property
    def is_from_disk(self) -> bool:
        """Whether it was read from the project's folder, and not made of what runs or ran."""
        return not self.is_rollback and all(one.wanted is None for one in self.asked)

    def takes(self, verdict: Verdict) -> bool:
        """Whether it goes on after its proof: that holds, or somebody takes it whatever it says."""
        version, accepted = self.project.version, [asked for asked in self.asked if asked.accepts]
        if verdict.holds:
            _log.info("the proof of version %s holds, %d frames", version, len(self.project.proofs))
        elif accepted:
            _log.warning("version %s is accepted by %s: %s", version, names_of(accepted), said(verdict))
        return verdict.holds or bool(accepted)

    def tell_done(self) -> None:
        """It runs."""
        version, before, who = self.project.version, self.running.project.version, names_of(self.asked)
        if self.is_rollback:
            _log.warning("gone back to version %s from %s; asked for by %s", version, before, who)
        else:
            said = "the project was reloaded: version %s runs, before it was %s; asked for by %s"
            _log.info(said, version, before, who)
        for asked in self.asked:
            asked.tell(Outcome(done=True, version=version, before=before, words=""))


class Before:
    """The version before the one that runs, as long as somebody may go back to it."""

    def __init__(self) -> None:
        self.kept: Kept | None = None

    def end(self, attempt: Attempt) -> None:
        """Be told that an attempt has become what runs: who has gone back does not go back any further."""
        if attempt.is_rollback:
            attempt.running.let_go()
            self._keep(None)
        elif attempt.running.project.version == attempt.project.version:  # back leads to what was before that
            attempt.running.let_go()
        else:
            self._keep(attempt.running)

    def _keep(self, before: Kept | None) -> None:
        if self.kept is not None:
            self.kept.let_go()
        self.kept = before


def tell_of_start(verdict: Verdict, version: str) -> None:
    """The server has started with `version`, and goes on with it."""
    if verdict.holds:
        _log.info("the proof of version %s holds", version)
    else:
        _log.error("the version that runs, %s, is not what it should be: %s", version, said(verdict))


def said(verdict: Verdict) -> str:
    """Say what is wrong with a proof."""
    shown = verdict.lines[:_MOST_LINES]
    more = len(verdict.lines) - len(shown)
    lines = [*shown, *([f"and {more} more"] if more > 0 else [])]
    page = f"\nit is shown in {verdict.page}" if verdict.page else ""
    return "its proof fails:\n" + "\n".join(lines) + page


def names_of(asked: Sequence[Asked]) -> str:
    """Return who asked, as the log has it."""
    return ", ".join(dict.fromkeys(one.who for one in asked))
