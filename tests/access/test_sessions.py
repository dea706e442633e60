"""The page's cookie cannot be made, changed or kept by who was not given it."""

from __future__ import annotations

from pathlib import Path

import falcon
import falcon.testing
import pytest

from service.access.heirloom import Heirloom
from service.access.keyring import Client, Keyring, Scope, digest_of
from service.access.sessions import COOKIE, Sessions, session_of

VISITOR = Client("visitor", Scope.OPERATE, digest_of("one"))
OTHER = Client("other", Scope.ADMIN, digest_of("two"))
RING = Keyring([VISITOR, OTHER])


def _sessions(tmp_path: Path) -> Sessions:
    return Sessions(Heirloom.create().secret, tmp_path, secure=False)


def _cookie(sessions: Sessions, client: Client = VISITOR) -> str:
    resp = falcon.Response()
    sessions.begin(falcon.testing.create_req(headers={"User-Agent": "a browser"}), resp, client)
    header = next(value for name, value in resp._wsgi_headers() if name == "set-cookie")
    return header.partition(";")[0].removeprefix(f"{COOKIE}=").strip('"')


def test_a_cookie_brings_back_its_client(tmp_path: Path) -> None:
    sessions = _sessions(tmp_path)
    assert sessions.client(_cookie(sessions), RING) is VISITOR
    assert sessions.client(_cookie(sessions, OTHER), RING) is OTHER


def test_no_two_servers_take_each_others(tmp_path: Path) -> None:
    assert _sessions(tmp_path).client(_cookie(_sessions(tmp_path)), RING) is None


def test_it_ends_with_the_key(tmp_path: Path) -> None:
    sessions = _sessions(tmp_path)
    cookie = _cookie(sessions)
    assert sessions.client(cookie, Keyring([OTHER])) is None
    assert sessions.client(cookie, Keyring([Client("visitor", Scope.ADMIN, digest_of("new"))])) is None


def test_it_ends_with_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = _sessions(tmp_path)
    monkeypatch.setattr("service.access.sessions.time.monotonic", lambda: 1000.0)
    cookie = _cookie(sessions)
    monkeypatch.setattr("service.access.sessions.time.monotonic", lambda: 1000.0 + 12 * 3600 + 1)
    assert sessions.client(cookie, RING) is None


def test_whatever_else_is_shown_is_nobody(tmp_path: Path) -> None:
    sessions = _sessions(tmp_path)
    name, until, session, mac = _cookie(sessions).split(".")
    rest = f"{until}.{session}"
    forged = ["", ".", "..", "...", "visitor", "visitor..", f"other.{rest}.{mac}", f"{name}.{until}.{mac}",
              f"{name}.{int(until) + 1}.{session}.{mac}", f"{name}.{rest}.{mac[:-1]}", f"{name}.{rest}.",
              f"{name}.\u0661.{session}.{mac}", f"{name}.{'9' * 400}.{session}.{mac}", f"{name}.{rest}.\xe9",
              f"{name}.-1.{session}.{mac}", f"{name}.{rest}.{mac}.x", f"{name}.{until}.{'0' * 16}.{mac}",
              f"{name}.{until}.../{session}.{mac}"]  # fmt: skip
    assert [cookie for cookie in forged if sessions.client(cookie, RING) is not None] == []


def test_one_that_is_ended_is_ended_for_all_who_share_the_folder(tmp_path: Path) -> None:
    heirloom = Heirloom.create()
    here, there = (Sessions(heirloom.secret, tmp_path, secure=False) for _ in range(2))
    cookies = [_cookie(here) for _ in range(3)]
    assert all(there.client(cookie, RING) is VISITOR for cookie in cookies)
    assert {session.id for session in there.open.all()} == set(map(session_of, cookies))
    [session] = [one for one in there.open.all() if one.id == session_of(cookies[1])]
    assert (session.who, session.agent) == ("visitor", "a browser")
    assert there.open.end(session.id)
    assert not there.open.end(session.id)
    assert [here.client(cookie, RING) for cookie in cookies] == [VISITOR, None, VISITOR]
    here.end(falcon.Response(), cookies[0], RING)
    assert [there.client(cookie, RING) for cookie in cookies] == [None, None, VISITOR]
    assert not there.open.end("../key_file")


def test_those_of_another_server_are_tidied_away_and_one_client_has_only_so_many(tmp_path: Path) -> None:
    _cookie(_sessions(tmp_path))
    sessions = _sessions(tmp_path)
    assert sessions.open.all() == []
    assert [*(tmp_path / "sessions").iterdir()] == []
    cookies = [_cookie(sessions) for _ in range(60)]
    assert len(sessions.open.all()) == 50
    assert sessions.client(cookies[-1], RING) is VISITOR


def test_without_a_folder_it_ends_with_its_time_as_ever(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("no folder")
    sessions = _sessions(tmp_path)
    cookie = _cookie(sessions)
    assert sessions.client(cookie, RING) is VISITOR
    assert sessions.open.all() == []
