"""`/api/v1/frames/{id}/picture`, as it was kept; `/api/v1/frames/{id}/again`, inspected once more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.access.route import Route
from service.analysis.once_more import inspected_again
from service.analysis.wish import client_of
from service.intake.checked import checked_query
from service.intake.params import asked, query_values
from service.kept_pictures.kept import KeptPictures
from service.wire.response import SlotStream
from workers.memory.control import Control

if TYPE_CHECKING:
    from pathlib import Path

    import falcon

    from service.analysis.analyze import Desk
    from service.history.stored import Stored

_HARMLESS = "default-src 'none'; sandbox"  # whatever a client sent as an image, no browser runs it
_FOR_GOOD = "private, max-age=31536000, immutable"


def _bare_is_on(value: Any) -> Any:
    return True if value == "" else value


class PictureQuery(BaseModel):
    """What may be asked of a picture."""

    model_config = ConfigDict(extra="forbid")

    download: Annotated[
        bool, BeforeValidator(_bare_is_on), Field(description="have a browser save it instead of showing it")
    ] = False


class PictureResource:
    """`GET`: the picture, byte for byte as it was kept."""

    def __init__(self, kept: KeptPictures) -> None:
        self._kept = kept

    def on_get(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Answer with it."""
        wanted = checked_query(req, PictureQuery)
        found = self._kept.find(frame_id)
        etag = f'"{found.frame_id}"'
        resp.set_headers(
            {
                "Cache-Control": _FOR_GOOD,
                "ETag": etag,
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": _HARMLESS,
                "Cross-Origin-Resource-Policy": "same-origin",
                "Content-Disposition": _disposition(f"{found.frame_id}.{found.ending}", save=wanted.download),
            }
        )
        if etag in _etags(req):
            resp.status = 304
            return
        resp.content_type = found.media_type
        resp.data = found.content

    on_head = on_get


class AgainResource:
    """`GET`: the picture, inspected by the version that runs now; it is no part, and nobody records it."""

    def __init__(self, kept: KeptPictures, desk: Desk) -> None:
        self._kept = kept
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Answer as to a frame, with which one it was."""
        wanted = asked(query_values(req))
        found = self._kept.find(frame_id)
        resp.set_headers({"Cache-Control": "no-store", "X-Framemill-Again": found.frame_id})
        with ExitStack() as until_sent:
            job, desk = replace(found.job, response=wanted.response), self._desk
            again = inspected_again(desk.pool, desk.settings, job, found.content, client_of(req))
            reply = until_sent.enter_context(again)
            if reply.image_bytes:
                desk.answering.write(req, resp, wanted, reply, until_sent)
                return
            version = f"{desk.pool.control.words[Control.FLOW_VERSION]:016x}"
            mark = orjson.dumps({"again": {"id": found.frame_id, "flowVersion": version}})
            context = bytes(reply.context)
            resp.data = context if context == b"{}" else b"%b,%b" % (mark[:-1], context[1:])
            resp.content_type = "application/json"

    def on_head(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Answer as to GET, without the picture: its slot is given back at once."""
        self.on_get(req, resp, frame_id)
        if isinstance(resp.stream, SlotStream):
            resp.stream.close()
            resp.stream = None


def picture_routes(stored: Stored, desk: Desk, state_dir: Path) -> Iterator[Route]:
    """Yield the routes of kept pictures."""
    kept, path = KeptPictures(stored, state_dir), "/api/v1/frames/{frame_id}"
    yield Route(f"{path}/picture", PictureResource(kept), for_page=True)
    yield Route(f"{path}/again", AgainResource(kept, desk), for_page=True, acts=True)


def _disposition(name: str, *, save: bool) -> str:
    return f'{"attachment" if save or name.endswith(".bin") else "inline"}; filename="{name}"'


def _etags(req: falcon.Request) -> set[str]:
    said = req.get_header("If-None-Match") or ""
    return {one.strip().removeprefix("W/") for one in said.split(",")}
