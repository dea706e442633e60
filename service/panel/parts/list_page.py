"""`GET /parts`: frames that match a filter, newest first, a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.frames.sought import DECIDED_AS, HELD_AS, VERDICTS, FramesQuery
from service.intake.checked import checked_query

if TYPE_CHECKING:
    import falcon

    from service.history.stored import Stored
    from service.panel.pages import Pages

TO_DECIDE = "verdict=NOK&held=no&decided=no"


class PartsPage:
    """The list."""

    def __init__(self, pages: Pages, stored: Stored) -> None:
        self._pages = pages
        self._stored = stored

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Find them."""
        if not self._stored.is_kept:
            self._pages.show(req, resp, "parts_none.html", "parts")
            return
        from service.frames.finding import find  # noqa: PLC0415 - a front that nobody asks loads no database
        from service.frames.known import cameras_of, in_short, labels_known, servers_known  # noqa: PLC0415

        asked = checked_query(req, FramesQuery)
        with self._stored.read() as connection:
            found = find(connection, asked, asked.start, asked.count)
            frames = in_short(connection, found.rows)
            cameras, labels, servers = cameras_of(connection), labels_known(connection), servers_known(connection)
        self._pages.show(
            req,
            resp,
            "parts.html",
            "parts",
            asked=asked,
            since=_for_input(asked.since_ns),
            until=_for_input(asked.until_ns),
            frames=[(row.came_ns, frame) for row, frame in zip(found.rows, frames, strict=True)],
            more=_with(asked.query, f"cursor={found.more}") if found.more else None,
            is_cut=found.is_cut,
            looked_to_ns=found.more.came_ns if found.more else None,
            query=asked.query,
            to_decide=TO_DECIDE,
            verdicts=VERDICTS,
            decided_as=DECIDED_AS,
            held_as=HELD_AS,
            cameras=cameras,
            servers=servers,
            labels=labels,
        )

    on_head = on_get


def _with(query: str, more: str) -> str:
    return f"{query}&{more}" if query else more


def _for_input(at_ns: int | None) -> str:
    """Return a time as a field of a form has it: local, to the minute."""
    if at_ns is None:
        return ""
    try:
        return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%dT%H:%M")
    except (OverflowError, ValueError, OSError):
        return ""
