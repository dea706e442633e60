"""Images that are named on a command line: files, and folders of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from service.cli.client import fail

_FAILED = 1
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def image_files(images: Iterable[Path]) -> Iterator[Path]:
    """Yield the files, those of a folder by name; ends the command with status 1 where there is none."""
    for image in images:
        if image.is_dir():
            inside = sorted(p for p in image.iterdir() if p.suffix.lower() in _SUFFIXES)
            if not inside:
                fail(_FAILED, f"{image} has no images in it ({', '.join(sorted(_SUFFIXES))})")
            yield from inside
        elif image.exists():
            yield image
        else:
            fail(_FAILED, f"{image} does not exist")
