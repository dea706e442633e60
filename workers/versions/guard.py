"""User code that writes into its version is told so: the copy is read-only, and root would not notice.

Python tells an audit hook (PEP 578) what it is about to do; an exception there prevents it. Not seen is what libraries
open from C: the copy's mode stops them, unless the server runs as root.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# what changes a folder or a file by its path, and which arguments are paths
_CHANGES = {
    "os.chmod": 1,
    "os.chown": 1,
    "os.link": 2,
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.utime": 1,
    "shutil.rmtree": 1,
}


def protect(folder: Path, data: Path, *others: Path) -> None:
    """From now on, let nothing in this process, or its forks, write below `folder`; `data` is where it may.

    That, and `others`, may lie below `folder`.

    There is no way back. About 0.1 us for whatever Python audits, a handful of events per frame.
    """
    below = f"{folder}/"
    free = tuple(f"{place}/" for place in (data, *others))
    advice = f"is part of the project's version and cannot be changed; write into the data folder, {data}"

    def look(event: str, args: tuple[object, ...]) -> None:
        if event == "open":
            flags = args[2]
            if not isinstance(flags, int) or not flags & _WRITES:
                return
            paths: tuple[object, ...] = args[:1]
        elif event in _CHANGES:
            paths = args[: _CHANGES[event]]
        else:
            return
        for path in paths:
            if _lies_below(path, below) and not _lies_below(path, free):
                raise PermissionError(errno.EACCES, advice, str(path))

    sys.addaudithook(look)


def _lies_below(path: object, below: str | tuple[str, ...]) -> bool:
    if isinstance(path, int):  # a descriptor, which was opened by somebody who might
        return False
    try:
        text = os.fsdecode(path)  # type: ignore[arg-type]  # anything else raises TypeError
    except TypeError:
        return False
    return f"{os.path.abspath(text)}/".startswith(below)  # noqa: PTH100 - nothing must be looked up on disk
