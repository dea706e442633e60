"""Getting a request's frame into a slot: the short way (wire.py), the portable way, and multipart forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import falcon
from falcon.media.multipart import MultipartForm

from service.wire import bounded_reads, plain_body
from workers.errors import BodyTooSlow, FrameTooLarge, IncompleteBody, InvalidParameter

_STEP_BYTES = 1 << 20
_FIELD_BYTES = 4096


class Readable(Protocol):
    """Anything to read bytes from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


@dataclass(slots=True)
class Received:
    """What came: `length` bytes of frame in the area, and the other fields of a form."""

    length: int
    fields: Mapping[str, str] = field(default_factory=dict)


# gets the frame to the start of an area within a time in seconds; in a form it is the part of the given name
Bring = Callable[[memoryview, str, float], Received]


def declared_length(req: falcon.Request, largest: int) -> int | None:
    """Return the declared length of the body, None where none is; raises FrameTooLarge before a byte is read."""
    length = req.content_length
    if length is not None and length > largest and not is_form(req):
        raise FrameTooLarge(f"the body has {length} bytes, at most {largest} are accepted (max_frame_mib)")
    return length


def is_form(req: falcon.Request) -> bool:
    """Whether the body is multipart/form-data."""
    return (req.content_type or "").lower().startswith("multipart/form-data")


def receive(req: falcon.Request, area: memoryview, part: str, limit_s: float) -> Received:
    """Receive the frame of `req` to the start of `area`; in a form it is the part named `part`.

    Raises:
        FrameTooLarge, IncompleteBody, BodyTooSlow, InvalidParameter
    """
    give_up = time.monotonic() + limit_s
    body = None if is_form(req) else plain_body(req.env)
    if body is not None:
        body.receive_into(area, limit_s)
        return Received(body.length)
    try:
        with bounded_reads(req.env, limit_s):
            return _receive_form(req, area, part, give_up) if is_form(req) else _receive_stream(req, area, give_up)
    except TimeoutError:
        raise BodyTooSlow(f"nothing more of the body came within {limit_s:g} s") from None


def _receive_stream(req: falcon.Request, area: memoryview, give_up: float) -> Received:
    # a chunked body ends where its chunks end, another where its length says
    stream = req.stream if req.content_length is None else req.bounded_stream
    length = _pour(stream, area, give_up)
    if req.content_length is not None and length < req.content_length:
        raise IncompleteBody(f"the body ended after {length} of {req.content_length} bytes")
    return Received(length)


def _pour(stream: Readable, area: memoryview, give_up: float) -> int:
    """Read `stream` to its end into `area`; returns the number of bytes."""
    filled = 0
    while True:
        try:
            piece = stream.read(min(_STEP_BYTES, len(area) - filled + 1))
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise IncompleteBody(f"the body broke off after {filled} bytes: {error}") from None
        if not piece:
            return filled
        if filled + len(piece) > len(area):
            raise FrameTooLarge(f"the body has more than {len(area)} bytes (max_frame_mib)")
        area[filled : filled + len(piece)] = piece
        filled += len(piece)
        if time.monotonic() > give_up:
            raise BodyTooSlow(f"{filled} bytes came before the time for a body was up")


def _receive_form(req: falcon.Request, area: memoryview, part: str, give_up: float) -> Received:
    form = req.get_media()
    assert isinstance(form, MultipartForm)
    length = None
    fields: dict[str, str] = {}
    for piece in form:
        if piece.name == part:
            if length is not None:
                raise InvalidParameter(f"the form has two parts named {part!r}; one was expected")
            length = _pour(piece.stream, area, give_up)
        elif piece.name is not None:
            fields[piece.name] = piece.stream.read(_FIELD_BYTES).decode("utf-8", "replace")
    if length is None:
        raise InvalidParameter(f"the form has no part named {part!r}")
    return Received(length, fields)
