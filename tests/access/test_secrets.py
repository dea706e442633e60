"""Keys are in no log and in no answer, whatever form they came in; and nothing but the HTTP port can be spoken to."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.keyring import digest_of
from tests.clients.guests import add_key
from tests.support.faults import children_of
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

SINGLE = "single-key-that-is-long-enough-for-anyone"
STOP = "stop-key-that-nobody-may-see"
WRONG = "wrong-key-that-may-be-right-elsewhere"


class Guarded(NamedTuple):
    server: Server
    folder: Path
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("secrets")
    home = folder / "home"
    home.mkdir()
    key = add_key("camera", "admin", folder / "keys.toml")
    (folder / "single").write_text(SINGLE)
    arguments = ("--keys-file", str(folder / "keys.toml"), "--api-key-file", str(folder / "single"))
    project = write_project(folder / "p", f'[server]\nstop_key = "{STOP}"\n')
    env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home)}
    with serving(project, *arguments, env=env) as server:
        digests = [digest_of(one).hex() for one in (key, SINGLE, STOP)]
        yield Guarded(server, folder, (key, SINGLE, STOP, WRONG, *digests))


def _plain_forms(key: str) -> Iterator[bytes]:
    """Requests as HTTP wants them, with `key` in each place where a client may put it."""
    every = "".join(f"%{byte:02x}" for byte in key.encode())
    for path in ("/", "/process", "/last_image", "/api/v1/status", "/metrics", "/analyze_image", "/nowhere", "/ping"):
        for query in (f"api_key={key}", f"api_key={every}", f"api_key={key}&api_key={key}", f"width={key}",
                      f"api_key={key}&width=x&response_type=x", f"key={key}"):  # fmt: skip
            for method in ("GET", "POST", "PUT", "DELETE"):
                yield _request(method, f"{path}?{query}")
        for header in (f"Authorization: Bearer {key}", f"X-API-Key: {key}", f"X-API-Key: {key}\r\nX-API-Key: {key}",
                       f"Authorization: Basic {base64.b64encode(key.encode()).decode()}", f"Authorization: {key}",
                       f"Cookie: framemill={key}", f"Cookie: framemill=camera.{key}.{key}", f"Origin: http://{key}",
                       f"Referer: http://camera/?api_key={key}"):  # fmt: skip
            yield _request("GET", path, header)
            yield _request("POST", path, header)


def _request(method: str, target: str, *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: camera", "Content-Length: 0", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def _malformed_forms(key: str) -> Iterator[bytes]:
    """Requests that no parser takes, with `key` where the mistake is."""
    target, end = f"/analyze_image?api_key={key}", "\r\nHost: camera\r\n\r\n"
    for line in (f"GET {target}", f"GET {target} HTTP/9.9", f"G@T {target} HTTP/1.1", f"{key} / HTTP/1.1",
                 f"get {target} HTTP/1.1", f"GET  {target} HTTP/1.1", f"GET {target} HTTPS/1.1",
                 f"GET {target} x HTTP/1.1", f"GET {target}{'x' * 9000} HTTP/1.1",
                 f"GET {target}\0 HTTP/1.1"):  # fmt: skip
        yield (line + end).encode()
    for header in (f"X-API-Key {key}", f"X API-Key: {key}", f"X-API-Key : {key}", f"X-API-Key: {key}\0", f"{key}: x",
                   f"X-API-Key: a\r\n {key}", f"Transfer-Encoding: {key}", f"Expect: {key}", f"Content-Length: {key}",
                   f"Content-Length: 1\r\nContent-Length: {key}", f"Host: {key}\r\nHost: {key}", f"{key}({key}): x",
                   f"X-API-Key: {key}{'x' * 70_000}", "\r\n".join(f"X-{n}: {key}" for n in range(300))):  # fmt: skip
        yield f"POST {target} HTTP/1.1\r\n{header}{end}".encode()


def _said(server: Server, request: bytes) -> str:
    """Everything that comes back until the server closes, or has nothing more to say."""
    with socket.create_connection(("127.0.0.1", server.port), 30) as line:
        said = b""
        try:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            while part := line.recv(65536):
                said += part
        except OSError:
            pass
        return said.decode("utf-8", "replace")


def test_no_key_in_any_form_is_in_a_log_or_an_answer(guarded: Guarded, scene: NDArray[np.uint8]) -> None:
    server, _, secrets = guarded
    said: list[str] = []
    for key in (secrets[0], SINGLE, WRONG):
        for form in (_plain_forms, _malformed_forms):
            said += [_said(server, request) for request in form(key)]
        with server.client() as client:
            answer = client.post("/analyze_image", params={"api_key": key}, content=png(scene))
            said += [answer.text, str(answer.headers), client.get("/", params={"api_key": key}).text]
    said += [_said(server, _request("GET", f"/stop?key={WRONG}", f"X-Forwarded-For: {STOP}"))]
    assert len([one for one in said if one.startswith("HTTP/1.")]) > 800
    everything = "".join([*said, *server.log])
    for secret in secrets:
        for written in {secret, quote(secret), base64.b64encode(secret.encode()).decode()}:
            assert written not in everything, everything[max(0, everything.index(written) - 300) :][:600]


def test_keys_are_in_no_file_no_environment_and_on_no_command_line(guarded: Guarded) -> None:
    server, folder, secrets = guarded
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in {"single", "keys.toml", "framemill.toml"}:
            assert not any(secret.encode() in path.read_bytes() for secret in secrets), path
    assert secrets[0] not in (folder / "keys.toml").read_text()
    for pid in _family(server.process.pid)[1:]:
        for table in ("environ", "cmdline"):
            found = Path(f"/proc/{pid}/{table}").read_bytes()
            assert not any(secret.encode() in found for secret in secrets), (pid, table)


def _family(pid: int) -> list[int]:
    return [pid, *(one for child in children_of(pid) for one in _family(child))]


def test_no_socket_is_open_beside_the_http_port_and_that_of_results_for_our_user(guarded: Guarded) -> None:
    sockets: set[str] = set()
    for pid in _family(guarded.server.process.pid):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            target = str(fd.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    listening = []
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, _, _, inode, *path = line.split()
        # 0x10000 is __SO_ACCEPTCON: somebody could connect; a path would be a file that they could open
        if inode in sockets and (path or int(flags, 16) & 0x10000):
            listening.append("".join(path))
    assert [re.sub(r".*/(results\.sock)\.\d+$", r"\1", path) for path in listening] == ["results.sock"]
    (door,) = guarded.folder.rglob("results.sock")
    assert (door.stat().st_mode & 0o777, door.stat().st_uid) == (0o600, os.geteuid())
    ports = {line.split()[1] for table in ("tcp", "tcp6", "udp", "udp6") for line in
             Path(f"/proc/net/{table}").read_text().splitlines()[1:]
             if line.split()[9] in sockets and line.split()[3] in {"0A", "07"}}  # fmt: skip
    assert ports == {f"0100007F:{guarded.server.port:04X}"}
    # the copy of the project lies in the folder for temporary files, which nobody else may look into
    left = list((guarded.folder / "home").iterdir())
    assert [path for path in left if not path.name.startswith("framemill-versions-")] == []
    assert {path.stat().st_mode & 0o777 for path in left} == {0o700}
