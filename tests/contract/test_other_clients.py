"""The forms of other public clients: requests, curl, C# without a content type, and clients that speak TLS."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from tests.support.pictures import decoded, png
from tests.support.running import Server, serving, write_project

RAW = "/analyze_raw_image?width=64&height=48"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_requests_without_a_content_type(
    server: Server, session: requests.Session, scene: NDArray[np.uint8], method: str
) -> None:
    answer = session.request(method, server.url + RAW, data=scene.tobytes())
    assert "Content-Type" not in answer.request.headers
    assert answer.json()["seen"]["sum"] == int(scene.sum())


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_requests_with_a_form(server: Server, session: requests.Session, scene: NDArray[np.uint8], method: str) -> None:
    answer = session.request(method, f"{server.url}/analyze_image", files={"file": png(scene)})
    assert answer.json()["seen"]["sum"] == int(scene.sum())


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_requests_with_fields_beside_the_file(
    server: Server, session: requests.Session, scene: NDArray[np.uint8], method: str
) -> None:
    answer = session.request(
        method,
        f"{server.url}/analyze_image",
        files={"file": ("díl.png", png(scene), "image/png")},
        data={"data": "díl 7", "response_type": "image", "context_in_body": "1"},
    )
    length = int(answer.headers["ImageLen"])
    np.testing.assert_array_equal(decoded(answer.content[:length]), scene)
    assert json.loads(answer.content[length:])["seen"]["data"] == "díl 7"


def test_curl_with_a_coded_part_is_told_so(server: Server, scene: NDArray[np.uint8], tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_bytes(png(scene))
    for encoder in ("base64", "quoted-printable"):
        form = f"file=@{tmp_path / 'frame.png'};encoder={encoder}"
        answer = json.loads(_curl("-F", form, f"{server.url}/analyze_image"))
        assert (answer["status"], answer["code"]) == (415, "body_unsupported")


def test_a_client_that_names_a_form_type_for_raw_bytes(server: Server, scene: NDArray[np.uint8]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", RAW, body=scene.tobytes(), headers=headers)
    assert json.loads(connection.getresponse().read())["seen"]["sum"] == int(scene.sum())
    connection.close()


def _curl(*arguments: str, body: bytes | None = None) -> bytes:
    assert shutil.which("curl"), "curl is needed: apt-get install curl"
    done = subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], input=body, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize(
    "form",
    [["-T", "FILE"], ["-T", "-"], ["--data-binary", "@FILE"],
     ["-F", "array=@FILE", "-F", "width=64", "-F", "height=48"],
     ["--data-binary", "@FILE", "-H", "Expect: 100-continue"], ["--http1.0", "--data-binary", "@FILE"],
     ["-H", "Transfer-Encoding: chunked", "--data-binary", "@FILE"],
     ["-F", "array=@FILE;encoder=8bit;filename=Gr\udcf6\udcdfe.raw", "-F", "width=64", "-F", "height=48"],
     ["-H", "Transfer-Encoding: chunked", "-F", "width=64;encoder=7bit", "-F", "height=48", "-F",
      "array=@FILE;type=application/octet-stream;encoder=binary"]],
    ids=["put", "put chunked", "post", "form", "expect", "http 1.0", "post chunked", "form 8bit", "form chunked"],
)  # fmt: skip
def test_curl(server: Server, scene: NDArray[np.uint8], tmp_path: Path, form: list[str]) -> None:
    (tmp_path / "frame.raw").write_bytes(scene.tobytes())
    arguments = [part.replace("FILE", str(tmp_path / "frame.raw")) for part in form]
    path = "/analyze_raw_image" if "-F" in form else RAW
    answer = _curl(*arguments, server.url + path, body=scene.tobytes())
    assert json.loads(answer)["seen"]["sum"] == int(scene.sum())


def test_curl_sends_head_to_ping(server: Server) -> None:
    assert _curl("-I", f"{server.url}/ping").startswith(b"HTTP/1.1 200")


def test_one_connection_serves_many_frames_whatever_happens_in_between(
    server: Server, scene: NDArray[np.uint8]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for number in range(40):
        if number % 4 == 1:
            connection.request("POST", "/analyze_image", body=b"no image")
        elif number % 4 == 2:
            connection.request("POST", RAW + "&bayer=x", body=b"")
        else:
            connection.request("POST", RAW, body=scene.tobytes())
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == {1: 415, 2: 400}.get(number % 4, 200)
        assert body["error"] is (number % 4 in {1, 2})
    connection.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    env = {"FRAMEMILL_CERTFILE": str(certificate), "FRAMEMILL_KEYFILE": str(key)}
    with serving(write_project(folder / "p"), env=env) as server:
        assert server.url.startswith("https://")
        yield server, ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize("kind", ["context", "image"])
def test_frames_and_pictures_go_over_tls(
    tls: tuple[Server, ssl.SSLContext], scene: NDArray[np.uint8], kind: str
) -> None:
    server, context = tls
    large = np.tile(scene, (20, 20, 1))
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    path = f"/analyze_raw_image?width={large.shape[1]}&height={large.shape[0]}&response_type={kind}&context_in_body"
    for _ in range(3):
        connection.request("POST", path, body=large.tobytes())
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        length = int(answer.headers.get("ImageLen", 0))
        assert json.loads(body[length:])["imageShape"] == {"height": large.shape[0], "width": large.shape[1]}
        if kind == "image":
            np.testing.assert_array_equal(decoded(body[:length]), large)
    connection.close()


def test_a_body_over_tls_that_ends_early_is_never_analysed(tls: tuple[Server, ssl.SSLContext]) -> None:
    server, context = tls
    head = f"POST {RAW} HTTP/1.1\r\nHost: camera\r\nContent-Length: 9216\r\n\r\n".encode()
    with (
        socket.create_connection(("127.0.0.1", server.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(head + bytes(5000))
    after = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
    after.request("GET", "/api/v1/status")
    status = json.loads(after.getresponse().read())
    after.close()
    assert status["workers"]["deaths"] == 0
    assert status["slots"]["free_here"] >= status["slots"]["per_front"]


@pytest.mark.long
def test_tls_clients_that_never_finish_their_handshake_are_sent_away(
    tls: tuple[Server, ssl.SSLContext], scene: NDArray[np.uint8]
) -> None:
    server, context = tls
    slow = [socket.create_connection(("127.0.0.1", server.port), 60) for _ in range(300)]  # more than threads
    for number, connection in enumerate(slow):
        if number % 3:
            connection.sendall(b"\x16\x03\x01"[: number % 3])
    good = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
    good.request("POST", RAW, body=scene.tobytes())
    assert good.getresponse().status == 200
    good.close()
    for connection in slow:
        with connection, suppress(ConnectionResetError):
            while connection.recv(4096):
                pass
