"""Getting a request's frame into a slot: the short way (wire.py), the portable way, and multipart forms.

On the portable way (chunked, TLS, another server) and in forms nobody can tell how fast the frame will come. It goes
through memory of this front first, so that a slow client holds a thread at most, of which only some may be held so. A
form is received and read (forms.py) before anything else is done, since any of its fields may say what that is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import falcon

from service.forms import Form, boundary_of, is_form, read_form, refuse_other_parts
from service.wire import body_limit_s, bounded_reads, give_back, plain_body, take_over
from workers.errors import BodyTooSlow, BodyUnsupported, FrameTooLarge, IncompleteBody, NoFreeSlot

if TYPE_CHECKING:
    from workers.exchange import Rest

_STEP_BYTES = 1 << 20
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
    """What came: `length` bytes of frame in the area; where there is a `rest`, their beginning only."""

    length: int
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

    def into(self, area: memoryview) -> Received:
        """Get the frame, or its beginning, to the start of `area`.

        Raises:
            FrameTooLarge, IncompleteBody, BodyTooSlow, NoFreeSlot
            BodyPaused: it does not come quickly after all.
        """


def declared_length(req: falcon.Request, largest: int) -> int | None:
    """Return the declared length of the body, None where none is.

    Raises:
        FrameTooLarge, BodyUnsupported: before a byte is read.
    """
    _refuse_coded(req)
    length = req.content_length
    most = largest + FORM_BYTES if is_form(req) else largest
    if length is not None and length > most:
        raise FrameTooLarge(f"the body has {length} bytes, at most {most} are accepted (max_frame_mib)")
    return length


def _refuse_coded(req: falcon.Request) -> None:
    """Nothing is decompressed here: a frame's bytes are taken as they come, and these would not be its pixels."""
    codings = {coding.strip().lower() for coding in (req.get_header("Content-Encoding") or "").split(",")}
    if codings - {"", "identity"}:
        raise BodyUnsupported("the body has a Content-Encoding; expected the frame's or form's bytes as they are")
    refuse_other_parts(req)


class RequestBody:
    """The frame in the body of a WSGI request: the short way (wire.py), or through memory of this front."""

    def __init__(self, req: falcon.Request, largest_bytes: int, most_s: float) -> None:
        self._req = req
        self._largest_bytes = largest_bytes
        self._most_s = most_s
        self._plain = plain_body(req.env)
        self._whole: bytearray | memoryview | None = None

    @property
    def client_fd(self) -> int:
        """See Bring."""
        connection = self._req.env.get("gunicorn.socket")
        return connection.fileno() if connection is not None else -1

    def prepare(self, *, scarce: bool) -> None:
        """See Bring."""
        if self._whole is not None:
            return
        if self._plain is None:
            self._whole = self._through_memory(partial(self._read_stream, self._largest_bytes))
        elif scarce:
            self._plain.await_flow()

    def form(self, part: str | None) -> Form:
        """Receive a form, before a slot is taken; its part named `part` is the frame that `into` brings.

        Raises:
            BodyInvalid, BodyUnsupported, InvalidParameter: see boundary_of, read_form. And what `prepare` raises.
        """
        boundary = boundary_of(self._req.content_type or "")
        if self._plain is not None:
            self._plain.await_all()
        whole = self._through_memory(partial(self._read_stream, self._largest_bytes + FORM_BYTES))
        form = read_form(boundary, whole, part)
        if len(form.frame) > self._largest_bytes:
            raise FrameTooLarge(
                f"the frame has {len(form.frame)} bytes, at most {self._largest_bytes} are accepted (max_frame_mib)"
            )
        self._whole = form.frame
        return form

    def into(self, area: memoryview) -> Received:
        """See Bring."""
        if self._whole is not None:
            frame, self._whole = self._whole, None
            area[: len(frame)] = frame
            return Received(len(frame))
        assert self._plain is not None
        take_over(self._req.env)
        return Received(self._plain.length, rest=self._plain.begin(area, partial(give_back, self._req.env)))

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

    def _read_stream(self, largest_bytes: int, give_up: float) -> bytearray:
        # a chunked body ends where its chunks end, another where its length says
        length = self._req.content_length
        frame = _pour(self._req.stream if length is None else self._req.bounded_stream, largest_bytes, give_up)
        if length is not None and len(frame) < length:
            raise IncompleteBody(f"the body ended after {len(frame)} of {length} bytes")
        return frame


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
