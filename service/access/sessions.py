"""Who has opened the page with a key stays known to it by a cookie, so that no address and no page holds the key."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from service.access.open_sessions import OpenSessions

if TYPE_CHECKING:
    from pathlib import Path

    import falcon

    from service.access.keyring import Client, Keyring

COOKIE = "framemill"
_LASTS_S = 12 * 3600  # a shift, and the one before it


class Sessions:
    """Makes and reads the cookies; whoever has the same `secret` knows them, so all fronts do, and those that follow.

    A cookie says who, until when, and which of the sessions that are `open` it is, under a MAC that is made of the
    client's key too: it ends with its key.
    """

    def __init__(self, secret: bytes, state_dir: Path, *, secure: bool) -> None:
        self._secret = secret
        self._secure = secure
        self.open = OpenSessions(state_dir, hashlib.blake2b(secret, digest_size=8, person=b"sessions").hexdigest())

    def begin(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        """Give the browser its cookie; no script can read it, and of another site's page only a link has it sent.

        `Strict` would keep it back there too: who follows a link with the key, from a list of machines, is sent on to
        the address without it, and would stand there as a stranger. What a link does is reading.
        """
        until_s = int(time.monotonic()) + _LASTS_S
        session = self.open.begin(client.name, req.remote_addr, req.get_header("User-Agent") or "", _LASTS_S)
        value = f"{client.name}.{until_s}.{session}.{self._mac(client, until_s, session)}"
        resp.set_cookie(COOKIE, value, max_age=_LASTS_S, path="/", secure=self._secure, same_site="Lax")

    def end(self, resp: falcon.Response, cookie: str, ring: Keyring) -> None:
        """End the session of a cookie that is good, and have the browser forget it."""
        if self.client(cookie, ring) is not None:
            self.open.end(session_of(cookie))
        resp.unset_cookie(COOKIE, path="/")

    def client(self, cookie: str, ring: Keyring) -> Client | None:
        """Return whom this cookie was given to, if it is good and the client still has the same key."""
        name, _, rest = cookie.partition(".")
        until, _, rest = rest.partition(".")
        session, _, mac = rest.partition(".")
        client = ring.named(name)
        if client is None or not (until.isascii() and until.isdigit() and len(until) < 20) or not rest.isascii():
            return None
        if not hmac.compare_digest(mac, self._mac(client, int(until), session)) or int(until) < time.monotonic():
            return None
        return client if self.open.is_open(session) else None

    def _mac(self, client: Client, until_s: int, session: str) -> str:
        said = b"%s.%d.%s.%s" % (client.name.encode(), until_s, session.encode(), client.digest)
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


def session_of(cookie: str) -> str:
    """Return which session a cookie says that it is of."""
    return [*cookie.split("."), "", "", ""][2]
