"""Getting a request's frame into a slot: the short way (wire.py), the portable way, and multipart forms.

On the portable way (chunked, TLS, another server) and in forms nobody can tell how fast the frame will come. It goes
through memory of this front first, so that a slow client holds a thread at most, of which only some may be held so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import falcon
from falcon.media.multipart import MultipartForm

from service.wire import body_limit_s, bounded_reads, give_back, plain_body, take_over
from workers.errors import BodyTooSlow, FrameTooLarge, IncompleteBody, InvalidParameter, NoFreeSlot

if TYPE_CHECKING:
    from workers.exchange import Rest

_STEP_BYTES = 1 << 20
_FIELD_BYTES = 4096
FORM_BYTES = 1 << 16  # what a form may hold beside its frame
_SLOW_READERS = threading.BoundedSemaphore(16)
_TURN_S = 0.25

_T = TypeVar("_T")


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
            FrameTooLarge, IncompleteBody, BodyTooSlow, InvalidParameter, NoFreeSlot
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

    def __init__(self, req: falcon.Request, largest_bytes: int, most_s: float) -> None:
        self._req = req
        self._largest_bytes = largest_bytes
        self._most_s = most_s
        self._plain = plain_body(req.env)
        self._form = is_form(req)
        self._poured: bytearray | None = None

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
            if not self._form:
                self._poured = self._through_memory(self._read_stream)
        elif self._form:
            self._plain.await_all()
        elif scarce:
            self._plain.await_flow()

    def into(self, area: memoryview, part: str) -> Received:
        """See Bring."""
        if self._form:
            frame, fields = self._through_memory(lambda give_up: self._read_form(part, give_up))
        elif self._poured is not None:
            frame, fields = self._poured, {}
        else:
            assert self._plain is not None
            take_over(self._req.env)
            return Received(self._plain.length, rest=self._plain.begin(area, partial(give_back, self._req.env)))
        area[: len(frame)] = frame
        return Received(len(frame), fields)

    def _through_memory(self, read: Callable[[float], _T]) -> _T:
        """Receive by `read` while nothing of the pool is held; it may be slow, so only some may do that at once."""
        if not _SLOW_READERS.acquire(timeout=_TURN_S):
            raise NoFreeSlot("too many bodies without a plain length arrive at the same time; try again shortly")
        length = self._req.content_length
        limit_s = self._most_s if length is None else body_limit_s(length, self._most_s)
        try:
            with bounded_reads(self._req.env, limit_s):
                return read(time.monotonic() + limit_s)
        except TimeoutError:
            raise BodyTooSlow(f"the body did not come within {limit_s:.1f} s") from None
        finally:
            _SLOW_READERS.release()

    def _read_stream(self, give_up: float) -> bytearray:
        # a chunked body ends where its chunks end, another where its length says
        length = self._req.content_length
        frame = _pour(self._req.stream if length is None else self._req.bounded_stream, self._largest_bytes, give_up)
        if length is not None and len(frame) < length:
            raise IncompleteBody(f"the body ended after {len(frame)} of {length} bytes")
        return frame

    def _read_form(self, part: str, give_up: float) -> tuple[bytearray, dict[str, str]]:
        form = self._req.get_media()
        assert isinstance(form, MultipartForm)
        frame = None
        fields: dict[str, str] = {}
        for piece in form:
            if piece.name == part:
                if frame is not None:
                    raise InvalidParameter(f"the form has two parts named {part!r}; one was expected")
                frame = _pour(piece.stream, self._largest_bytes, give_up)
            elif piece.name is not None:
                _add_field(fields, piece.name, piece.stream.read(_FIELD_BYTES + 1))
        if frame is None:
            raise InvalidParameter(f"the form has no part named {part!r}")
        return frame, fields


def _add_field(fields: dict[str, str], name: str, value: bytes) -> None:
    if name in fields:
        raise InvalidParameter(f"{name[:40]} is given twice; it was expected once")
    if len(value) > _FIELD_BYTES:
        raise InvalidParameter(f"{name[:40]} has more than {_FIELD_BYTES} bytes")
    fields[name] = value.decode("utf-8", "replace")


def _pour(stream: Readable, largest_bytes: int, give_up: float) -> bytearray:
    """Read `stream` to its end; raises as Bring.into."""
    poured = bytearray()
    while True:
        try:
            piece = stream.read(min(_STEP_BYTES, largest_bytes - len(poured) + 1))
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise IncompleteBody(f"the body broke off after {len(poured)} bytes: {error}") from None
        if not piece:
            return poured
        poured += piece
        if len(poured) > largest_bytes:
            raise FrameTooLarge(f"the body has more than {largest_bytes} bytes (max_frame_mib)")
        if time.monotonic() > give_up:
            raise BodyTooSlow(f"{len(poured)} bytes came before the time for a body was up")
