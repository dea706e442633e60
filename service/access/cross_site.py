"""What a web page of another site could make an operator's browser do, and is refused.

Two ways lead from a hostile page to a server in the same network: it sends requests across sites, or it has its own
name point to the server's address (DNS rebinding) and is then of the same site. Against the first the headers `Origin`
and `Sec-Fetch-Site` are compared, which browsers set and pages cannot, as in Go's net/http.CrossOriginProtection, only
that both must agree; against the second the name in `Host` must be one of ours. Other clients send neither header.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from service.local_client import address_in
from workers.errors import Forbidden

_DEFAULT_PORTS = {"http": 80, "https": 443}


def refuse_other_sites(env: Mapping[str, Any]) -> None:
    """Raise Forbidden where a browser sends this for a page that is not ours."""
    site, origin = env.get("HTTP_SEC_FETCH_SITE"), env.get("HTTP_ORIGIN")
    if site is None and origin is None:
        return
    if site not in {None, "same-origin", "none"} or (origin is not None and not _is_ours(origin, env)):
        raise Forbidden("this can be asked for by this server's own page and by programs, not by another site's page")


def _is_ours(origin: str, env: Mapping[str, Any]) -> bool:
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{env.get('HTTP_HOST', '')}")
        default = _DEFAULT_PORTS.get(theirs.scheme)
        same_port = default is not None and (theirs.port or default) == (ours.port or default)
    except ValueError:
        return False
    return same_port and theirs.hostname is not None and theirs.hostname == ours.hostname


class HostRule:
    """Which names in `Host` are ours.

    An address is always: a rebinding page needs a name. Without `allowed`, and where a key is asked for, so is every
    name: such a page has no key. Without either, a name must be one that nobody on the internet can have: without a
    dot, or this machine's own.
    """

    def __init__(self, allowed: Collection[str] | None, *, keys_are_set: bool) -> None:
        own = os.uname().nodename.lower()
        self._names = {name.lower() for name in allowed or ()} | {"localhost", own, f"{own.partition('.')[0]}.local"}
        self._any = "*" in self._names or (allowed is None and keys_are_set)
        self._short = allowed is None
        self.check = functools.lru_cache(256)(self._check)

    def _check(self, host: str) -> None:
        """Raise Forbidden where `host`, the header with or without a port, is not ours."""
        if self._any or not host:
            return
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            name = ""
        if name in self._names or address_in(name) is not None or (self._short and name and "." not in name):
            return
        raise Forbidden("the Host that was asked for is no name of this server; the setting allowed_hosts lists them")
