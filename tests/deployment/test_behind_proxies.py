"""Behind HAProxy and nginx, set up as deploy/ shows: both ends see the same requests, and no answer becomes a 502."""

from __future__ import annotations

import base64
import http.client
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests

from tests.clients.raw_http import Answer, Connection, frame_request
from tests.deployment.proxies import Proxy, in_front
from tests.support.faults import until
from tests.support.noting import Noting
from tests.wire.malformed import CASES

_GOODBYE = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
_LOG_S = 5.0
_VALID = [case for case in CASES if 200 in case.statuses]
_BROKEN_OFF = (-1, 499)
_PICTURE = "/analyze_raw_image?width=4&height=1&pixel_format=Mono8&response_type=image"


@pytest.fixture(params=["haproxy", "nginx"], scope="module")
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, noting: Noting) -> Iterator[Proxy]:
    with in_front(request.param, tmp_path_factory.mktemp(request.param), noting.server.port) as running:
        yield running


def _send(port: int, data: bytes, silence_s: float) -> list[Answer]:
    """Send `data`, wait for answers until none comes for a while, and end; returns them all."""
    answers: list[Answer] = []
    with Connection(port) as client:
        client.send(data)
        client.sock.settimeout(silence_s)
        try:
            while (answer := client.answer()) is not None:
                answers.append(answer)
        except (TimeoutError, AssertionError, ValueError):
            client.reset()
    return answers


def _difference(proxy: Proxy, noting: Noting, data: bytes, silence_s: float) -> str | None:
    """Send through the proxy; None where it let pass as many frames as were inspected, else what differs."""
    lines, place = len(proxy.log), noting.noted_bytes
    _send(proxy.port, data, silence_s)
    last = f"/after-{lines}"
    goodbye = f"GET {last} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    assert [answer.status for answer in _send(proxy.port, frame_request("after") + goodbye, 30)] == [200, 404]
    until(lambda: any(last in line for line in proxy.log[lines:]))
    inspected = len(noting.since(place))
    # the proxy writes its log when a request is over, and for one that was broken off that may be later
    give_up = time.monotonic() + _LOG_S
    while not _agree(proxy.statuses(lines), inspected):
        if time.monotonic() > give_up:
            return f"passed: {proxy.log[lines:]}, inspected: {noting.since(place)}, sent: {data[:500]!r}"
    return None


def _agree(passed: list[int], inspected: int) -> bool:
    """A request that its client broke off may have reached the origin or not."""
    whole = passed.count(200)
    return whole <= inspected <= whole + sum(map(passed.count, _BROKEN_OFF))


@pytest.mark.long
def test_proxy_and_origin_agree_on_every_odd_request(proxy: Proxy, noting: Noting) -> None:
    sent = [case.request if case.ends else case.request + _GOODBYE for case in CASES]
    found = [_difference(proxy, noting, request, 0.03) for request in sent]
    assert [difference for difference in found if difference] == []


def _mutant(dice: random.Random) -> bytes:
    """A case of the table with a few bytes changed, dropped, doubled or taken from another, and a request behind it."""
    data = bytearray(dice.choice(dice.choice([CASES, _VALID])).request[:2000])
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        at = dice.randrange(len(data) + 1)
        other = dice.choice(CASES).request[:2000]
        start = dice.randrange(len(other))
        data[at : at + dice.choice([0, 1, 1, 5])] = dice.choice(
            [b"", bytes([dice.randrange(256)]), b"\r\n", b" ", b"\t", b"0", b"4", b",", other[start : start + 40]]
        )
    return bytes(data) + _GOODBYE


def _disagreements(proxy: Proxy, noting: Noting, seed: int, mutants: int) -> list[str]:
    dice = random.Random(seed)
    found = [_difference(proxy, noting, _mutant(dice), 0.05) for _ in range(mutants)]
    return [difference for difference in found if difference]


def test_proxy_and_origin_agree_on_mutated_requests(proxy: Proxy, noting: Noting) -> None:
    assert _disagreements(proxy, noting, 1, 150) == []


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_proxy_and_origin_agree_on_50_000_mutated_requests(proxy: Proxy, noting: Noting) -> None:
    assert _disagreements(proxy, noting, 2, 50_000) == []


@pytest.mark.parametrize("size", [1_000, 4_000, 15_000, 30_000, 48_000, 65_000, 200_000, 2_000_000])
def test_a_context_in_headers_never_becomes_a_bad_gateway(proxy: Proxy, size: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    connection.request("POST", f"{_PICTURE}&data=context-bytes-{size}", body=b"abcd")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status == 200:
        assert len(json.loads(base64.b64decode(answer.headers["ContextBase64utf"]))["long"]) == size
    else:
        _is_too_large(answer.status, body, size, 40_000)
    connection.request("POST", f"{_PICTURE}&context_in_body=1&data=context-bytes-{size}", body=b"abcd")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status == 200:
        assert len(json.loads(body[int(answer.headers["ImageLen"]) :])["long"]) == size
    else:
        _is_too_large(answer.status, body, size, 1_000_000)
    connection.close()


def _is_too_large(status: int, body: bytes, size: int, least: int) -> None:
    """An error of the server's own, and rightly."""
    assert status == 500
    assert json.loads(body)["code"].startswith("context_")
    assert size > least


@pytest.mark.parametrize("path", ["/stop?key=x", "/%73top?key=x", "/analyze_image_shared_memory?name=psm_01234567"])
def test_what_is_for_this_host_alone_does_not_pass(proxy: Proxy, path: str) -> None:
    (answer,) = _send(proxy.port, f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(), 30)
    assert answer.status == 403
    assert b"application/problem+json" not in answer.head


def test_no_query_stands_in_the_log(proxy: Proxy) -> None:
    lines = len(proxy.log)
    _send(proxy.port, frame_request("a-secret", b"abcd", "Connection: close"), 30)
    until(lambda: proxy.statuses(lines))
    assert "a-secret" not in "".join(proxy.log)


def test_a_large_upload_that_is_refused_early_gets_its_answer(proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{proxy.port}/analyze_raw_image?width=4&height=1"
    assert requests.post(url, data=bytes(20 << 20), timeout=60).status_code == 400


def _frame(client: httpx.Client) -> dict[str, Any]:
    answer = client.post("/analyze_raw_image?width=4&height=1", content=b"abcd")
    assert answer.status_code == 200, answer.text
    context: dict[str, Any] = answer.json()
    return context


def test_with_the_process_switch_off_people_probes_and_frames_are_answered_by_the_server(proxy: Proxy) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=60) as client:
        try:
            assert client.put("/api/v1/process", json={"process": False}).json() == {"process": False}
            for _ in range(20):  # also until the proxy has noticed
                assert _frame(client)["processing"] is False
            if proxy.name == "haproxy":
                until(lambda: any("inspecting/one is DOWN" in line for line in proxy.log))
            for _ in range(20):
                assert _frame(client)["processing"] is False
            assert "Switch process on" in client.get("/").text
            assert client.get("/livez").status_code == 200
            assert client.get("/metrics").status_code == 200
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["reasons"]) == (503, ["the Process switch is off"])
        finally:
            assert client.put("/api/v1/process", json={"process": True}).json() == {"process": True}
        until(lambda: _frame(client)["processing"])
