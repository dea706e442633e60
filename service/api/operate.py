"""What changes a server as it runs: stop, reload, rollback. All are asked of the supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
import orjson

from service.changes.asker import asker
from service.intake.params import flag, query_values, wait_s
from service.local_client import is_local
from workers.errors import ChangeRefused, Forbidden, NotReady
from workers.pool.to_supervisor import Message

if TYPE_CHECKING:
    from service.access.key_check import Access
    from service.changes.log import Changes
    from service.settings import Settings
    from workers.pool.to_supervisor import Outcome, SupervisorLink


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
    """`POST /api/v1/reload`: the project is loaded anew; `accept` takes it over whatever its proof says."""

    def __init__(self, link: SupervisorLink, changes: Changes) -> None:
        self._link = link
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Pass it on, and wait for its outcome where that is asked for."""
        accepts = flag(query_values(req), "accept")
        _change(self._link, self._changes, Message.ACCEPT if accepts else Message.RELOAD, req, resp)


class RollbackResource:
    """`POST /api/v1/rollback`: the version before runs again."""

    def __init__(self, link: SupervisorLink, changes: Changes) -> None:
        self._link = link
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Pass it on, and wait for its outcome where that is asked for."""
        _change(self._link, self._changes, Message.ROLLBACK, req, resp)


def _change(
    link: SupervisorLink, changes: Changes, change: Message, req: falcon.Request, resp: falcon.Response
) -> None:
    """Ask for a change; with `wait_s` its outcome is the answer, 202 where it is not known by then.

    Raises:
        ChangeRefused: nothing has changed; the message says why.
    """
    what = "rollback" if change is Message.ROLLBACK else "reload"
    patience_s = wait_s(query_values(req))
    with link.ask(change, _who(req)) as waiting:
        try:
            outcome = waiting.outcome(patience_s) if patience_s else None
        except ConnectionError:
            raise NotReady("the server ends; what became of the change is not known") from None
    resp.content_type = falcon.MEDIA_JSON
    changes.note(*asker(req), change.name.lower(), _told(outcome))
    if outcome is None:
        resp.status = 202
        resp.data = orjson.dumps({what: "asked for"})
        return
    if not outcome.done:
        raise ChangeRefused(f"version {outcome.version} goes on: {outcome.words}")
    resp.data = orjson.dumps({what: "done", "flowVersion": outcome.version, "before": outcome.before})


def _told(outcome: Outcome | None) -> dict[str, str]:
    if outcome is None:
        return {"outcome": "not waited for"}
    if not outcome.done:
        return {"outcome": "refused", "version": outcome.version, "why": outcome.words}
    return {"outcome": "done", "version": outcome.version, "before": outcome.before}


def _who(req: falcon.Request) -> str:
    client = getattr(req.context, "client", None) or "a client without a key"
    return f"{client}, {req.remote_addr}"
