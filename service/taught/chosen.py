"""Which module of a project is taught, where its file lies, and what it has learned so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workers.errors import FramemillError, ProjectInvalid
from workers.modules.anomaly.learned_file import read_learned
from workers.modules.anomaly.options import LEARNED_SUFFIX, AnomalyOptions
from workers.teaching.teaching import Before

if TYPE_CHECKING:
    from workers.flow.project import Project, Step
    from workers.modules.region_options import RegionOptions

MODULE = "anomaly"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The module `id`, which messages call `title`, of the project in `folder`; `file` is what it loads from there.

    It looks at `region` of what it sees. `notes` say what in its table counts more than what is learned.
    """

    id: int
    title: str
    folder: Path
    file: str
    region: RegionOptions | None
    notes: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where its file lies, or will lie."""
        return self.folder / self.file

    def before(self) -> Before:
        """Return what it has learned; raises ProjectInvalid where there is nothing, or something else."""
        if not self.path.is_file():
            msg = f"{self.title}: {self.file} is not there: nothing was learned yet that --more could go on from"
            raise ProjectInvalid(msg)
        return Before(*read_learned(self.path, self.file))


class NotOne(FramemillError):
    """The project has no module that learns, or several, or none of that name; the message says which there are."""

    code = "no_module_to_teach"


def choose(project: Project, name: str | None) -> Chosen:
    """Return the module that is meant: the only one, or that of this name; raises NotOne."""
    there = [step for step in _all(project.steps) if step.options.module == MODULE]
    if not there:
        msg = f'the project has no module that learns: add a table [[flow]] with module = "{MODULE}"'
        raise NotOne(msg)
    named = [step for step in there if name is None or step.options.title == name]
    if len(named) != 1:
        names = ", ".join(f"{step.options.title!r}" for step in there)
        what = (
            f"no {MODULE} is called {name!r}" if not named else f"several modules are called {named[0].options.title!r}"
        )
        msg = f"{what}; there are {names}: name one of them with --module"
        if named and name is None:
            msg = f"the project has several modules that learn, {names}: name one of them with --module"
        raise NotOne(msg)
    (step,) = named
    options = step.options
    assert isinstance(options, AnomalyOptions), "that is the module's name"
    if not options.file.endswith(LEARNED_SUFFIX):
        msg = f"{options.title} has learned elsewhere: file = {options.file!r}; training writes {LEARNED_SUFFIX}"
        raise NotOne(msg)
    return Chosen(step.id, options.title, project.folder, options.file, options.region, tuple(_notes(options)))


def _notes(options: AnomalyOptions) -> Iterator[str]:
    if options.threshold is not None:
        yield f"the project has threshold = {options.threshold:g} there, which counts in place of this one"
    if options.sensitivity != 1:
        yield f"the project has sensitivity = {options.sensitivity:g} there, by which the threshold is divided"


def _all(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _all(branch)
