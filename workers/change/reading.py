"""Reading the project for a reload, in a process of its own: it may be large, on a slow disk, or hostile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.change.errand import Errand

if TYPE_CHECKING:
    import selectors

    from workers.flow.project import Project
    from workers.pool.to_supervisor import Asked


class Reading:
    """At most one reload that reads; those that are asked for meanwhile are one that follows it.

    `read` copies and checks the project; `on_read` is told what it returned, `on_failed` why it did not, both with who
    asked for it.
    """

    def __init__(
        self,
        read: Callable[[], Project],
        limit_ms: int,
        selector: selectors.BaseSelector,
        on_read: Callable[[Project, list[Asked]], None],
        on_failed: Callable[[str, list[Asked]], None],
    ) -> None:
        self._read = read
        self._errand = Errand(
            "it was not read",
            limit_ms,
            selector,
            on_done=lambda project: on_read(project, self._take()),
            on_failed=lambda why: on_failed(why, self._take()),
        )
        self._now: list[Asked] = []
        self._next: list[Asked] = []

    @property
    def pids(self) -> set[int]:
        """Its processes."""
        return self._errand.pids

    @property
    def is_under_way(self) -> bool:
        """Whether somebody waits for it."""
        return self._errand.is_under_way or bool(self._next)

    def ask(self, asked: Asked, read: Callable[[], Project] | None = None) -> None:
        """Read it, once more where that is under way; by `read` where nothing is, and that is given."""
        self._next.append(asked)
        self._begin(read or self._read)

    def watch(self) -> None:
        """End what takes too long, and begin what follows."""
        self._errand.watch()
        self._begin(self._read)

    def end(self) -> None:
        """End it; who asked is told nothing."""
        self._errand.kill()
        for asked in (*self._take(), *self._next):
            asked.drop()
        self._next = []

    def _begin(self, read: Callable[[], Project]) -> None:
        if self._next and not self._errand.is_under_way:
            self._now, self._next = self._next, []
            self._errand.start(read)

    def _take(self) -> list[Asked]:
        taken, self._now = self._now, []
        return taken
