"""What machines ask: /ping, /version, /livez and /readyz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
import orjson

from workers.memory.control import Control

if TYPE_CHECKING:
    from service.api.switch import ProcessSwitch
    from workers.pool.pool import Pool

# the level of the vendor's REST API that we speak; its SDK sends numpy frames through shared memory from 3.18.0 on
_CONTRACT = "3.18.0"
_CONTRACT_WITHOUT_SHARED_MEMORY = "3.17.0"


class Ping:
    """Exactly 200 while the server runs; the vendor's C SDK asks with HEAD."""

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer."""
        resp.text = "pong"
        resp.content_type = falcon.MEDIA_TEXT

    on_head = on_get


class Version:
    """The level of the contract; our own version is in /api/v1/status."""

    def __init__(self, *, shared_memory: bool) -> None:
        self._level = _CONTRACT if shared_memory else _CONTRACT_WITHOUT_SHARED_MEMORY

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer."""
        resp.text = self._level
        resp.content_type = falcon.MEDIA_TEXT

    on_head = on_get


class Live:
    """/livez: this front answers. Restarting the server cures what makes this fail, and nothing else does."""

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer."""
        resp.data = orjson.dumps({"live": True})
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get


class Ready:
    """/readyz: a frame sent now would be inspected; if not, why not."""

    def __init__(self, pool: Pool, switch: ProcessSwitch) -> None:
        self._pool = pool
        self._switch = switch

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer 200 or 503 with the reasons."""
        control = self._pool.control
        reasons = []
        if control.stopping:
            reasons.append("the server is stopping")
        if control.words[Control.FLOW]:
            reasons.append("the project ended the workers that inspected its frames; frames are refused")
        if not control.workers_ready:
            reasons.append("no worker is ready")
        if not self._switch.is_on:
            why = self._switch.why_off
            reasons.append(f"the Process switch is off: {why}" if why else "the Process switch is off")
        resp.status = 503 if reasons else 200
        resp.data = orjson.dumps({"ready": not reasons, "reasons": reasons})
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get
