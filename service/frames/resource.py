"""`/api/v1/frames`: those that match, a page at a time; `/api/v1/frames/{id}`: all that is known of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import falcon

from service.access.route import Route
from service.frames.sought import FramesQuery
from service.intake.checked import checked_query
from service.json_answer import answer_with

if TYPE_CHECKING:
    from service.history.stored import Stored


class FramesResource:
    """`GET`: a page of frames, newest first."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Find them; `next` is the cursor of the page behind, `isCut` says that it is not known yet what is there."""
        from service.frames.finding import find  # noqa: PLC0415 - a front that nobody asks loads no database
        from service.frames.known import in_short  # noqa: PLC0415

        asked = checked_query(req, FramesQuery)
        with self._stored.read() as connection:
            found = find(connection, asked, asked.start, asked.count)
            frames = in_short(connection, found.rows)
        document = {"frames": frames, "next": str(found.more) if found.more else None, "isCut": found.is_cut}
        answer_with(resp, document)

    on_head = on_get


class FrameResource:
    """`GET`: one frame."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def on_get(self, _: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Tell all that is known of it."""
        from service.frames.known import in_full  # noqa: PLC0415 - see above
        from service.history.frame_id import row_of  # noqa: PLC0415

        with self._stored.read() as connection:
            document = in_full(connection, row_of(connection, frame_id))
        answer_with(resp, document)

    on_head = on_get


def frame_routes(stored: Stored) -> Iterator[Route]:
    """Yield the routes of frames."""
    yield Route("/api/v1/frames", FramesResource(stored), for_page=True)
    yield Route("/api/v1/frames/{frame_id}", FrameResource(stored), for_page=True)
