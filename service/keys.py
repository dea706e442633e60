"""Who may ask: the API key, given in the query, as a Bearer token or in a header."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from service.params import query_values
from workers.errors import Unauthorized

if TYPE_CHECKING:
    import falcon

# what machines ask before they have a key, and /stop, which has a key of its own
_OPEN_PATHS = frozenset({"/ping", "/version", "/livez", "/readyz", "/stop"})


def same_secret(given: str, expected: str) -> bool:
    """Compare two secrets in a time that tells neither their content nor their length."""
    return hmac.compare_digest(_digest(given), _digest(expected))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class KeyCheck:
    """Falcon middleware: refuses requests without the key, before anything else of them is looked at."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def process_request(self, req: falcon.Request, _: falcon.Response) -> None:
        """Let the request pass or raise Unauthorized."""
        if req.path in _OPEN_PATHS:
            return
        given = _given_key(req)
        if given is None:
            raise Unauthorized("this server asks for an API key: api_key=..., Authorization: Bearer ..., or X-API-Key")
        if not same_secret(given, self._api_key):
            raise Unauthorized("the API key is wrong")


def _given_key(req: falcon.Request) -> str | None:
    bearer = req.get_header("Authorization") or ""
    if bearer[:7].lower() == "bearer ":
        return _as_utf8(bearer[7:].strip())
    header = req.get_header("X-API-Key")
    return _as_utf8(header) if header else query_values(req).get("api_key")


def _as_utf8(header: str) -> str:
    """Undo WSGI's reading of header bytes as Latin-1 (PEP 3333)."""
    return header.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
