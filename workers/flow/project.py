"""A project's file, `framemill.toml`, read and checked as a whole: every mistake is reported, not only the first.

    [project]
    name = "Boards, line 3"
    idempotent = true        # a frame may be run again after its worker died; this is the default
    data = "data"            # folder for what code writes or reads anew: no part of a version; this is the default
    fork = true              # workers may be forks of one process that has loaded the project; this is the default

    [frame]                  # how the flow wants its frames, see frame_form.py; left out: BGR, whole
    grey = true

    [[flow]]                 # in the order in which they run; none is fine too
    module = "code"
    file = "code/check.py"
    name = "screws"          # how messages call it; left out: the module, or its file
    enabled = true           # false: it is checked, and does not run

    [verdict]                # rules over what the flow found, see verdict.py; left out: what modules have set

    [part]                   # what several frames make together, see part.py
    [[input]]                # what operators may set while it runs, see inputs.py

    [[proof]]                # frames of the project with their verdicts, see proof.py; a reload must not change them
    frame = "proof/good.png"
    result = true

    [server]                 # the server's own settings, checked elsewhere

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from workers.errors import ProjectInvalid
from workers.flow.inputs import Input, read_inputs
from workers.flow.mistakes import Mistakes, tables_of, unknown
from workers.flow.overrides import Override, Overriding
from workers.flow.part import PartOptions
from workers.flow.proof import Proof, read_proofs
from workers.flow.registry import registry
from workers.flow.verdict import Verdict, read_verdict
from workers.modules.kind import ModuleKind
from workers.modules.options import ModuleOptions
from workers.modules.project_files import ProjectFiles, meant
from workers.pixels.frame_form import WHOLE, FrameForm
from workers.text import is_utf8, printable, shown

FILE = "framemill.toml"


class ProjectTable(BaseModel):
    """What a project says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=200, description="how people call it")]
    idempotent: Annotated[bool, Field(description="a frame may be run again after its worker died")] = True
    data: Annotated[str, Field(min_length=1, max_length=1000, description="folder for what code writes")] = "data"
    fork: Annotated[bool, Field(description="workers may be forks of one process that has loaded the project")] = True


_TABLES = ("project", "frame", "flow", "verdict", "part", "input", "proof", "server")


@dataclass(frozen=True, slots=True)
class Step:
    """One module of a flow, as the project file has it.

    `id` counts from 1, depth first: a parallel block comes before the modules of its branches. `where` is its key path.
    `own` are its options without what was changed at the line.
    """

    id: int
    where: str
    kind: ModuleKind
    options: ModuleOptions
    branches: tuple[tuple[Step, ...], ...] = ()
    own: ModuleOptions | None = None

    @property
    def has_code(self) -> bool:
        """Whether it runs code of the project's, or one in its branches does."""
        return self.kind.runs_user_code or any(step.has_code for branch in self.branches for step in branch)

    @property
    def alone(self) -> str:
        """Why a process that has loaded it must not be forked; nothing where it may."""
        inner = (step.alone for branch in self.branches for step in branch)
        return (self.options.alone if self.options.enabled else "") or next(filter(None, inner), "")


def _alone(steps: Iterable[Step]) -> str:
    return next((why for step in steps if (why := step.alone)), "")


def _with_provider(steps: tuple[Step, ...], provider: str) -> tuple[Step, ...]:
    return tuple(
        replace(
            step,
            options=step.options.with_provider(provider),
            branches=tuple(_with_provider(branch, provider) for branch in step.branches),
        )
        for step in steps
    )


def modules_of(steps: Iterable[Step]) -> Iterator[tuple[int, str]]:
    """Yield id and name of each module of a flow, those of branches too."""
    for step in steps:
        yield step.id, step.options.title
        for branch in step.branches:
            yield from modules_of(branch)


@dataclass(frozen=True, slots=True)
class Project:
    """A project without mistakes; `folder` is absolute, `server` the table of that name as it is in the file.

    `data` is the absolute path of its data folder, which need not exist. `version` is the hash of its content where
    `folder` is a copy that nobody changes. `alone` says why a process that has loaded it must not be forked, nothing
    where it may. `verdict` are its rules over the context at the end, where it has some; `proofs` frames that it must
    be right about; `part` the views of its parts; `inputs` what operators may set; `overrides` what of it was changed
    at the line.
    """

    folder: Path
    name: str
    idempotent: bool
    server: dict[str, Any]
    steps: tuple[Step, ...]
    frame: FrameForm = WHOLE
    data: Path = Path()
    alone: str = ""
    version: str = ""
    verdict: Verdict | None = None
    proofs: tuple[Proof, ...] = ()
    part: PartOptions | None = None
    inputs: tuple[Input, ...] = ()
    overrides: tuple[Override, ...] = ()

    @property
    def has_code(self) -> bool:
        """Whether some of its modules are code of its own."""
        return any(step.has_code for step in self.steps)

    def with_provider(self, provider: str) -> Project:
        """Return it as it is where `provider` computes the models whose modules do not say it (`model_provider`)."""
        steps = _with_provider(self.steps, provider)
        return replace(self, steps=steps, alone=self.alone or _alone(steps))


def load_project(
    folder: Path,
    origin: Path | None = None,
    version: str = "",
    *,
    taught: bool = True,
    overrides: Sequence[Override] = (),
) -> Project:
    """Read and check the project in `folder`, which is the copy `version` of what lies in `origin`, if that is given.

    One that is not `taught` yet may lack the files that its modules will have learned. `overrides` lie over it.

    Raises:
        ProjectInvalid: it has mistakes; the message has a line for each, which begins with its key path.
    """
    if not folder.is_dir():
        msg = f"{folder}: there is no such folder; a project is a folder with a {FILE}"
        raise ProjectInvalid(msg)
    if not is_utf8(folder.resolve()):
        msg = f"{printable(folder.resolve())}: the path of a project is UTF-8; rename what is not"
        raise ProjectInvalid(msg)
    tables = tables_of(folder / FILE)
    reading = _Reading(folder.resolve(), (origin or folder).resolve(), version, taught=taught, overrides=overrides)
    project = reading.project(tables)
    if reading.mistakes.lines:
        raise ProjectInvalid("\n".join(" ".join(mistake.splitlines()) for mistake in reading.mistakes.lines))
    return project


class _Reading:
    """Reads the tables of one project file and collects its mistakes."""

    def __init__(
        self, folder: Path, origin: Path, version: str, *, taught: bool, overrides: Sequence[Override]
    ) -> None:
        self.mistakes = Mistakes()
        self._overrides = tuple(overrides)
        self._overriding = Overriding(overrides, self.mistakes)
        self._taught = taught
        self._folder = folder
        self._origin = origin
        self._version = version
        self._data = origin / "data"
        self._files = ProjectFiles(folder)
        self._named: set[str] = set()
        self._ids = itertools.count(1)

    def project(self, tables: dict[str, Any]) -> Project:
        """Check everything; what is returned counts only if there are no mistakes."""
        for key in [key for key in tables if key not in _TABLES]:
            self.mistakes.add(key, unknown(_TABLES, key))
        head = self.mistakes.valid(ProjectTable, tables.get("project", {}), "project")
        self._find_data(head.data if head else "data")
        frame = self.mistakes.valid(FrameForm, tables.get("frame", {}), "frame") or WHOLE
        server = tables.get("server", {})
        if not isinstance(server, dict):
            self.mistakes.add("server", f"is {shown(server)}, expected a table [server]")
        steps = self._steps(tables.get("flow", []), "flow")
        self._overriding.tell_unused()
        verdict = read_verdict(tables["verdict"], self.mistakes) if "verdict" in tables else None
        part = self.mistakes.valid(PartOptions, tables["part"], "part") if "part" in tables else None
        views = part.views if part else ()
        proofs = read_proofs(tables.get("proof", []), self._folder, self._data, views, self.mistakes)
        inputs = read_inputs(tables.get("input", []), self.mistakes)
        for kind in [kind for kind in registry().kinds.values() if kind.looks_at_all_files]:
            self.mistakes.lines += kind.options.mistakes_of_project(self._files)
        registry().warn(self._named)
        name, idempotent = (head.name, head.idempotent) if head else ("", False)
        alone = "" if head is None or head.fork else "as the project says (fork = false)"
        alone = alone or _alone(steps)
        known = (self._folder, name, idempotent, server, steps, frame, self._data, alone, self._version)
        return Project(*known, verdict, proofs, part, inputs, self._overrides)

    def _find_data(self, given: str) -> None:
        """Take `given` for the data folder, unless a part of the project lies in it."""
        try:
            self._data = (self._origin / given).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a circle of links is a RuntimeError
            self.mistakes.add("project.data", f"{given!r} cannot be a path: {error}")
            return
        code = self._origin / "code"
        if self._origin.is_relative_to(self._data) or code.is_relative_to(self._data):
            self.mistakes.add("project.data", f"{given} holds code/, which is loaded once; name a folder without it")

    def _steps(self, tables: object, where: str) -> tuple[Step, ...]:
        if not isinstance(tables, list):
            self.mistakes.add(where, f"is {shown(tables)}, expected tables [[{where}]], with two brackets")
            return ()
        steps = [self._step(table, f"{where}[{index}]") for index, table in enumerate(tables)]
        return tuple(step for step in steps if step)

    def _step(self, table: object, where: str) -> Step | None:
        number = next(self._ids)
        if not isinstance(table, dict):
            self.mistakes.add(where, f"is {shown(table)}, expected a table with a module")
            return None
        kind = self._kind(table.get("module"), f"{where}.module")
        if kind is None:
            return None
        options = self.mistakes.valid(kind.options, table, where)
        self._check_files(kind.options, table, where)
        branches = self._branches(kind.options.BRANCHES, table, where)
        return (
            Step(number, where, kind, self._overriding.of(number, options, table), branches, options)
            if options
            else None
        )

    def _kind(self, name: object, where: str) -> ModuleKind | None:
        known = registry()
        if isinstance(name, str) and name in known.unusable:
            self._named.add(name)
            self.mistakes.add(where, f"{known.unusable[name]}")
            return None
        kind = known.kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            what = "is missing" if name is None else f"there is no module {shown(name)}"
            names = ", ".join(known.kinds)
            self.mistakes.add(where, f"{what}; known are {names}{meant(str(name), known.kinds)}")
        return kind

    def _branches(self, key: str, table: dict[str, Any], where: str) -> tuple[tuple[Step, ...], ...]:
        given = table.get(key) if key else None
        branches: Sequence[object] = given if isinstance(given, list) else ()
        return tuple(
            self._steps(branch, f"{where}.{key}[{index}]")
            for index, branch in enumerate(branches)
            if isinstance(branch, list)
        )

    def _check_files(self, options: type[ModuleOptions], table: dict[str, Any], where: str) -> None:
        """Check the files that a module names, however wrong its other keys are."""
        judged = [key for key in table if any(mistake.startswith(f"{where}.{key}:") for mistake in self.mistakes.lines)]
        unlearned = () if self._taught else options.LEARNED
        for key, mistake in options.mistakes_of_files(table, self._files):
            if key not in judged and key not in unlearned:
                self.mistakes.add(f"{where}.{key}", f"{mistake}")
        for key in options.FILES:
            named = table.get(key)
            if isinstance(named, str) and (self._origin / named.replace("\0", "")).is_relative_to(self._data):
                self.mistakes.add(f"{where}.{key}", f"{named} lies in the data folder, which is no part of a version")
