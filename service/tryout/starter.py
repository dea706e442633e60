"""A new project, made of a picture of a good part: it is whole before it is there, and overwrites nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from service.tryout.inspecting import Wishes, inspect, open_trial
from service.tryout.row import Row
from workers.errors import FramemillError
from workers.text import printable

_KINDS = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}
_LONGEST_NAME = 200


class CannotStart(FramemillError):
    """A project cannot be made there, or of that; the message says why."""

    code = "cannot_start_project"


def start_project(folder: Path, good: Path) -> Row:
    """Make the project in `folder`, which must not be there, or be empty; returns what it says of its own picture.

    Raises:
        CannotStart: there is something, or the picture cannot be used.
    """
    if taken := why_taken(folder):
        raise CannotStart(taken)
    content, name = _picture(good)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".framemill-new-", dir=folder.parent))
    except OSError as error:
        msg = f"{printable(folder)} cannot be made: {error.strerror}"
        raise CannotStart(msg) from None
    try:
        _fill(made, folder.absolute().name, content, name)
        row = _try(made, made / "samples" / name)
        made.chmod(0o777 & ~_umask())
        os.rename(made, folder)  # noqa: PTH104 - which takes the place of an empty folder, and of nothing else
    except OSError as error:
        taken = why_taken(folder) or f"{printable(folder)} cannot be made: {error.strerror}"
        raise CannotStart(taken) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return row


def why_taken(folder: Path) -> str:
    """Say why there can be no new project in `folder`; nothing where there can."""
    try:
        if not folder.is_symlink() and not folder.exists():
            return ""
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            return ""
    except OSError as error:
        return f"{printable(folder)} cannot be looked at: {error.strerror}"
    return f"{printable(folder)} is there already, and nothing is overwritten; name a new folder"


def _picture(path: Path) -> tuple[bytes, str]:
    """Return a picture's content, and the name that it has in the project."""
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{printable(path)} cannot be read: {error.strerror}"
        raise CannotStart(msg) from None
    for begin, suffix in _KINDS.items():
        if content.startswith(begin):
            return content, f"good.{suffix}"
    msg = f"{printable(path)} is neither a JPEG nor a PNG file; a picture of a good part was expected"
    raise CannotStart(msg)


def _fill(folder: Path, name: str, content: bytes, picture: str) -> None:
    for part in ("code", "references", "data", "samples"):
        (folder / part).mkdir()
    templates = Environment(  # noqa: S701 - TOML and Python, no HTML
        loader=PackageLoader("service.tryout", "templates/project"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    title = "".join(sign if sign.isprintable() else " " for sign in printable(name))[:_LONGEST_NAME]
    settings = templates.get_template("framemill.toml").render(
        title=title, name=json.dumps(title, ensure_ascii=False), picture=picture
    )
    (folder / "framemill.toml").write_text(settings, "utf-8")
    (folder / "code" / "check.py").write_text(templates.get_template("check.py.txt").render(), "utf-8")
    (folder / "references" / picture).write_bytes(content)
    (folder / "samples" / picture).write_bytes(content)


def _try(folder: Path, sample: Path) -> Row:
    """Inspect the good part with the project that was made of it; raises CannotStart where that has no verdict."""
    try:
        (row, _), *_ = inspect(open_trial(folder, workers=1), [sample], Wishes())
    except FramemillError as error:
        msg = f"the picture cannot be used: {error.message}"
        raise CannotStart(msg) from None
    if row.notes:
        msg = f"the picture cannot be used: {'; '.join(row.notes)}"
        raise CannotStart(msg)
    return row


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
