"""Who may ask for what: the first thing that is looked at in each request.

A key comes in the query, as a Bearer token or in a header; the page may show a cookie instead (sessions.py). Only where
a form with a frame has no key in any of these places may its key stand in the form: that must be received to be known,
within the bounds of every body, and lets nobody in but there. Where no key is set everybody may do everything, from
this server's own page and from programs (cross_site.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from service.access.attempts import Attempts, Kind
from service.access.cross_site import HostRule, refuse_other_sites
from service.access.key_watch import KeyWatch
from service.access.keyring import Client, Keyring, Scope, is_guessable, same_secret, single_key
from service.access.route import root_of
from service.access.sessions import COOKIE, Sessions
from service.intake.forms import is_form
from service.intake.params import query_values
from workers.errors import Forbidden, TooManyAttempts, Unauthorized

if TYPE_CHECKING:
    from pathlib import Path

    import falcon

    from service.access.heirloom import Heirloom
    from service.access.route import Route, Routes
    from service.settings import Settings

_NO_KEY = "this server asks for an API key: api_key=..., Authorization: Bearer ..., or X-API-Key"
RING = "framemill.keyring"  # where in its environ a request keeps the keys that it was let in by


@dataclass(frozen=True, slots=True)
class Access:
    """What all fronts share to decide who may ask."""

    keys: KeyWatch | None
    attempts: Attempts
    sessions: Sessions
    hosts: HostRule

    @classmethod
    def of(cls, settings: Settings, api_key: str | None, heirloom: Heirloom, state_dir: Path) -> Self:
        """Make it from the settings, from the one key where there is one, and from what fronts before have left."""
        keys = None
        if api_key is not None or settings.keys_file is not None:
            keys = KeyWatch(None if api_key is None else single_key(api_key), settings.keys_file)
        return cls(
            keys,
            # with another key nothing is known of any address: what it has proven was the key before
            Attempts(heirloom.attempts, _seed(heirloom.seed, api_key)),
            Sessions(heirloom.secret, state_dir, secure=settings.certfile is not None),
            HostRule(settings.allowed_hosts, keys_are_set=keys is not None),
        )

    def begin(self) -> None:
        """Follow the file of keys, in the process of a front."""
        if self.keys is not None:
            self.keys.begin()

    def client_of(self, address: str, client: Client | None) -> Client:
        """Return the client that a key was found to be of; raises Unauthorized, TooManyAttempts."""
        if client is None:
            refuse_many(self.attempts.fail(address))
            raise Unauthorized("the API key is wrong")
        if client.guessable:
            refuse_many(self.attempts.admit(address))
        return client

    def check_stop_key(self, address: str, given: str, expected: str) -> None:
        """Raise Forbidden where the key for /stop is wrong, TooManyAttempts where too many wrong ones came."""
        if same_secret(given, expected) and not (
            is_guessable(expected) and self.attempts.wait_s(address, Kind.STOP_KEY)
        ):
            return
        refuse_many(self.attempts.fail(address, Kind.STOP_KEY))
        raise Forbidden("the stop key is missing or wrong")

    def is_still_in(self, req: falcon.Request) -> bool:
        """Whether a request that was let in would be now: for an answer that takes long."""
        ring: Keyring | None = req.env.get(RING)
        if ring is None or self.keys is None:
            return True
        cookie = getattr(req.context, "cookie", None)
        return not ring.retired if cookie is None else self.sessions.client(cookie, self.keys.ring) is not None


def _seed(seed: bytes, api_key: str | None) -> bytes:
    return hashlib.blake2b((api_key or "").encode("utf-8", "surrogateescape"), digest_size=16, key=seed).digest()


def _let_in(req: falcon.Request, client: Client, route: Route) -> None:
    """Note who asks; raises Forbidden where that client's key is not for this."""
    needed = route.needs(req.method)
    if client.scope < needed:
        raise Forbidden(
            f"the key of {client.name} is for {client.scope.name.lower()}; this needs one for {needed.name.lower()}"
        )
    req.context.client = client.name
    req.context.scope = client.scope


def admit(req: falcon.Request, fields: Mapping[str, str]) -> None:
    """Let a request whose key may stand in its form pass, or refuse it as KeyCheck does; others have passed already."""
    check = getattr(req.context, "check_form", None)
    if check is not None:
        check(fields.get("api_key"))


class KeyCheck:
    """Falcon middleware: refuses requests without a key, before anything else of them is looked at.

    Leaves in `req.context` the `client`, by name (None where no key is set), and the `scope` of what it may do (None
    where nobody was asked).
    """

    def __init__(self, access: Access, routes: Routes) -> None:
        self._access = access
        self._routes = routes

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Let the request pass, or raise Unauthorized, TooManyAttempts or Forbidden."""
        self._access.hosts.check(req.env.get("HTTP_HOST", ""))
        route = self._routes.of(req.path)
        if route.does_something(req.method):
            refuse_other_sites(req.env)
        keys = self._access.keys
        if keys is None or route.is_open:
            req.context.client = None
            req.context.scope = Scope.ADMIN if keys is None else None
            return
        # the ring is noted before it is asked: what it allows ends with it, however late the request comes on
        ring = req.env[RING] = keys.ring
        key = _header_key(req)
        by_query = key is None
        if key is None:
            key = query_values(req).get("api_key")
        if key is None and req.method in route.key_in_form and is_form(req):
            refuse_many(self._access.attempts.wait_s(req.remote_addr))
            req.context.check_form = partial(self._check_form, req, ring, route)
            return
        if key is None:
            try:
                client = self._known_by_cookie(req, ring, route)
            except Unauthorized:
                if not (route.for_page and req.method == "GET" and is_of_browser(req)):
                    raise
                _send_to(resp, _sign_in_at(req))
                return
        else:
            client = self._access.client_of(req.remote_addr, ring.find(key))
            if by_query and route.for_page:
                self._remember(req, resp, client)
        _let_in(req, client, route)

    def _check_form(self, req: falcon.Request, ring: Keyring, route: Route, key: str | None) -> None:
        if key is None:
            raise Unauthorized(_NO_KEY)
        _let_in(req, self._access.client_of(req.remote_addr, ring.find(key)), route)

    def _remember(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        """Give the browser a cookie, and send it from the page's address with the key to the one without."""
        if req.path == "/" and req.method in {"GET", "HEAD"}:
            self._access.sessions.begin(req, resp, client)
            _send_to(resp, "./")

    def _known_by_cookie(self, req: falcon.Request, ring: Keyring, route: Route) -> Client:
        if route.for_page:
            for cookie in req.get_cookie_values(COOKIE) or ():
                client = self._access.sessions.client(cookie, ring)
                if client is not None:
                    req.context.cookie = cookie
                    return client
        raise Unauthorized(_NO_KEY)


def _send_to(resp: falcon.Response, place: str) -> None:
    resp.status = 303
    resp.set_headers({"Location": place, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    resp.complete = True


def _sign_in_at(req: falcon.Request) -> str:
    """Where a person signs in to come back to this address."""
    here = req.path.lstrip("/") + (f"?{req.query_string}" if req.query_string else "")
    return f"{root_of(req.path)}sign_in?to={quote(here, safe='')}"


def is_of_browser(req: falcon.Request) -> bool:
    """Whether a person's browser asks for a page: programs do not name this type."""
    return "text/html" in (req.get_header("Accept") or "")


def refuse_many(wait_s: int) -> None:
    """Raise TooManyAttempts where an address must wait."""
    if wait_s:
        raise TooManyAttempts("too many wrong keys came from this address within a minute", wait_s)


def _header_key(req: falcon.Request) -> str | None:
    bearer = req.get_header("Authorization") or ""
    if bearer[:7].lower() == "bearer ":
        return _as_utf8(bearer[7:].strip())
    header = req.get_header("X-API-Key")
    return _as_utf8(header) if header else None


def _as_utf8(header: str) -> str:
    """Undo WSGI's reading of header bytes as Latin-1 (PEP 3333)."""
    return header.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
