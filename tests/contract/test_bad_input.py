"""Bad input gets a clear error with the right status, in the form that every client can parse, and harms nobody."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.pictures import png, segment
from tests.support.running import Server, serving, write_project

FRAME = bytes(64 * 48 * 3)


def refused(answer: httpx.Response, status: int, code: str, *words: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["error"] is True
    assert document["processing"] is False
    for word in words:
        assert word in document["detail"], document["detail"]
    return document


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("", "invalid_parameter", ["width is missing"]),
        ("width=64", "invalid_parameter", ["height is missing"]),
        ("width=0&height=48", "invalid_parameter", ["width='0'", "1 to 65535"]),
        ("width=-64&height=48", "invalid_parameter", ["width='-64'"]),
        ("width=64.0&height=48", "invalid_parameter", ["width='64.0'"]),
        ("width=6_4&height=48", "invalid_parameter", ["width='6_4'"]),
        ("width=%D9%A6%D9%A4&height=48", "invalid_parameter", ["expected an integer"]),
        ("width=%2064&height=48", "invalid_parameter", ["expected an integer"]),
        ("width=99999999999&height=48", "invalid_parameter", ["expected an integer"]),
        ("width=64&width=64&height=48", "invalid_parameter", ["width is given twice"]),
        ("width=64&height=47", "frame_size_mismatch", ["3008", "9024", "9216"]),
        ("width=64&height=48&bayer", "frame_size_mismatch", ["3072", "9216"]),
        ("width=64&height=48&pixel_format=Mono12", "frame_size_mismatch", ["6144"]),
        ("width=64&height=48&pixel_format=Mono9", "invalid_parameter", ["Mono9"]),
        ("width=64&height=48&bayer=RGGB", "invalid_parameter", ["RGGB", "did you mean BayerRG8?"]),
        ("width=64&height=48&bayer=1&pixel_format=Mono8", "invalid_parameter", ["contradict"]),
        ("width=64&height=48&response_type=video", "invalid_parameter", ["video", "annotated_image"]),
        ("width=64&height=48&context_in_body=maybe", "invalid_parameter", ["maybe"]),
        ("width=64&height=48&data=" + "x" * 7000 + "&data=y", "invalid_parameter", ["data is given twice"]),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_with_what_was_expected(
    client: httpx.Client, query: str, code: str, words: list[str]
) -> None:
    refused(client.post(f"/analyze_raw_image?{query}", content=FRAME), 400, code, *words)


@pytest.mark.parametrize("size", [len(FRAME) - 1, len(FRAME) + 1])
def test_a_frame_one_byte_off_is_refused(client: httpx.Client, size: int) -> None:
    answer = client.post("/analyze_raw_image?width=64&height=48", content=bytes(size))
    refused(answer, 400, "frame_size_mismatch", "3072", "9216", "12288", str(size))


@pytest.mark.parametrize("path", ["/analyze_image", "/analyze_raw_image?width=64&height=48"])
def test_an_empty_body_is_refused(client: httpx.Client, path: str) -> None:
    refused(client.post(path), 400, "incomplete_body", "empty")


def test_what_is_no_image_is_unsupported(client: httpx.Client) -> None:
    refused(client.post("/analyze_image", content=b"this is text, and not an image at all"), 415, "image_unsupported")


def test_a_damaged_image_is_invalid(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    whole = png(scene)
    refused(client.post("/analyze_image", content=whole[: len(whole) // 2]), 422, "image_invalid", "truncated")
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 1
    refused(client.post("/analyze_image", content=bytes(broken)), 422, "image_invalid")


def _declare(server: Server, length: str, sent: bytes = b"") -> bytes:
    """Send a request that declares `length` bytes and sends `sent`; returns all that comes back."""
    head = f"POST /analyze_raw_image?width=64&height=48 HTTP/1.1\r\nHost: camera\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(head.encode() + sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_a_body_larger_than_a_slot_is_refused_before_it_is_sent(server: Server) -> None:
    for length in (25 << 20, 10**12, 2**64 + 1):
        assert _declare(server, str(length)).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_larger_than_a_slot_is_refused(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(26):
            yield bytes(1 << 20)

    answer = client.post("/analyze_image", content=pieces())
    refused(answer, 413, "frame_too_large", "max_frame_mib")


@pytest.mark.parametrize("sent", [0, 1, 5000, len(FRAME) - 1])
def test_a_body_that_ends_early_is_never_analysed(server: Server, sent: int) -> None:
    before = server.status()["frames"]
    answer = _declare(server, str(len(FRAME)), FRAME[:sent])
    assert answer.startswith(b"HTTP/1.1 400")
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert document["code"] == "incomplete_body"
    assert f"{sent} of {len(FRAME)}" in document["detail"]
    after = server.status()["frames"]
    assert after["answered"] == before["answered"]
    assert after["errors"] == before["errors"] + 1


STALLS = {
    "length": b"Content-Length: 9216\r\n\r\n" + bytes(5000),
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + bytes(0x1000) + b"\r\n1000\r\n",
    "form": (
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="array"\r\n\r\n' + bytes(3000)
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("form", STALLS)
def test_a_body_that_stalls_is_given_up_and_its_slot_comes_back(tmp_path: Path, form: str) -> None:
    with serving(write_project(tmp_path / "p"), env={"FRAMEMILL_BODY_MS": "300"}) as server:
        head = b"POST /analyze_raw_image?width=64&height=48 HTTP/1.1\r\nHost: camera\r\n"
        with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
            connection.sendall(head + STALLS[form])
            answer = b""
            while piece := connection.recv(65536):  # the server closes: it cannot know what would come next
                answer += piece
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"body_too_slow" in answer
        slots = server.status()["slots"]
        assert slots["free_here"] >= slots["per_front"]


def test_clients_that_go_away_in_the_middle_cost_nothing(server: Server) -> None:
    head = b"POST /analyze_raw_image?width=64&height=48 HTTP/1.1\r\nHost: c\r\nContent-Length: 9216\r\n\r\n"
    for sent in range(0, 9216, 300):
        connection = socket.create_connection(("127.0.0.1", server.port), 30)
        connection.sendall(head + FRAME[:sent])
        # reset instead of an orderly end
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    with server.client() as client:
        assert client.post("/analyze_raw_image?width=64&height=48", content=FRAME).status_code == 200
        while (slots := client.get("/api/v1/status").json()["slots"])["free_here"] < slots["per_front"]:
            pass
    assert server.status()["workers"]["deaths"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/analyze_image", 405), ("GET", "/analyze_image", 405), ("PUT", "/analyze_image_shared_memory", 405),
     ("POST", "/ping", 405), ("GET", "/analyse_image", 404), ("GET", "/last_image/x", 404)],
)  # fmt: skip
def test_wrong_paths_and_methods_are_problems_too(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error"] is True
    assert path in answer.json()["detail"]
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"image": b"x"}, "no part named 'array'"),
        ({"array": FRAME}, "width is missing"),
        ({"array": FRAME, "width": b"64", "height": b"4x"}, "height='4x'"),
    ],
)
def test_a_form_with_mistakes_is_refused(client: httpx.Client, parts: dict[str, bytes], words: str) -> None:
    files = [(name, (None, value)) for name, value in parts.items()]
    refused(client.post("/analyze_raw_image", files=files), 400, "invalid_parameter", words)


@pytest.mark.parametrize(
    "name",
    ["", "x", "psm_", "psm_0123456", "psm_012345678", "psm_0123456g", "../etc/passwd", "psm_0123456/", "sem.psm"],
)
def test_names_that_no_client_makes_are_refused(client: httpx.Client, name: str) -> None:
    answer = client.post("/analyze_image_shared_memory", params={"name": name, "width": 64, "height": 48})
    refused(answer, 400, "invalid_parameter", "psm_")


def test_a_segment_that_is_not_there_is_not_found(client: httpx.Client) -> None:
    answer = client.post("/analyze_image_shared_memory?name=psm_00000000&width=64&height=48")
    refused(answer, 404, "segment_not_found")


_NO_SEGMENTS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),  # /dev/zero
}


@pytest.mark.parametrize("kind", _NO_SEGMENTS)
def test_what_is_not_a_plain_segment_is_not_found_and_never_blocks(client: httpx.Client, kind: str) -> None:
    planted = Path("/dev/shm/psm_fa0b0c0d")
    try:
        _NO_SEGMENTS[kind](planted)
    except PermissionError:
        pytest.skip(f"only root can make a {kind}")
    try:
        answer = client.post(f"/analyze_image_shared_memory?name={planted.name}&width=1&height=1")
    finally:
        planted.rmdir() if kind == "folder" else planted.unlink()
    refused(answer, 404, "segment_not_found")


def test_a_segment_of_another_size_is_refused(client: httpx.Client) -> None:
    with segment(bytes(9000)) as name:
        answer = client.post(f"/analyze_image_shared_memory?name={name}&width=64&height=48")
    refused(answer, 400, "segment_invalid", "9000", "9216")


def test_a_context_that_does_not_fit_a_header_is_an_error_that_names_the_way_out(
    tmp_path: Path, scene: NDArray[np.uint8]
) -> None:
    code = (
        "def main(context):\n"
        "    letter, _, letters = context['data'].partition(':')\n"
        "    context['long'] = letter * int(letters)\n"
    )
    project = write_project(tmp_path / "long", '[[flow]]\nmodule = "code"\nfile = "code/long.py"\n', long=code)
    with serving(project) as server, server.client() as client:
        query = {"response_type": "image", "data": "x:60000"}
        answer = client.post("/analyze_image", params=query, content=png(scene))
        refused(answer, 500, "context_too_large_for_header", "context_in_body")
        answer = client.post("/analyze_image", params={**query, "context_in_body": "1"}, content=png(scene))
        assert len(json.loads(answer.content[int(answer.headers["ImageLen"]) :])["long"]) == 60000
        answer = client.post("/analyze_image", params={**query, "data": "x:40000"}, content=png(scene))
        assert len(json.loads(answer.headers["context"])["long"]) == 40000
        # 40 kB of Czech fit in base64; with an escape for each letter, which no known client reads, they do not
        for letters, is_escaped in ((20000, False), (9000, True)):
            answer = client.post("/analyze_image", params={**query, "data": f"ř:{letters}"}, content=png(scene))
            assert answer.status_code == 200
            context = json.loads(base64.b64decode(answer.headers["ContextBase64utf"], validate=True))
            assert context["long"] == "ř" * letters
            assert ("context" in answer.headers) is is_escaped
            assert client.get("/last_image?response_type=image").headers["ContextBase64utf"]
        refused(
            client.post("/analyze_image", params={**query, "data": "ř:25000"}, content=png(scene)),
            500,
            "context_too_large_for_header",
        )


@settings(max_examples=150, deadline=None)
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["width", "height", "bayer", "pixel_format", "response_type", "context_in_body", "data", "name"]
        ),
        st.one_of(
            st.text(max_size=20), st.integers(-5, 70000).map(str), st.sampled_from(["64", "48", "Mono8", "image"])
        ),
    ),
    body=st.binary(max_size=200),
    path=st.sampled_from(["/analyze_image", "/analyze_raw_image", "/analyze_image_shared_memory", "/last_image", "/"]),
)
def test_no_query_and_no_body_is_a_fault_of_ours(server: Server, query: dict[str, str], body: bytes, path: str) -> None:
    with server.client() as client:
        encoded = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        answer = client.post(path, params=encoded, content=body)
    assert answer.status_code < 500, answer.text
