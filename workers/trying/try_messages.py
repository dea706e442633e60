"""What a process of a pool that tries a project is told, and what it says.

It is told on its standard input, a line of JSON each: a Start, then a Frame for each frame, until the pipe closes. It
says on its standard output, little endian::

    0      1            5               9                17             25               33
    +------+------------+---------------+----------------+--------------+----------------+----------------+------------+
    | what | body_bytes | preview_bytes | decode_ns, u64 | flow_ns, u64 | encode_ns, u64 | body: text, or | preview: a |
    | u8   | u32        | u32           |                |              |                | context, JSON  | JPEG       |
    +------+------------+---------------+----------------+--------------+----------------+----------------+------------+

This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

import enum
import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from workers.errors import InvalidParameter
from workers.pool.job import MAX_CAMERA_BYTES, MAX_DATA_BYTES, MAX_VIEW_BYTES
from workers.settings import PoolSettings
from workers.text import Told, too_long

_MOST_BYTES = {"data": MAX_DATA_BYTES, "camera": MAX_CAMERA_BYTES, "view": MAX_VIEW_BYTES}

_HEAD = struct.Struct("<BIIQQQ")


class Start(BaseModel):
    """What to load. `version` is the hash of the project's content; `written` a folder that pictures are saved in.

    Frames longer than `max_preview_px` are made smaller for previews. `shared_fd` is the memory of globalData, which
    all processes of a pool share. With `seen_by`, the number of a module, nothing is judged: what that module would see
    of a frame is written to the path under which an annotated picture would be saved, as PNG. `inputs` is what
    operators would have set, an object of JSON; nothing for the defaults.
    """

    project: Path
    version: str = ""
    settings: PoolSettings
    written: Path | None = None
    max_preview_px: int = 1280
    shared_fd: int | None = None
    seen_by: int = 0
    inputs: str = ""


class Frame(NamedTuple):
    """A frame to inspect: a file, what a client would say with it, where to save its annotated picture, if at all.

    Where the verdict is another than `expected`, a preview comes back with the context; None expects nothing. With
    `preview` it comes in any case. `heat` is where to save the heatmap of a part that is NOK, if at all.
    """

    path: str
    told: Told = Told()
    save: str = ""
    expected: bool | None = None
    preview: bool = False
    heat: str = ""

    def line(self) -> bytes:
        """Return it as a line."""
        return os.fsencode(json.dumps(self, ensure_ascii=False)) + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Frame:
        """Read such a line."""
        path, told, *wanted = json.loads(os.fsdecode(line))
        return cls(path, Told(*told), *wanted)


def check_told(told: Told, views: Sequence[str]) -> None:
    """Refuse what a server would; `views` are those of the project's parts, none where it has none.

    Raises InvalidParameter.
    """
    for name, most_bytes in _MOST_BYTES.items():
        if wrong := too_long(getattr(told, name), most_bytes):
            raise InvalidParameter(f"{name} {wrong}")
    if told.view and views and told.view not in views:
        raise InvalidParameter(f"view={told.view!r} is no view of a part; expected one of {', '.join(views)}")


class What(enum.IntEnum):
    """The kinds of messages."""

    LOADED = 0
    REFUSED = 1  # the project cannot be loaded; the body says why
    CONTEXT = 2
    ERROR = 3  # of this frame; the body says which
    LEAVING = 4  # it has grown, and another is to take its place; the body says why


class Said(NamedTuple):
    """One message."""

    what: What
    body: bytes = b""
    preview: bytes = b""
    decode_ns: int = 0
    flow_ns: int = 0
    encode_ns: int = 0

    def pack(self) -> bytes:
        """Return its bytes."""
        times_ns = self.decode_ns, self.flow_ns, self.encode_ns
        head = _HEAD.pack(self.what, len(self.body), len(self.preview), *times_ns)
        return head + self.body + self.preview


def take_first(buffer: bytearray) -> Said | None:
    """Take the first message from the front of `buffer`; None where it is not whole yet."""
    if len(buffer) < _HEAD.size:
        return None
    what, body_bytes, preview_bytes, *times_ns = _HEAD.unpack_from(buffer)
    middle, end = _HEAD.size + body_bytes, _HEAD.size + body_bytes + preview_bytes
    if len(buffer) < end:
        return None
    said = Said(What(what), bytes(buffer[_HEAD.size : middle]), bytes(buffer[middle:end]), *times_ns)
    del buffer[:end]
    return said
