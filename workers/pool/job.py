"""What a worker is asked to do with a frame, packed into the slot header. Pure: this file does no I/O.

Little endian::

     0       4         6        7          8              9        10   11   12
    +-------+---------+--------+----------+--------------+--------+----+----+
    | magic | version | task   | encoding | response     | p      | c  | v  |
    | FMJB  | u16     | u8     | u8       | u8           | u8     | u8 | u8 |
    +-------+---------+--------+----------+--------------+--------+----+----+
     12  13   16          20           24                                   56               60                64
    +---+---+-----------+------------+------------------------------------+----------------+-----------------+
    | h |   | width u32 | height u32 | pixel format, ASCII, padded with 0 | data_bytes u32 | input_bytes u32 |
    +---+---+-----------+------------+------------------------------------+----------------+-----------------+
    | data, camera, part, view, held (UTF-8), inputs (JSON) |
    +-------------------------------------------------------+

    p, c, v and h are the lengths of the part's, the camera's, the view's and the holding alert's names in bytes.
"""

from __future__ import annotations

import enum
import functools
import struct
from dataclasses import dataclass

from workers.memory.slot import MAX_JOB_BYTES

_FIXED = struct.Struct("<4sHBBBBBBB3xII32sII")
_MAGIC = b"FMJB"
_VERSION = 6

MAX_CAMERA_BYTES = 200
MAX_PART_BYTES = 200
MAX_VIEW_BYTES = 64
MAX_HELD_BYTES = 64
MAX_INPUT_BYTES = 4096  # all that operators have set, as JSON
MAX_NAMES_BYTES = MAX_CAMERA_BYTES + MAX_PART_BYTES + MAX_VIEW_BYTES + MAX_HELD_BYTES
MAX_DATA_BYTES = MAX_JOB_BYTES - _FIXED.size - MAX_NAMES_BYTES - MAX_INPUT_BYTES


class Task(enum.IntEnum):
    """The kinds of work."""

    INSPECT = 0  # decode, run the flow, answer
    MEASURE = 1  # only say how large the frame is: the Process switch is off
    SHOW = 2  # draw the frame that was answered last again: /last_image
    AGAIN = 3  # as INSPECT, of a frame that is kept: it is no part, and not the last image


class Encoding(enum.IntEnum):
    """What the request area holds."""

    RAW = 0
    ENCODED = 1


class ResponseType(enum.IntEnum):
    """The answer that was asked for; the names are the contract's `response_type`, but for the last, which is ours."""

    CONTEXT = 0
    IMAGE = 1
    ANNOTATED_IMAGE = 2
    HEATMAP = 3
    PREVIEW = 4  # annotated, for a page: smaller, and a JPEG


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with the frame in a slot.

    `width` and `height` are in pixels and known for raw frames only; `pixel_format` is a name of the Pixel Format
    Naming Convention, for raw frames only. `camera` says who sent it, `part` which part it shows, `view` which view of
    it. `inputs` is what operators had set when it came, an object of JSON; nothing where the project has no inputs.
    Where an alert holds the line, `held` is its name, and the frame is NOK whatever the flow says.
    """

    task: Task = Task.INSPECT
    encoding: Encoding = Encoding.RAW
    response: ResponseType = ResponseType.CONTEXT
    width: int = 0
    height: int = 0
    pixel_format: str = ""
    data: str = ""
    camera: str = ""
    part: str = ""
    view: str = ""
    inputs: bytes = b""
    held: str = ""

    def pack(self) -> bytes:
        """Return the bytes for the slot header; `data` must not exceed MAX_DATA_BYTES in UTF-8."""
        data = self.data.encode("utf-8", "surrogatepass")
        camera = self.camera.encode("utf-8", "surrogatepass")[:MAX_CAMERA_BYTES]
        part = self.part.encode("utf-8", "surrogatepass")[:MAX_PART_BYTES]
        view = self.view.encode("utf-8", "surrogatepass")[:MAX_VIEW_BYTES]
        held = self.held.encode("utf-8", "surrogatepass")[:MAX_HELD_BYTES]
        fixed = _FIXED.pack(
            _MAGIC,
            _VERSION,
            self.task,
            self.encoding,
            self.response,
            len(part),
            len(camera),
            len(view),
            len(held),
            self.width,
            self.height,
            self.pixel_format.encode("ascii"),
            len(data),
            len(self.inputs),
        )
        return fixed + data + camera + part + view + held + self.inputs

    @classmethod
    def unpack(cls, packed: memoryview) -> Job:
        """Read a packed job; raises ValueError where it is not one of this version."""
        return _unpacked(bytes(packed))


@functools.lru_cache(64)  # a camera asks the same with each frame, and a job is frozen
def _unpacked(packed: bytes) -> Job:
    if len(packed) < _FIXED.size:
        msg = f"a job has at least {_FIXED.size} bytes, got {len(packed)}"
        raise ValueError(msg)
    magic, version, task, encoding, response, *lengths, width, height, name, length, input_bytes = _FIXED.unpack_from(
        packed
    )
    if (magic, version) != (_MAGIC, _VERSION):
        msg = f"a job starts with {_MAGIC!r} and version {_VERSION}, got {magic!r} and {version}"
        raise ValueError(msg)
    part_bytes, camera_bytes, view_bytes, held_bytes = lengths
    said = length + camera_bytes + part_bytes + view_bytes + held_bytes + input_bytes
    if _FIXED.size + said != len(packed):
        msg = f"the job says {said} bytes of text, {len(packed) - _FIXED.size} are there"
        raise ValueError(msg)
    camera_at = _FIXED.size + length
    part_at = camera_at + camera_bytes
    view_at = part_at + part_bytes
    held_at = view_at + view_bytes
    inputs_at = held_at + held_bytes
    return Job(
        task=Task(task),
        encoding=Encoding(encoding),
        response=ResponseType(response),
        width=width,
        height=height,
        pixel_format=name.rstrip(b"\0").decode("ascii"),
        data=packed[_FIXED.size : camera_at].decode("utf-8", "surrogatepass"),
        camera=packed[camera_at:part_at].decode("utf-8", "replace"),
        part=packed[part_at:view_at].decode("utf-8", "replace"),
        view=packed[view_at:held_at].decode("utf-8", "replace"),
        held=packed[held_at:inputs_at].decode("utf-8", "replace"),
        inputs=packed[inputs_at:],
    )
