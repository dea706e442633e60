"""Whether a version is right about its proof: what it says is found out, shown beside the version before, and told.

::

    prove(new) --> a fork of its template tries all frames --> all right: held(...)
                        | something is wrong
                        v
                   a fork of the version before tries those --> a page is made, in a process of its own --> failed(...)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workers.change.errand import Errand
from workers.change.failed_proof import FailedProof, lines_of
from workers.change.proving import Proved, Proving
from workers.trying.proof_file import ProofFrame

if TYPE_CHECKING:
    import selectors

    from workers.crew.template_process import TemplateProcess
    from workers.flow.project import Project
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_PAGE_MS = 60_000
_MOST_SHOWN = 100
_TRIES = 5

MakePage = Callable[[FailedProof], Path]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a proof has come to: `lines` say what is wrong, nothing where it holds; `page` shows it, if there is one."""

    lines: tuple[str, ...] = ()
    page: str = ""

    @property
    def holds(self) -> bool:
        """Whether all is right."""
        return not self.lines


class Trial:
    """At most one proof at a time; one that is asked for while another is under way takes its place.

    `template` gives the template of a version; `make_page` writes a page and returns where it lies.
    """

    def __init__(
        self,
        settings: PoolSettings,
        selector: selectors.BaseSelector,
        template: Callable[[Project], TemplateProcess],
        make_page: MakePage | None,
    ) -> None:
        self._template = template
        self._make_page = make_page
        self._proving = Proving(settings)
        self._page = Errand(
            "the page that shows it was not made",
            _PAGE_MS,
            selector,
            on_done=lambda path: self._finish(str(path)),
            on_failed=self._on_no_page,
            limit="a limit of its own",
        )
        self._wanted: Project | None = None
        self._old: Project | None = None
        self._begun = False
        self._tries = _TRIES
        self._failed: FailedProof | None = None
        self._on_verdict: Callable[[Verdict], None] | None = None

    @property
    def pids(self) -> set[int]:
        """Its processes."""
        return self._proving.pids | self._page.pids

    def prove(self, project: Project, old: Project | None, on_verdict: Callable[[Verdict], None]) -> None:
        """Find out what `project` says of its proof; `old` is what runs, to show beside it."""
        self.give_up()
        self._wanted, self._old, self._on_verdict = project, old, on_verdict
        self._tries = _TRIES

    def watch(self) -> None:
        """Begin where its template is there, and end what takes too long."""
        self._proving.watch()
        self._page.watch()
        if self._wanted is None or self._begun or self._proving.is_busy or self._page.pids:
            return
        template = self._template(self._wanted)
        if template.takes_orders:
            proofs = self._wanted.proofs
            frames = [ProofFrame(path=str(p.path), told=p.told, judged_by=n) for n, p in enumerate(proofs)]
            self._begun = True
            self._start(template, frames, self._on_proved)

    def give_up(self) -> None:
        """Drop the one that is under way, if there is one; nobody is told."""
        self._wanted = self._old = self._on_verdict = None
        self._begun = False
        self._proving.give_up()
        self._page.kill()
        self._drop()

    def _start(self, template: TemplateProcess, frames: list[ProofFrame], on_done: Callable[[Proved], None]) -> None:
        try:
            self._proving.start(template, frames, on_done)
        except OSError as error:
            _log.error("the proof cannot be done: no process can be made: %s", error.strerror)
            self._say(Verdict((f"the proof cannot be done: no process can be made: {error.strerror}",)))

    def _on_proved(self, proved: Proved) -> None:
        project = self._wanted
        assert project is not None
        if not proved.was_born and self._tries > 1:  # its template cannot be forked, and another takes its place
            proved.close()
            self._tries -= 1
            self._begun = False
            return
        if proved.holds:
            proved.close()
            self._say(Verdict())
            return
        numbers = sorted({*proved.wrong, *([proved.at] if proved.failure and proved.at is not None else [])})
        shown = [ProofFrame(path=f.path, told=f.told) for f in (proved.frames[n] for n in numbers[:_MOST_SHOWN])]
        self._failed = FailedProof(project, proved, shown, self._old)
        old = self._template(self._old) if self._old else None
        if old and old.takes_orders and shown and self._make_page:
            self._start(old, shown, self._on_shown)
        else:
            self._begin_page()

    def _on_shown(self, before: Proved) -> None:
        failed = self._failed
        assert failed is not None
        self._failed = FailedProof(failed.new, failed.proved, failed.shown, failed.old, before)
        self._begin_page()

    def _begin_page(self) -> None:
        failed, make_page = self._failed, self._make_page
        assert failed is not None
        if make_page and failed.shown:
            self._page.start(lambda: make_page(failed))
        else:
            self._finish("")

    def _on_no_page(self, why: str) -> None:
        if self._failed is not None:
            _log.error("%s", why)
            self._finish("")

    def _finish(self, page: str) -> None:
        if self._failed is None:  # given up meanwhile
            return
        lines = lines_of(self._failed.new, self._failed.proved)
        self._drop()
        self._say(Verdict(tuple(lines), page))

    def _drop(self) -> None:
        if self._failed is not None:
            self._failed.close()
            self._failed = None

    def _say(self, verdict: Verdict) -> None:
        on_verdict, self._on_verdict = self._on_verdict, None
        self._drop()
        self._wanted, self._begun = None, False
        if on_verdict is not None:
            on_verdict(verdict)
