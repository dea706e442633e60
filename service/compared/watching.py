"""Which files were saved while somebody works on a project, and what a run after that says that the one before did not.

Files are watched with inotify, by watchfiles: it gathers what an editor does at one save, and is told of nothing by
looking again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.tryout.row import Row
from workers.text import printable

_LEFT_BY_EDITORS = ("~", ".swp", ".swx", ".tmp", ".pyc")
_ALWAYS_APART = "__pycache__"
_LOOK_MS = 50  # as often as watchfiles wakes anyway


@dataclass(slots=True)
class Watched:
    """A project's folder without its `data`, and folders of pictures, or files that are some."""

    project: Path
    data: Path
    pictures: Sequence[Path]
    is_picture: Callable[[Path], bool]

    def saved(self) -> Iterator[tuple[str, ...]]:
        """Yield at once, with nothing; then, at each save, the names of what was saved, changed or taken away.

        Nothing is missed in between. KeyboardInterrupt ends it.
        """
        import watchfiles  # noqa: PLC0415 - it takes a while, and --help should not

        folders = {self.project, *(path if path.is_dir() else path.parent for path in self.pictures)}
        changes = watchfiles.watch(
            *folders,
            watch_filter=lambda _, path: self.counts(Path(path)),
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
        )
        next(changes)  # from here on it watches
        yield ()
        for found in changes:
            if found:
                yield tuple(sorted({self._name(Path(path)) for _, path in found}))

    def counts(self, path: Path) -> bool:
        """Tell whether a file is of the project, or one of the pictures."""
        if any(picture in {path, path.parent} for picture in self.pictures) and self.is_picture(path):
            return True
        if not path.is_relative_to(self.project) or path.is_relative_to(self.data):
            return False
        parts = path.relative_to(self.project).parts
        hidden = any(part.startswith(".") or part == _ALWAYS_APART for part in parts)
        return not hidden and not path.name.endswith(_LEFT_BY_EDITORS) and path.name != "4913"  # which vim tries

    def _name(self, path: Path) -> str:
        return printable(path.relative_to(self.project) if path.is_relative_to(self.project) else path)


def changed(before: Mapping[Path, Row], now: Mapping[Path, Row]) -> Iterator[tuple[str, Row]]:
    """Yield the frames with another verdict than before, each with how it changed; new and lost ones too."""
    for path, row in now.items():
        if path not in before:
            yield f"new -> {row.verdict}", row
        elif before[path].verdict != row.verdict:
            yield f"{before[path].verdict} -> {row.verdict}", row
    for path, row in before.items():
        if path not in now:
            yield f"{row.verdict} -> gone", row
