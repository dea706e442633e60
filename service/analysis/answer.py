"""The answer as the contract wants it: context, or picture with the context in headers or behind it."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import orjson

from service.analysis.views import with_part
from service.wire.response import SlotStream
from workers.errors import ContextTooLargeForHeader

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    import falcon

    from service.analysis.counters import Counters
    from service.intake.params import Asked
    from workers.pool.reply import Reply

# http.client refuses a header line over 65,536 bytes; the name, the colon and the line's end count
_HEADER_LINE_BYTES = 65_536


class Answering:
    """Writes answers; a picture is sent from its slot, which is released when the client has it."""

    def __init__(self, counters: Counters, slot_is_needed: Callable[[], bool]) -> None:
        self._counters = counters
        self._slot_is_needed = slot_is_needed

    @staticmethod
    def check(asked: Asked, reply: Reply, more_bytes: int) -> None:
        """See whether `write` can, also where the context becomes so much longer; raises ContextTooLargeForHeader."""
        if reply.image_bytes and not asked.context_in_body:
            _in_header(bytes(reply.context), more_bytes)

    def write(  # noqa: PLR0917 - what an answer is made of
        self,
        req: falcon.Request,
        resp: falcon.Response,
        asked: Asked,
        reply: Reply,
        until_sent: ExitStack,
        part_result: bytes = b"",
    ) -> None:
        """Fill `resp` from `reply`; what `until_sent` holds is given back as soon as the slot is no longer needed.

        `part_result` is what became of the part that ended by this frame.

        Raises:
            ContextTooLargeForHeader: the context was asked for in a header and does not fit one.
        """
        if not reply.image_bytes:
            resp.data = with_part(bytes(reply.context), part_result)
            resp.content_type = "application/json"
            return
        resp.content_type = "image/png"
        view = reply.picture
        if asked.context_in_body:
            resp.set_header("ImageLen", str(reply.image_bytes))
            view = memoryview(with_part(bytes(reply.body), part_result)) if part_result else reply.body
        else:
            _set_context_headers(resp, with_part(bytes(reply.context), part_result))
        begun = time.monotonic_ns()
        release = until_sent.pop_all().close

        def done() -> None:
            self._counters.count("seconds.sending", time.monotonic_ns() - begun)
            release()

        resp.content_length = len(view)
        resp.stream = SlotStream(req.env, view, self._slot_is_needed, done)


def _set_context_headers(resp: falcon.Response, context: bytes) -> None:
    resp.set_header("ContextBase64utf", _in_header(context))
    plain = (context if context.isascii() else json.dumps(orjson.loads(context)).encode("ascii")).decode("ascii")
    plain = plain.replace("\x7f", "\\u007f")  # JSON may hold it as it is, a header may not
    # six bytes for a letter of two: it is the longer one for all but English, and no known client reads it
    if _fits("context", plain):
        resp.set_header("context", plain)


def _in_header(context: bytes, more_bytes: int = 0) -> str:
    encoded = base64.b64encode(context).decode("ascii")
    if not _fits("ContextBase64utf", encoded, -(-more_bytes // 3) * 4):
        raise ContextTooLargeForHeader(
            f"the context has {len(context)} bytes and does not fit an HTTP header of {_HEADER_LINE_BYTES} bytes; "
            "ask with context_in_body to get it behind the picture"
        )
    return encoded


def _fits(name: str, value: str, more: int = 0) -> bool:
    return len(f"{name}: \r\n") + len(value) + more <= _HEADER_LINE_BYTES
