"""Getting a request's frame into a slot: the short way (plain_body.py), or through memory of this front (gathered.py).

Chunked bodies, forms and what comes over TLS are gathered before a slot is taken, for nobody can tell how fast they
will come; so are plain ones that turn out to be slow. A form is
received and read (forms.py) before anything else is done, since any of its fields may say what that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import falcon

from service.intake.forms import Form, boundary_of, is_form, read_form, refuse_other_parts
from service.wire.gathered import drop_gathered, gather
from service.wire.plain_body import give_back, plain_body, take_over
from workers.errors import BodyUnsupported, FrameTooLarge

if TYPE_CHECKING:
    from workers.pool.exchange import Rest

FORM_BYTES = 1 << 16  # what a form may hold beside its frame


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
            FrameTooLarge, IncompleteBody, NoFreeSlot
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
    """The frame in the body of a WSGI request: the short way (plain_body.py), or through memory of this front."""

    def __init__(self, req: falcon.Request, largest_bytes: int) -> None:
        self._req = req
        self._largest_bytes = largest_bytes
        self._plain = None if is_form(req) else plain_body(req.env)
        self._whole: memoryview | None = None

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
        if self._whole is not None:
            return
        if self._plain is None:
            self._whole = gather(self._req.env, self._largest_bytes)
        elif scarce:
            self._plain.await_flow()

    def form(self, part: str | None) -> Form:
        """Receive a form, before a slot is taken; its part named `part` is the frame that `into` brings.

        Raises:
            BodyInvalid, BodyUnsupported, InvalidParameter: see boundary_of, read_form. And what `prepare` raises.
        """
        boundary = boundary_of(self._req.content_type or "")
        form = read_form(boundary, gather(self._req.env, self._largest_bytes + FORM_BYTES), part)
        if len(form.frame) > self._largest_bytes:
            raise FrameTooLarge(
                f"the frame has {len(form.frame)} bytes, at most {self._largest_bytes} are accepted (max_frame_mib)"
            )
        self._whole = form.frame
        return form

    def into(self, area: memoryview) -> Received:
        """See Bring."""
        if self._plain is not None:
            take_over(self._req.env)
            return Received(self._plain.length, rest=self._plain.begin(area, partial(give_back, self._req.env)))
        assert self._whole is not None
        frame, self._whole = self._whole, None
        area[: len(frame)] = frame
        drop_gathered(self._req.env["wsgi.input"])
        return Received(len(frame))


def small_body(req: falcon.Request, most_bytes: int) -> bytes:
    """Return all of a request's body, for a resource that takes a few bytes of JSON or a plain form.

    Raises:
        FrameTooLarge: it has more than `most_bytes`.
        BodyPaused, IncompleteBody, BodyInvalid, NoFreeSlot: see `gather`.
    """
    return bytes(gather(req.env, most_bytes))
