"""`framemill history --pictures FOLDER`: kept pictures of the frames that match, with what is known of them beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from service.history.pictures.folder import PictureFolder, pictures_in
from service.safe_files import new_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service.history.lookup import Entry

KNOWN = "frames.jsonl"


class FolderTaken(Exception):
    """There is something in the folder already."""


class Copied(NamedTuple):
    """How many frames matched, and how many have a picture there."""

    frames: int
    pictures: int


def copy_pictures(found: Iterator[Entry], state_dir: Path, folder: Path) -> Copied:
    """Write them into `folder`, which is made, or empty; raises FolderTaken and OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FolderTaken(f"{folder}: there is something in this folder; expected one that is empty, or not there")
    kept = PictureFolder(pictures_in(state_dir))
    frames = pictures = 0
    with new_file(folder / KNOWN, 0o644) as lines:
        for _, told in found:
            more = {}
            if told["kind"] == "frame":
                more = {"copiedTo": _copied(told.get("picture"), kept, folder)}
                frames += 1
                pictures += more["copiedTo"] is not None
            lines.write(orjson.dumps({**told, **more}) + b"\n")
    return Copied(frames, pictures)


def _copied(picture: dict[str, str] | None, kept: PictureFolder, folder: Path) -> str | None:
    content = kept.read(picture["file"]) if picture is not None and picture["kept"] else None
    if picture is None or content is None:
        return None
    name = picture["file"].rpartition("/")[2]
    with new_file(folder / name, 0o644) as file:
        file.write(content)
    return name
