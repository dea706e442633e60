"""A file as one frame through a loaded project: what a client that sends it would be answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import orjson

from workers.errors import FramemillError, FrameTooLarge
from workers.pool.job import Encoding, Job, ResponseType
from workers.settings import MIB
from workers.trying.seen import NOT_KEPT, NotSeen, Seen
from workers.trying.try_messages import Frame, Said, What, check_told
from workers.worker.runner import as_error_of_ours

if TYPE_CHECKING:
    from workers.trying.loaded import LoadedProject

_JPEG_QUALITY = 88


def try_frame(loaded: LoadedProject, frame: Frame, max_frame_mib: int, max_preview_px: int) -> Said:
    """Inspect a frame; returns its context, or the error that it ended in."""
    return _said(lambda: _inspect(loaded, frame, max_frame_mib, max_preview_px))


def see_frame(loaded: LoadedProject, frame: Frame, max_frame_mib: int) -> Said:
    """Write what a module sees of a frame (seen.py) to `frame.save`; returns as `try_frame` does."""

    def see() -> Said:
        said = _inspect(loaded, frame._replace(save=""), max_frame_mib, 0)
        seen = next(module for module in loaded.modules if isinstance(module, Seen))
        image = seen.take(orjson.loads(said.body))
        content = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        try:
            Path(frame.save).write_bytes(content)
        except OSError as error:
            raise NotSeen(f"{NOT_KEPT}: {error.strerror}") from None
        return said

    return _said(see)


def _said(inspect: Callable[[], Said]) -> Said:
    try:
        return inspect()
    except FramemillError as error:
        return Said(What.ERROR, as_bytes(error.message))
    except OSError as error:
        return Said(What.ERROR, as_bytes(f"{error.strerror or error}"))
    except Exception as error:  # noqa: BLE001 - as a worker
        return Said(What.ERROR, as_bytes(as_error_of_ours(error).message))


def as_bytes(message: str) -> bytes:
    """Return a message, which may hold anything, as it is sent."""
    return message.encode("utf-8", "backslashreplace")


def _inspect(loaded: LoadedProject, frame: Frame, max_frame_mib: int, max_preview_px: int) -> Said:
    check_told(frame.told, loaded.views)
    content = Path(frame.path).read_bytes()
    if len(content) > max_frame_mib * MIB:
        msg = f"the file has {len(content):,} bytes, at most {max_frame_mib * MIB:,} are taken (max_frame_mib)"
        raise FrameTooLarge(msg)
    response = ResponseType.ANNOTATED_IMAGE if frame.save else ResponseType.CONTEXT
    answered = loaded.inspect(Job(encoding=Encoding.ENCODED, response=response, **frame.told._asdict()), content)
    if frame.save:
        Path(frame.save).write_bytes(answered.picture)
    if frame.heat and answered.how.verdict == 2 and answered.how.kept_heat_bytes:
        Path(frame.heat).write_bytes(loaded.draw(ResponseType.HEATMAP))
    preview = b""
    if frame.preview or (frame.expected is not None and frame.expected != (answered.how.verdict == 1)):
        preview = _smaller(answered.picture, max_preview_px) if answered.picture else preview_of(loaded, max_preview_px)
    return Said(What.CONTEXT, answered.context, preview, answered.how.decode_ns, answered.how.flow_ns)


def preview_of(loaded: LoadedProject, longest_px: int) -> bytes:
    """Draw the frame that was inspected last, as a JPEG; nothing where it cannot be."""
    try:
        return _smaller(loaded.draw(), longest_px)
    except FramemillError:  # too large to be kept: the verdict counts without a picture
        return b""


def _smaller(png: bytes, longest_px: int) -> bytes:
    """Return a picture as a JPEG of at most `longest_px`."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None, "a PNG of ours"
    scale = longest_px / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
