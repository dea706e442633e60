"""Images that are named on a command line: files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import click

from service.cli.client import fail
from workers.text import printable

_FAILED = 1
_NAMED = 5  # of the files that were passed over
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(slots=True)
class Images:
    """The files that are meant, and the names of those in their folders that are not, by the reason why."""

    files: list[Path] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)

    def take(self, folder: Path) -> None:
        """Take what lies in `folder`, by name; raises OSError."""
        for path in sorted(folder.iterdir()):
            if why := _why_not(path):
                self.passed_over.setdefault(why, []).append(path.name)
            else:
                self.files.append(path)

    def tell_passed_over(self) -> None:
        """Name on standard error what was passed over, a line for each reason."""
        for why, names in self.passed_over.items():
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            click.echo(f"passed over, {why}: {', '.join(map(printable, names[:_NAMED]))}{more}", err=True)


class NoImages(Exception):
    """What was named is not there, or has no images in it; the text says which."""


def named_images(images: Iterable[Path]) -> Images:
    """Return the files, those of a folder by name; ends the command with status 1 where there is none."""
    try:
        return find_images(images)
    except NoImages as error:
        fail(_FAILED, str(error))


def find_images(images: Iterable[Path]) -> Images:
    """Return the files, those of a folder by name; raises NoImages where there is none."""
    found = Images()
    for image in images:
        known = len(found.files)
        try:
            if image.is_dir():
                found.take(image)
            elif image.exists():
                found.files.append(image)
            else:
                msg = f"{printable(image)} does not exist"
                raise NoImages(msg)
        except OSError as error:
            msg = f"{printable(image)} cannot be read: {error.strerror}"
            raise NoImages(msg) from None
        if len(found.files) == known:
            msg = f"{printable(image)} has no images in it ({', '.join(sorted(_SUFFIXES))})"
            raise NoImages(msg)
    return found


def is_image(path: Path) -> bool:
    """Tell by its name alone whether a file in a folder is meant."""
    return not path.name.startswith(".") and path.suffix.lower() in _SUFFIXES


def _why_not(path: Path) -> str:
    if path.name.startswith("."):
        return "hidden"
    if path.is_dir():
        return "a folder"
    return "" if path.suffix.lower() in _SUFFIXES else "no image by its name"
