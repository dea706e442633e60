"""With a key set, nobody without it gets a frame analysed, a picture, a switch or the page; and it is in no log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clients.guests import client_from
from tests.clients.raw_http import Connection
from tests.support.faults import FRAME, GIVE_UP_S, RAW, children_of, faulty
from tests.support.pictures import png
from tests.support.running import Server, serving, start_command, write_project

KEY = "s3cret-key-ěšč"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "key").write_text(f"{KEY}\nthis line is a comment\n")
    with serving(write_project(folder / "p"), "--api-key-file", str(folder / "key")) as server:
        yield server


GUARDED = ["/analyze_image", "/analyze_raw_image", "/analyze_image_shared_memory", "/last_image", "/", "/metrics",
           "/api/v1/status", "/api/v1/process", "/api/v1/reload", "/no-such-path"]  # fmt: skip
OPEN = ["/ping", "/version", "/livez", "/readyz"]


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_without_the_key_everything_else_is_unauthorized(guarded: Server, path: str, method: str) -> None:
    with guarded.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 401
    assert answer.json()["error"] is True
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN)
def test_machines_may_ask_how_the_server_is_without_a_key(guarded: Server, path: str) -> None:
    with guarded.client() as client:
        assert client.get(path).status_code == 200


def _ways(key: str) -> list[tuple[dict[str, str], dict[bytes, bytes]]]:
    return [
        ({"api_key": key}, {}),
        ({}, {b"Authorization": b"Bearer " + key.encode()}),
        ({}, {b"Authorization": b"bearer " + key.encode()}),
        ({}, {b"X-API-Key": key.encode()}),
    ]


@pytest.mark.parametrize("way", range(4))
def test_the_key_is_accepted_in_each_of_its_places(guarded: Server, scene: NDArray[np.uint8], way: int) -> None:
    query, headers = _ways(KEY)[way]
    with httpx.Client(base_url=guarded.url) as client:
        answer = client.post("/analyze_image", params=query, headers=headers, content=png(scene))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize("wrong", ["-", KEY[:-1], KEY + "x", KEY.upper(), "\xff" * 20, "x" * 4000])
def test_any_other_key_is_refused(guarded: Server, scene: NDArray[np.uint8], way: int, wrong: str) -> None:
    query, headers = _ways(wrong)[way]
    with client_from(f"127.0.1.{way + 1}", guarded) as client:
        answer = client.post("/analyze_image", params=query, headers=headers, content=png(scene))
    assert answer.status_code == 401


_LARGE = 6 << 20


def _only_the_head(server: Server, key: str) -> int:
    """Announce a large frame, send nothing of it, and return the status of the answer; 0 where none comes."""
    head = f"POST /analyze_image HTTP/1.1\r\nHost: camera\r\nX-API-Key: {key}\r\nContent-Length: {_LARGE}\r\n\r\n"
    with Connection(server.port, source="127.0.1.9") as camera:
        camera.send(head.encode())
        camera.sock.settimeout(0.2 if key == "right" else GIVE_UP_S)
        try:
            answer = camera.answer()
        except TimeoutError:
            return 0
        assert answer is not None
        return answer.status


@pytest.mark.long
def test_a_wrong_key_is_refused_before_the_frame_is_sent_and_takes_no_slot(tmp_path: Path) -> None:
    env = {"FRAMEMILL_API_KEY": "right", "FRAMEMILL_SLOTS": "2", "FRAMEMILL_QUEUE_MS": "50"}
    with (
        serving(faulty(tmp_path / "p"), env=env) as server,
        ThreadPoolExecutor() as cameras,
        server.client(**{"X-API-Key": "right"}) as client,
    ):
        assert _only_the_head(server, "right") == 0  # its body is waited for
        gate = server.project / "data" / "go"
        try:
            while client.get("/api/v1/status").json()["slots"]["free_here"]:
                cameras.submit(client.post, f"{RAW}&data=wait:go", content=FRAME)
            assert client.post(RAW, content=FRAME).status_code == 429
            assert [_only_the_head(server, "wrong") for _ in range(5)] == [401] * 5
        finally:
            gate.touch()


def test_the_key_is_in_no_log_and_in_no_error(guarded: Server) -> None:
    with guarded.client() as client:
        said = [
            client.post("/analyze_image", params={"api_key": KEY}, content=b"no image").text,
            client.post("/analyze_raw_image", params={"api_key": KEY, "width": "x", "height": "y"}).text,
            client.get("/nowhere", params={"api_key": KEY}).text,
            client.post("/analyze_image", params=[("api_key", KEY), ("api_key", KEY)]).text,
        ]
    assert not any(KEY in text for text in [*said, *guarded.log])


def test_the_key_is_in_no_environment_and_on_no_command_line(guarded: Server) -> None:
    found = children_of(guarded.process.pid)
    found += [child for pid in found for child in children_of(pid)]
    assert len(found) >= 4
    for pid in [guarded.process.pid, *found]:
        for table in ("environ", "cmdline"):
            assert KEY.encode() not in Path(f"/proc/{pid}/{table}").read_bytes()


def test_without_a_key_set_nothing_asks_for_one(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    assert client.post("/analyze_image?api_key=whatever", content=png(scene)).status_code == 200


@pytest.mark.parametrize("content", [None, "", "\nsecond line\n"])
def test_a_key_file_without_a_key_stops_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    command = start_command(write_project(tmp_path / "p"), "--api-key-file", str(tmp_path / "key"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert "api_key_file" in done.stderr


def test_the_key_may_come_as_a_systemd_credential(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "framemill.api_key").write_text("from-systemd\n")
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    with serving(write_project(tmp_path / "p"), env=env) as server, server.client() as client:
        assert client.post("/analyze_image", content=png(scene)).status_code == 401
        assert client.post("/analyze_image?api_key=from-systemd", content=png(scene)).status_code == 200
