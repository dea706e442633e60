"""The golden image that a frame was compared with: of the copy of the project's version that inspected it."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_FILES = "files"  # the project, in the folder of a version's copy
_DATA = "{data}"
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
_MOST_KNOWN = 8


class GoldenImage(NamedTuple):
    """An image that browsers show."""

    path: Path
    media_type: str


class Golden:
    """Looks in the copies that lie in the folders `places`; for all threads."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._named: dict[Path, tuple[str, ...]] = {}

    def of(self, flow_version: str, data: str) -> GoldenImage | None:
        """Return the one for a frame that came with `data`; None where its project has none, or is no more there."""
        for folder in self._copies(flow_version):
            for name in self._names(folder):
                image = _inside(folder, name.replace(_DATA, data))
                if image is not None:
                    return image
        return None

    def _copies(self, flow_version: str) -> list[Path]:
        """That of the version, else those that are still there, the newest first."""
        found = [copy for place in self._places for copy in place.glob(f"*-*/{_FILES}")]
        mine = [copy for copy in found if copy.parent.name.startswith(f"{flow_version}-")]
        return mine or sorted(found, key=_made_s, reverse=True)

    def _names(self, folder: Path) -> tuple[str, ...]:
        with self._lock:
            if folder not in self._named:
                if len(self._named) >= _MOST_KNOWN:
                    self._named.clear()
                self._named[folder] = tuple(_images_of(folder))
            return self._named[folder]


def _made_s(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # it is being removed
        return 0.0


def _images_of(folder: Path) -> Iterator[str]:
    """Yield what modules `reference` of the flow are compared with, wherever they stand in it."""
    try:
        project = tomllib.loads((folder / "framemill.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return
    waiting: list[Any] = [project.get("flow")]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            if one.get("module") == "reference" and isinstance(one.get("image"), str):
                yield one["image"]
            waiting = [*one.values(), *waiting]
        elif isinstance(one, list):
            waiting = [*one, *waiting]


def _inside(folder: Path, name: str) -> GoldenImage | None:
    """Return an image of the folder; whatever a client has said, it lies in no other."""
    media_type = _TYPES.get(Path(name).suffix.lower())
    try:
        path = (folder / name).resolve()
        if media_type and path.is_relative_to(folder.resolve()) and path.is_file():
            return GoldenImage(path, media_type)
    except (OSError, ValueError):  # too long, or with NUL
        pass
    return None
