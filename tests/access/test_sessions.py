"""The page's cookie cannot be made, changed or kept by who was not given it."""

from __future__ import annotations

import falcon
import pytest

from service.access.heirloom import Heirloom
from service.access.keyring import Client, Keyring, Scope, digest_of
from service.access.sessions import COOKIE, Sessions

VISITOR = Client("visitor", Scope.OPERATE, digest_of("one"))
OTHER = Client("other", Scope.ADMIN, digest_of("two"))
RING = Keyring([VISITOR, OTHER])


def _sessions() -> Sessions:
    return Sessions(Heirloom.create().secret, secure=False)


def _cookie(sessions: Sessions, client: Client = VISITOR) -> str:
    resp = falcon.Response()
    sessions.open(resp, client)
    header = next(value for name, value in resp._wsgi_headers() if name == "set-cookie")
    return header.partition(";")[0].removeprefix(f"{COOKIE}=").strip('"')


def test_a_cookie_brings_back_its_client() -> None:
    sessions = _sessions()
    assert sessions.client(_cookie(sessions), RING) is VISITOR
    assert sessions.client(_cookie(sessions, OTHER), RING) is OTHER


def test_no_two_servers_take_each_others() -> None:
    assert _sessions().client(_cookie(_sessions()), RING) is None


def test_it_ends_with_the_key() -> None:
    sessions = _sessions()
    cookie = _cookie(sessions)
    assert sessions.client(cookie, Keyring([OTHER])) is None
    assert sessions.client(cookie, Keyring([Client("visitor", Scope.ADMIN, digest_of("new"))])) is None


def test_it_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = _sessions()
    monkeypatch.setattr("service.access.sessions.time.monotonic", lambda: 1000.0)
    cookie = _cookie(sessions)
    monkeypatch.setattr("service.access.sessions.time.monotonic", lambda: 1000.0 + 12 * 3600 + 1)
    assert sessions.client(cookie, RING) is None


def test_whatever_else_is_shown_is_nobody() -> None:
    sessions = _sessions()
    name, until, mac = _cookie(sessions).split(".")
    forged = ["", ".", "..", "visitor", "visitor..", f"other.{until}.{mac}", f"{name}.{int(until) + 1}.{mac}",
              f"{name}.{until}.{mac[:-1]}", f"{name}.{until}.", f"{name}.\u0661.{mac}", f"{name}.{'9' * 400}.{mac}",
              f"{name}.{until}.\xe9", f"{name}.-1.{mac}", f"{name}.{until}.{mac}.x"]  # fmt: skip
    assert [cookie for cookie in forged if sessions.client(cookie, RING) is not None] == []
