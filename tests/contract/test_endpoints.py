"""The endpoints beside the analysis: ping, version, stop, last image, shared memory, other formats."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.contract import checked, speak
from tests.support.pictures import decoded, png, segment
from tests.support.running import Server, serving, write_project


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping_is_exactly_200(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/ping").status_code == 200


READ = ["/ping", "/version", "/livez", "/readyz", "/metrics", "/", "/api/v1/status", "/api/v1/process", "/last_image",
        "/last_image?response_type=image", "/last_image?response_type=image&context_in_body", "/nothing"]  # fmt: skip


@pytest.mark.parametrize("path", READ)
def test_head_is_answered_as_get_without_the_body(client: httpx.Client, scene: NDArray[np.uint8], path: str) -> None:
    client.post("/analyze_image", content=png(scene))
    get, head = client.get(path), client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert list(head.headers) == list(get.headers)
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0
    if not path.startswith(("/metrics", "/api/v1/status")) and path != "/":  # whose numbers move
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
    slots = client.get("/api/v1/status").json()["slots"]
    assert slots["free_here"] >= slots["per_front"]


def test_head_inspects_nothing(client: httpx.Client) -> None:
    for path in ("/analyze_image", "/analyze_raw_image?width=1&height=1", "/analyze_image_shared_memory", "/process"):
        assert client.head(path).status_code == 405


def test_version_is_the_level_of_the_contract_in_plain_text(client: httpx.Client) -> None:
    answer = client.get("/version")
    assert answer.text == "3.18.0"
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_stop_with_a_wrong_key_is_forbidden(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/stop", params={"key": "wrong"}).status_code == 403
    assert client.request(method, "/stop").status_code == 403
    assert client.get("/ping").status_code == 200


@pytest.mark.parametrize("kind", ["context", "image", "annotated_image", "heatmap"])
def test_the_last_image_is_shown_again(client: httpx.Client, scene: NDArray[np.uint8], kind: str) -> None:
    sent = checked(client.post("/analyze_image", params={"data": f"last {kind}"}, content=png(scene)))
    for _ in range(3):
        answer = client.get("/last_image", params={"response_type": kind, "context_in_body": ""})
        assert answer.status_code == 200
        length = int(answer.headers.get("ImageLen", 0))
        assert json.loads(answer.content[length:]) == sent
        if kind in {"image", "annotated_image"}:
            np.testing.assert_array_equal(decoded(answer.content[:length]), scene)


def test_a_frame_in_shared_memory_is_read_and_left_alone(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    with segment(scene.tobytes()) as name:
        url = f"/analyze_image_shared_memory?width=64&height=48&name={name}"
        for _ in range(3):
            assert checked(client.post(url))["seen"]["sum"] == int(scene.sum())


def test_an_answer_that_is_read_late_is_whole(server: Server) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1920, 3), np.uint8)
    head = (
        "POST /analyze_raw_image?width=1920&height=1024&response_type=image HTTP/1.1\r\nHost: camera\r\n"
        f"Content-Length: {noise.nbytes}\r\n\r\n"
    )
    with speak(server, head.encode() + noise.tobytes()) as connection, server.client() as other:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        # nobody reads the picture, and yet all places come back: the rest was copied out of the slot
        give_up = time.monotonic() + 30
        while (
            other.get("/api/v1/status").json()["slots"]["free_here"]
            < other.get("/api/v1/status").json()["slots"]["per_front"]
        ):
            assert time.monotonic() < give_up
        for _ in range(12):
            other.post("/analyze_raw_image?width=1920&height=1024", content=bytes(noise.nbytes))
        np.testing.assert_array_equal(decoded(answer.read()), noise)


def test_other_formats_are_unsupported_until_the_settings_name_them(
    client: httpx.Client, tmp_path: Path, scene: NDArray[np.uint8]
) -> None:
    bodies = {
        "bmp": cv2.imencode(".bmp", scene)[1].tobytes(),
        "tiff": cv2.imencode(".tiff", scene)[1].tobytes(),
        "webp": cv2.imencode(".webp", scene, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes(),  # above 100 is lossless
    }
    assert [body[:2] for body in bodies.values()] == [b"BM", b"II", b"RI"]
    for kind, body in bodies.items():
        answer = client.post("/analyze_image", content=body)
        assert answer.status_code == 415
        assert kind in answer.json()["detail"]
    env = {"FRAMEMILL_FORMATS": "png, tiff, webp"}
    with serving(write_project(tmp_path / "p"), env=env) as server, server.client() as other:
        for kind in ("tiff", "webp"):
            answer = other.post("/analyze_image?response_type=image", content=bodies[kind])
            np.testing.assert_array_equal(decoded(answer.content), scene)
        broken = bodies["tiff"][:40] + bytes(60) + bodies["tiff"][100:]  # its directory is at the end
        answer = other.post("/analyze_image", content=broken)
        assert (answer.status_code, answer.json()["code"]) == (422, "image_invalid")
        assert "strip" in answer.json()["detail"]
        jpeg = cv2.imencode(".jpg", scene)[1].tobytes()
        for body in (jpeg, bodies["bmp"]):
            assert other.post("/analyze_image", content=body).status_code == 415
