"""Alerts over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
import orjson

from service.changes.asker import asker

if TYPE_CHECKING:
    from service.alerts.board import Board
    from service.changes.log import Changes


class AlertsResource:
    """`GET /api/v1/alerts`: all of them, those that are on or hold the line first."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Say how they stand."""
        resp.data = orjson.dumps(self._board.document())
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get


class AcknowledgeResource:
    """`POST /api/v1/alerts/{name}/acknowledge`: somebody has seen to it; it holds the line no more."""

    def __init__(self, board: Board, changes: Changes) -> None:
        self._board = board
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Acknowledge it; answers with how it stands now."""
        now = self._board.acknowledge(name, *asker(req))
        self._changes.note(*asker(req), "alert_acknowledged", {"alert": name})
        resp.data = orjson.dumps(now)
        resp.content_type = falcon.MEDIA_JSON
