"""What changes a server as it runs: stop, reload. Both are asked of the supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
import orjson

from service.intake.params import query_values
from service.local_client import is_local
from workers.errors import Forbidden

if TYPE_CHECKING:
    from service.access.key_check import Access
    from service.settings import Settings
    from workers.pool.to_supervisor import SupervisorLink


class Stop:
    """/stop?key=K: ends the server, where a stop key was given at its start; for clients on its own machine."""

    def __init__(self, settings: Settings, access: Access, link: SupervisorLink) -> None:
        assert settings.stop_key is not None
        self._stop_key = settings.stop_key.get_secret_value()
        self._from_anywhere = settings.stop_from_anywhere
        self._access = access
        self._link = link

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Stop, or refuse."""
        if not (self._from_anywhere or is_local(req.env)):
            raise Forbidden("/stop is for clients on the server's own machine (stop_from_anywhere)")
        self._access.check_stop_key(req.remote_addr, query_values(req).get("key", ""), self._stop_key)
        self._link.ask_to_stop()
        resp.text = "stopping"
        resp.content_type = falcon.MEDIA_TEXT

    on_head = on_get
    on_post = on_get


class ReloadResource:
    """`POST /api/v1/reload`: the project is loaded anew; status counts `reloads` up once it runs."""

    def __init__(self, link: SupervisorLink) -> None:
        self._link = link

    def on_post(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Pass it on."""
        self._link.ask_to_reload()
        resp.status = 202
        resp.data = orjson.dumps({"reload": "asked for"})
        resp.content_type = falcon.MEDIA_JSON
