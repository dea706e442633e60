"""Which thresholds the version that runs has, and what was changed of them: read from its copy when somebody asks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.errors import NotReady, ProjectInvalid
from workers.flow.overrides import IN_COPY, Override, read_overrides, thresholds_of
from workers.memory.control import Control
from workers.versions.on_disk import folder_of

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic.fields import FieldInfo

    from workers.flow.project import Project, Step
    from workers.memory.control import ControlPage
    from workers.modules.options import Line

Number = int | float


class Threshold(NamedTuple):
    """One option of one module: `value` is what it is, `own` what the project says; None is left out.

    `line` tells how scores of frames are compared with it, if they are; `reference` is how the file names the module.
    """

    module: int
    name: str
    kind: str
    reference: int | str
    option: str
    description: str
    value: Number | None
    own: Number | None
    least: Number | None
    most: Number | None
    is_whole: bool
    line: Line | None

    @property
    def is_changed(self) -> bool:
        """Whether it was changed at the line."""
        return self.value != self.own

    @property
    def key(self) -> str:
        """How forms name it."""
        return f"{self.module}.{self.option}"


class Running(NamedTuple):
    """The version that runs, all its thresholds, and what was changed at the line."""

    version: str
    thresholds: Sequence[Threshold]
    overrides: Sequence[Override]

    def of(self, key: str) -> Threshold | None:
        """Return the one that a form names; None where there is none."""
        return next((one for one in self.thresholds if one.key == key), None)

    def with_changes(self, changes: Mapping[Threshold, Number | None]) -> tuple[Override, ...]:
        """Return what is to be laid over the project: what is, with these changes; None takes one back."""
        kept = {(one.module, one.option): one for one in self.overrides}
        for threshold, value in changes.items():
            key = (threshold.reference, threshold.option)
            kept.pop((threshold.module, threshold.option), None)
            kept.pop((threshold.name, threshold.option), None)
            if value is not None and value != threshold.own:
                kind = threshold.kind if isinstance(threshold.reference, int) else None
                kept[key] = Override(module=threshold.reference, option=threshold.option, value=value, kind=kind)
        return tuple(kept.values())


class Adjustable:
    """Knows the version that runs by the word of the control page; copies lie in the folders `places`."""

    def __init__(self, control: ControlPage, places: Sequence[Path]) -> None:
        self._control = control
        self._places = places
        self._lock = threading.Lock()
        self._known: Running | None = None

    @property
    def running(self) -> Running:
        """The version that runs; raises NotReady where its copy is just being exchanged."""
        version = f"{self._control.words[Control.FLOW_VERSION]:016x}"
        with self._lock:
            if self._known is None or self._known.version != version:
                self._known = self._read(version)
            return self._known

    def _read(self, version: str) -> Running:
        # imported here: a front that nobody asks does without all kinds of modules
        from workers.flow.project import load_project  # noqa: PLC0415

        folder = folder_of(version, self._places)
        try:
            if folder is not None:
                overrides = read_overrides(folder / IN_COPY)
                project = load_project(folder, overrides=overrides)
                return Running(version, tuple(_of(project)), overrides)
        except ProjectInvalid:  # it goes away
            pass
        raise NotReady("another version of the project is just taking over; ask again")


def _of(project: Project) -> Iterator[Threshold]:
    steps = list(_all(project.steps))
    names = Counter(step.options.title for step in steps)
    for step in steps:
        line = step.options.line
        own: Any = step.own or step.options
        reference = step.options.title if names[step.options.title] == 1 else step.id
        for option, field in thresholds_of(type(step.options)):
            least, most = _bounds(field)
            yield Threshold(
                step.id,
                step.options.title,
                step.options.module,
                reference,
                option,
                field.description or "",
                getattr(step.options, option),
                getattr(own, option),
                least,
                most,
                _is_whole(field),
                line if line and line.option == option else None,
            )


def _all(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        if step.options.enabled:
            yield step
            for branch in step.branches:
                yield from _all(branch)


def _bounds(field: FieldInfo) -> tuple[Number | None, Number | None]:
    """Return the smallest and the largest value of a field, as its annotation says."""
    found: dict[str, Any] = {}
    for one in _metadata(field.annotation, field.metadata):
        for name in ("ge", "gt", "le", "lt"):
            if (limit := getattr(one, name, None)) is not None:
                found[name[0]] = limit
    return found.get("g"), found.get("l")


def _metadata(annotation: Any, metadata: Iterable[Any]) -> Iterator[Any]:
    for one in metadata:
        # a Field within an annotation keeps its own behind it
        yield from getattr(one, "metadata", None) or (one,)
    if inner := getattr(annotation, "__metadata__", None):
        yield from _metadata(annotation.__origin__, inner)
    for part in getattr(annotation, "__args__", ()):
        if hasattr(part, "__metadata__"):
            yield from _metadata(part, ())


def _is_whole(field: FieldInfo) -> bool:
    return "float" not in repr(field.annotation)
