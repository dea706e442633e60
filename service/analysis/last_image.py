"""GET /last_image: the frame that was analysed last, drawn again without running the flow again."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from service.analysis.once_more import last_frame
from service.intake.params import asked, query_values
from service.wire.response import SlotStream
from workers.errors import NoLastImage

if TYPE_CHECKING:
    import falcon

    from service.analysis.analyze import Desk


class LastImage:
    """The resource."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the kept frame as `response_type` asks."""
        desk = self._desk
        wanted = asked(query_values(req))
        if not desk.pool.control.newest_done_ns:
            raise NoLastImage("no frame has been analysed since the server started")
        with ExitStack() as until_sent:
            reply = until_sent.enter_context(last_frame(desk.pool, desk.settings, wanted.response))
            resp.set_header("Cache-Control", "no-store")
            desk.answering.write(req, resp, wanted, reply, until_sent)

    def on_head(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer as to GET, without the picture: its slot is given back at once."""
        self.on_get(req, resp)
        if isinstance(resp.stream, SlotStream):
            resp.stream.close()
            resp.stream = None
