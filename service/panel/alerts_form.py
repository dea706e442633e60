"""The button of the page Live that acknowledges an alert: a plain form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.changes.asker import asker
from service.panel.forms import form_of
from service.panel.pages import go_to

if TYPE_CHECKING:
    import falcon

    from service.alerts.board import Board
    from service.changes.log import Changes


class AlertsForm:
    """`POST /alerts`: `acknowledge` is the name of the alert."""

    def __init__(self, board: Board, changes: Changes) -> None:
        self._board = board
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Acknowledge it and show the page again."""
        name = form_of(req).get("acknowledge", "")
        self._board.acknowledge(name, *asker(req))
        self._changes.note(*asker(req), "alert_acknowledged", {"alert": name})
        go_to(resp, req, "")
