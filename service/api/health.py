"""What machines ask: /ping, /version, /livez, /readyz, and /stop."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import falcon
import orjson

from service.intake.params import query_values
from workers.errors import Forbidden
from workers.memory.control import Control

if TYPE_CHECKING:
    from service.access.key_check import Access
    from service.api.switch import ProcessSwitch
    from service.settings import Settings
    from workers.pool.pool import Pool
    from workers.pool.to_supervisor import SupervisorLink

# the level of the vendor's REST API that we speak; its SDK sends numpy frames through shared memory from 3.18.0 on
_CONTRACT = "3.18.0"
_CONTRACT_WITHOUT_SHARED_MEMORY = "3.17.0"
# what proxies add; a client that lies with them only shuts itself out
_PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


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
        if not (self._from_anywhere or _is_local(req)):
            raise Forbidden("/stop is for clients on the server's own machine (stop_from_anywhere)")
        self._access.check_stop_key(req.remote_addr, query_values(req).get("key", ""), self._stop_key)
        self._link.ask_to_stop()
        resp.text = "stopping"
        resp.content_type = falcon.MEDIA_TEXT

    on_head = on_get
    on_post = on_get


def _is_local(req: falcon.Request) -> bool:
    """Whether the client itself is on this machine: what a proxy hands on may come from anywhere."""
    if any(name in req.env for name in _PROXIED):
        return False
    try:
        address = ipaddress.ip_address(req.remote_addr)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
