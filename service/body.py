"""Getting a request's frame into a slot: the short way (wire.py), or through memory of this front (gathered.py).

Chunked bodies, forms and what comes over TLS are gathered before a slot is taken, for nobody can tell how fast they
will come; so are plain ones that turn out to be slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

import falcon
from falcon.media.multipart import MultipartForm

from service.gathered import drop_gathered, gather
from service.wire import give_back, plain_body, take_over
from workers.errors import FrameTooLarge, IncompleteBody, InvalidParameter

if TYPE_CHECKING:
    from workers.exchange import Rest

_STEP_BYTES = 1 << 20
_FIELD_BYTES = 4096
FORM_BYTES = 1 << 16  # what a form may hold beside its frame


class Readable(Protocol):
    """Anything to read bytes from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


@dataclass(slots=True)
class Received:
    """What came: `length` bytes of frame in the area, and the other fields of a form.

    Where there is a `rest`, the area holds the beginning of the frame only.
    """

    length: int
    fields: Mapping[str, str] = field(default_factory=dict)
    rest: Rest | None = None


class Bring(Protocol):
    """A request's frame on its way in."""

    @property
    def client_fd(self) -> int:
        """The client's socket, to notice when it goes away; -1 where there is none."""

    def prepare(self, *, scarce: bool) -> None:
        """Before a slot is taken: where slots are `scarce`, or nobody can tell later, see to it that the frame comes.

        Raises:
            BodyPaused: it does not come quickly. And what `into` raises.
        """

    def into(self, area: memoryview, part: str) -> Received:
        """Get the frame, or its beginning, to the start of `area`; in a form it is the part named `part`.

        Raises:
            FrameTooLarge, IncompleteBody, InvalidParameter, NoFreeSlot
            BodyPaused: it does not come quickly after all.
        """


def declared_length(req: falcon.Request, largest: int) -> int | None:
    """Return the declared length of the body, None where none is; raises FrameTooLarge before a byte is read."""
    length = req.content_length
    most = largest + FORM_BYTES if is_form(req) else largest
    if length is not None and length > most:
        raise FrameTooLarge(f"the body has {length} bytes, at most {most} are accepted (max_frame_mib)")
    return length


def is_form(req: falcon.Request) -> bool:
    """Whether the body is multipart/form-data."""
    return (req.content_type or "").lower().startswith("multipart/form-data")


class RequestBody:
    """The frame in the body of a WSGI request: the short way (wire.py), or through memory of this front."""

    def __init__(self, req: falcon.Request, largest_bytes: int) -> None:
        self._req = req
        self._largest_bytes = largest_bytes
        self._form = is_form(req)
        self._plain = None if self._form else plain_body(req.env)
        self._gathered = memoryview(b"")

    @property
    def client_fd(self) -> int:
        """See Bring."""
        connection = self._req.env.get("gunicorn.socket")
        return connection.fileno() if connection is not None else -1

    def prepare(self, *, scarce: bool) -> None:
        """See Bring."""
        connection = self._req.env.get("gunicorn.socket")
        if connection is not None:
            connection.waits = True
        if self._plain is None:
            self._gathered = gather(self._req.env, self._largest_bytes + (FORM_BYTES if self._form else 0))
        elif scarce:
            self._plain.await_flow()

    def into(self, area: memoryview, part: str) -> Received:
        """See Bring."""
        if self._plain is not None:
            take_over(self._req.env)
            return Received(self._plain.length, rest=self._plain.begin(area, partial(give_back, self._req.env)))
        fields: dict[str, str] = {}
        frame: bytes | bytearray | memoryview = self._gathered
        if self._form:
            frame, fields = self._read_form(part)
        area[: len(frame)] = frame
        self._gathered = memoryview(b"")
        drop_gathered(self._req.env["wsgi.input"])
        return Received(len(frame), fields)

    def _read_form(self, part: str) -> tuple[bytearray, dict[str, str]]:
        form = self._req.get_media()
        assert isinstance(form, MultipartForm)
        frame = None
        fields: dict[str, str] = {}
        for piece in form:
            if piece.name == part:
                if frame is not None:
                    raise InvalidParameter(f"the form has two parts named {part!r}; one was expected")
                frame = _pour(piece.stream, self._largest_bytes)
            elif piece.name is not None:
                _add_field(fields, piece.name, piece.stream.read(_FIELD_BYTES + 1))
        if frame is None:
            raise InvalidParameter(f"the form has no part named {part!r}")
        return frame, fields


def small_body(req: falcon.Request, most_bytes: int) -> bytes:
    """Return all of a request's body, for a resource that takes a few bytes of JSON or a plain form.

    Raises:
        FrameTooLarge: it has more than `most_bytes`.
        BodyPaused, IncompleteBody, BodyInvalid, NoFreeSlot: see `gather`.
    """
    return bytes(gather(req.env, most_bytes))


def _add_field(fields: dict[str, str], name: str, value: bytes) -> None:
    if name in fields:
        raise InvalidParameter(f"{name[:40]} is given twice; it was expected once")
    if len(value) > _FIELD_BYTES:
        raise InvalidParameter(f"{name[:40]} has more than {_FIELD_BYTES} bytes")
    fields[name] = value.decode("utf-8", "replace")


def _pour(stream: Readable, largest_bytes: int) -> bytearray:
    """Read a part of a form to its end; raises FrameTooLarge, IncompleteBody."""
    poured = bytearray()
    while True:
        try:
            piece = stream.read(min(_STEP_BYTES, largest_bytes - len(poured) + 1))
        except (OSError, ValueError) as error:
            raise IncompleteBody(f"the body broke off after {len(poured)} bytes: {error}") from None
        if not piece:
            return poured
        poured += piece
        if len(poured) > largest_bytes:
            raise FrameTooLarge(f"the body has more than {largest_bytes} bytes (max_frame_mib)")
