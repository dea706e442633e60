"""What another site's page could have an operator's browser do is refused; programs are not concerned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import falcon
import falcon.testing
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.cross_site import HostRule, refuse_other_sites
from service.local_client import is_local
from tests.support.contract import speak
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project
from workers.errors import Forbidden

ACTING = [
    ("PUT", "/api/v1/process", {"json": {"process": False}}),
    ("POST", "/api/v1/reload", {}),
    ("POST", "/process", {"data": {"process": "off"}}),
    ("GET", "/stop?key=not-the-real-one", {}),
    ("HEAD", "/stop?key=not-the-real-one", {}),
    ("POST", "/stop?key=not-the-real-one", {}),
    ("POST", "/analyze_image", {"content": b"x"}),
    ("GET", "/analyze_image", {"files": {"file": b"x"}}),
    ("PUT", "/analyze_raw_image?width=8&height=4", {"content": bytes(32)}),
    ("POST", "/analyze_raw_image?width=8&height=4", {"content": bytes(32)}),
    ("POST", "/analyze_image_shared_memory?width=8&height=4&name=psm_00000000", {}),
    ("OPTIONS", "/api/v1/process", {}),
]
ELSEWHERE = [
    {"Origin": "http://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "file://"},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost"},
    {"Origin": "chrome-extension://abc"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://elsewhere.example"},
]


@pytest.mark.parametrize(("method", "path", "more"), ACTING)
def test_another_sites_page_gets_nothing_done(
    server: Server, client: httpx.Client, method: str, path: str, more: dict[str, object]
) -> None:
    for headers in ELSEWHERE:
        answer = client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
        assert answer.status_code == 403, headers
        if method != "HEAD":
            assert "another site" in answer.json()["detail"]
    status = server.status()
    assert (status["process"], status["stopping"], status["reloads"]) == (True, False, 0)


def test_our_own_page_and_programs_do(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    own = str(client.base_url)
    for headers in ({}, {"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert client.put("/api/v1/process", headers=headers, json={"process": True}).status_code == 200
        assert client.post("/analyze_image", headers=headers, content=png(scene)).status_code == 200


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("https://mill.example", "mill.example", True),
        ("https://mill.example", "mill.example:443", True),
        ("http://mill.example", "mill.example:80", True),
        ("http://MILL.example", "mill.example", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://mill.example:8000", "mill.example", False),
        ("http://mill.example.evil", "mill.example", False),
        ("http://mill.example@evil", "mill.example", False),
        ("http://", "", False),
        ("http://mill.example:99999", "mill.example:99999", False),
    ],
)
def test_an_origin_is_ours_if_name_and_port_are(origin: str, host: str, ours: bool) -> None:
    try:
        refuse_other_sites({"HTTP_ORIGIN": origin, "HTTP_HOST": host})
    except Forbidden:
        assert not ours
    else:
        assert ours


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "PATH_INFO"])
def test_no_header_changes_the_path_that_a_proxy_has_seen(server: Server, header: str) -> None:
    request = f"GET /analyze/ping HTTP/1.1\r\nHost: camera\r\n{header}: /analyze\r\nConnection: close\r\n\r\n"
    with speak(server, request.encode()) as connection:
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == 404


FOREIGN = ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "a b.c"]
NO_HOSTS = {"[::1", "a b.c"}
OUR_NAMES = ["", "camera", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000", "localhost", "LOCALHOST:1",
             "localhost.", os.uname().nodename]  # fmt: skip


def _passes(rule: HostRule, host: str) -> bool:
    try:
        rule.check(host)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("host", FOREIGN)
def test_a_page_that_gives_its_own_name_our_address_is_refused_everywhere(client: httpx.Client, host: str) -> None:
    refused = 400 if host in NO_HOSTS else 403
    for path in ("/", "/last_image", "/api/v1/status", "/metrics", "/ping", "/no-such-path"):
        assert client.get(path, headers={"Host": host}).status_code == refused
    assert client.post("/analyze_image", headers={"Host": host}, content=b"x").status_code == refused
    assert client.put("/api/v1/process", headers={"Host": host}, json={"process": False}).status_code == refused
    assert client.get("/api/v1/process").json() == {"process": True}


def test_names_that_nobody_else_can_have_are_ours() -> None:
    rule = HostRule(None, keys_are_set=False)
    assert [host for host in OUR_NAMES if not _passes(rule, host)] == []
    assert [host for host in FOREIGN if _passes(rule, host)] == []


def test_where_a_key_is_asked_for_any_name_will_do_until_names_are_listed() -> None:
    assert all(_passes(HostRule(None, keys_are_set=True), host) for host in [*OUR_NAMES, *FOREIGN])
    rule = HostRule(("mill.example",), keys_are_set=True)
    assert _passes(rule, "mill.example:8000")
    assert _passes(rule, "10.0.0.7")
    assert not any(_passes(rule, host) for host in [*FOREIGN, "camera"])
    assert _passes(HostRule(("*",), keys_are_set=False), "evil.example")


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = {"FRAMEMILL_ALLOWED_HOSTS": "mill.example, other.example"}
    with serving(write_project(tmp_path_factory.mktemp("named") / "p"), env=env) as server:
        yield server


def test_the_setting_lists_names(named: Server) -> None:
    with named.client() as client:
        for host, status in (("mill.example", 200), ("OTHER.example:80", 200), ("evil.example", 403), ("camera", 403)):
            assert client.get("/api/v1/status", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_a_proxy_hands_on_does_not_stop_the_server(server: Server, client: httpx.Client, header: str) -> None:
    answer = client.get("/stop?key=not-the-real-one", headers={header: "10.0.0.9"})
    assert answer.status_code == 403
    assert "stop_from_anywhere" in answer.json()["detail"]
    assert server.status()["stopping"] is False


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.9", False),
     ("::ffff:10.0.0.9", False), ("fe80::1%eth0", False), ("192.0.2.2", False), ("", False)],
)  # fmt: skip
def test_stop_is_for_this_machine_only(address: str, local: bool) -> None:
    environ = falcon.testing.create_environ("/stop", remote_addr="0")
    environ["REMOTE_ADDR"] = address
    assert is_local(environ) is local


@pytest.mark.long
def test_stop_from_anywhere_is_a_setting(tmp_path: Path) -> None:
    env = {"FRAMEMILL_STOP_FROM_ANYWHERE": "true", "FRAMEMILL_STOP_KEY": "k"}
    with serving(write_project(tmp_path / "p"), env=env) as server, server.client() as client:
        assert client.get("/stop?key=k", headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 200
        assert server.process.wait(60) == 0
