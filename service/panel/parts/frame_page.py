"""`GET /parts/{frame_id}`: one frame with all that is known of it, and what can be decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import falcon

from service.frames.sought import Cursor, Sought
from service.intake.checked import checked_query
from service.own_errors import NotFound
from service.panel.parts.drawing import drawing_of, tree_of
from service.results.documents import id_text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from service.history.stored import Stored
    from service.panel.pages import Pages
    from service.panel.parts.golden import Golden

_TIMES = ("waiting", "receiving", "queue", "decoding", "flow", "encoding", "took")
_CONFLICT = 409
_MOST_S = 0.03  # in each direction
_SANDBOX = "default-src 'none'; sandbox"


class Neighbours(NamedTuple):
    """The frames before and behind one in what somebody looks through, by their ids; newer ones stand before."""

    newer: str | None
    older: str | None


class FramePage:
    """The page of a frame."""

    def __init__(self, pages: Pages, stored: Stored, golden: Golden) -> None:
        self._pages = pages
        self._stored = stored
        self._golden = golden

    def on_get(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Show it, among those that its query asks for."""
        self.show(req, resp, frame_id, checked_query(req, Sought))

    on_head = on_get

    def show(
        self, req: falcon.Request, resp: falcon.Response, frame_id: str, sought: Sought, trouble: str | None = None
    ) -> None:
        """Show it; `trouble` is why a decision was not taken. Raises NotFound, and what Stored raises."""
        from service.decisions.deciding import decided_of  # noqa: PLC0415 - see list_page.py
        from service.frames.known import context_of, in_full, labels_known, servers_known  # noqa: PLC0415 - see list_page.py
        from service.history.frame_id import row_of  # noqa: PLC0415

        with self._stored.read() as connection:
            row = row_of(connection, frame_id)
            frame, context = in_full(connection, row), context_of(connection, row)
            times_of = {one.number: one.at_ns for one in decided_of(connection, row).decisions}
            neighbours = neighbours_of(connection, row, sought)
            labels, servers = labels_known(connection), servers_known(connection)
        if trouble:
            resp.status = _CONFLICT
        tree, more_nodes = tree_of(context)
        decisions = frame["decisions"]
        self._pages.show(
            req,
            resp,
            "part.html",
            "parts",
            frame=frame,
            came_ns=row.came_ns,
            flow_said=_flow_said(context),
            times={name: getattr(row, f"{name}_ns") / 1e6 for name in _TIMES},
            drawing=drawing_of(frame, context),
            tree=tree,
            more_nodes=more_nodes,
            neighbours=neighbours,
            query=sought.query,
            decisions=decisions["decisions"],
            times_of=times_of,
            holds=decisions["holds"],
            last=decisions["last"],
            known_labels=labels,
            shows_server=len(servers) > 1,
            has_golden=self._golden.of(row.flow_version, row.data) is not None,
            trouble=trouble,
        )


def _flow_said(context: Any) -> str | None:
    """Return what a flow has said of a frame that was NOK because the line was held, as far as that is known."""
    said = context.get("heldResult") if isinstance(context, dict) else None
    return {True: "OK", False: "NOK"}[said] if isinstance(said, bool) else None


class GoldenResource:
    """`GET /parts/{frame_id}/golden`: the golden image that a frame was compared with."""

    def __init__(self, stored: Stored, golden: Golden) -> None:
        self._stored = stored
        self._golden = golden

    def on_get(self, _: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Answer with the file; raises NotFound where there is none."""
        from service.history.frame_id import row_of  # noqa: PLC0415 - see list_page.py

        with self._stored.read() as connection:
            row = row_of(connection, frame_id)
        image = self._golden.of(row.flow_version, row.data)
        if image is None:
            raise NotFound("the project has no golden image for this frame, or has it no more")
        try:
            resp.data = image.path.read_bytes()
        except OSError:
            raise NotFound("the golden image is not there any more") from None
        resp.content_type = image.media_type
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Content-Security-Policy", _SANDBOX)
        resp.set_header("Cache-Control", "private, max-age=60")

    on_head = on_get


def neighbours_of(connection: Connection, row: Row[Any], sought: Sought) -> Neighbours:
    """Return the next frames that match, in both directions."""
    from service.frames.finding import find  # noqa: PLC0415 - see list_page.py

    here = Cursor(row.came_ns, row.number)

    def next_one(*, forward: bool) -> str | None:
        found = find(connection, sought, here, 1, forward=forward, most_s=_MOST_S).rows
        return id_text(found[0].came_ns, found[0].slot) if found else None

    return Neighbours(next_one(forward=True), next_one(forward=False))
