"""The Process switch over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
import orjson

from service.changes.asker import asker
from service.intake.body import small_body
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    from service.api.switch import ProcessSwitch
    from service.changes.log import Changes

_BODY_BYTES = 1000


class ProcessResource:
    """`/api/v1/process`: GET tells, PUT `{"process": true}` throws."""

    def __init__(self, switch: ProcessSwitch, changes: Changes) -> None:
        self._switch = switch
        self._changes = changes

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Say how the switch stands."""
        resp.data = orjson.dumps({"process": self._switch.is_on})
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Throw the switch."""
        try:
            asked = orjson.loads(small_body(req, _BODY_BYTES))
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("process"), bool):
            raise InvalidParameter('the body was expected to be {"process": true} or {"process": false}')
        self._switch.throw(on=asked["process"], by=asker(req))
        self._changes.note(*asker(req), "process_on" if asked["process"] else "process_off")
        self.on_get(req, resp)
