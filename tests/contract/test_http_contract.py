"""What a client sees of an analysis: parameters and responses, on the wire of a real server."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.contract import CONTEXT_KEYS, NEVER, checked, raw, speak
from tests.support.pictures import decoded, png
from tests.support.running import Server


def test_a_context_has_every_key_of_the_contract_and_none_of_the_private_ones(
    client: httpx.Client, scene: NDArray[np.uint8]
) -> None:
    context = checked(client.post("/analyze_image", content=png(scene)))
    for key, kind in CONTEXT_KEYS.items():
        assert isinstance(context[key], kind), key
    assert context["angle"] is None
    assert context["imageShape"] == {"height": 48, "width": 64}
    assert context["processing"] is True
    assert context["production_mode"] is True
    assert not NEVER & context.keys()
    assert 0 < context["processingTime"] <= context["completeTime"]


def test_a_png_reaches_the_flow_pixel_by_pixel(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    context = checked(client.post("/analyze_image", content=png(scene)))
    assert context["seen"] == {"data": "", "shape": [48, 64, 3], "sum": int(scene.sum())}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_raw_pixels_are_told_apart_by_their_length(
    client: httpx.Client, scene: NDArray[np.uint8], channels: int
) -> None:
    grey = scene[:, :, 1].copy()
    alpha = np.full((48, 64, 1), 9, np.uint8)
    image = {1: grey, 3: scene, 4: np.concatenate([scene, alpha], axis=2)}[channels]
    url, body = raw(image)
    context = checked(client.post(url, content=body))
    expected = 3 * int(grey.sum()) if channels == 1 else int(scene.sum())
    assert context["seen"]["sum"] == expected


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ["analyze_raw_image", "analyze_raw_Image"])
def test_raw_pixels_may_be_posted_or_put_to_either_spelling(
    client: httpx.Client, scene: NDArray[np.uint8], method: str, path: str
) -> None:
    checked(client.request(method, f"/{path}?height=48&width=64", content=scene.tobytes()))


@pytest.mark.parametrize(
    ("query", "is_bayer"),
    [("bayer", True), ("bayer=1", True), ("bayer=true", True), ("bayer=BayerRG8", True), ("bayer=0", False),
     ("bayer=false", False), ("pixel_format=BayerRG8", True), ("pixel_format=Mono8", False)],
)  # fmt: skip
def test_bayer_is_a_flag_in_all_the_ways_that_clients_send_it(
    client: httpx.Client, query: str, *, is_bayer: bool
) -> None:
    mosaic = np.zeros((48, 64), np.uint8)
    mosaic[0::2, 0::2] = 200  # only the red pixels of BayerRG8 see light
    context = checked(client.post(f"/analyze_raw_image?width=64&height=48&{query}", content=mosaic.tobytes()))
    blue, green, red = context["mark"]
    assert (blue, green, red) == ((0, 0, 200) if is_bayer else (200, 200, 200))


@pytest.mark.parametrize(
    ("query", "in_body"),
    [("context_in_body", True), ("context_in_body=1", True), ("context_in_body=true", True),
     ("context_in_body=True", True), ("context_in_body=false", False), ("context_in_body=0", False), ("", False)],
)  # fmt: skip
def test_the_context_is_behind_the_picture_or_in_headers(
    client: httpx.Client, scene: NDArray[np.uint8], query: str, *, in_body: bool
) -> None:
    answer = client.post(f"/analyze_image?response_type=image&{query}", content=png(scene))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    if in_body:
        length = int(answer.headers["ImageLen"])
        picture, context = answer.content[:length], json.loads(answer.content[length:])
        assert "ContextBase64utf" not in answer.headers
    else:
        picture = answer.content
        context = json.loads(base64.b64decode(answer.headers["ContextBase64utf"], validate=True))
        assert json.loads(answer.headers["context"]) == context
        assert "ImageLen" not in answer.headers
    assert context["seen"]["shape"] == [48, 64, 3]
    np.testing.assert_array_equal(decoded(picture), scene)


@pytest.mark.parametrize("kind", ["image", "annotated_image", "heatmap"])
def test_every_picture_is_a_png_of_the_frames_size(client: httpx.Client, scene: NDArray[np.uint8], kind: str) -> None:
    answer = client.post(f"/analyze_image?response_type={kind}", content=png(scene))
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    shown = decoded(answer.content)
    assert shown.shape == scene.shape
    expected = np.zeros_like(scene) if kind == "heatmap" else scene
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("text", ["PCB-7", "None", "a b+c&d=e", "Řeřicha 零件 🙂", "<script>", '"quotes"\\'])
def test_data_reaches_the_flow_and_is_not_part_of_the_answer(
    client: httpx.Client, scene: NDArray[np.uint8], text: str
) -> None:
    answer = client.post("/analyze_image", params={"data": text, "response_type": "image"}, content=png(scene))
    for header in ("ContextBase64utf", "context"):
        value = answer.headers[header]
        context = json.loads(base64.b64decode(value) if header == "ContextBase64utf" else value)
        assert context["seen"]["data"] == text
        assert "data" not in context


def test_unknown_parameters_are_ignored_and_sizes_of_an_encoded_image_too(
    client: httpx.Client, scene: NDArray[np.uint8]
) -> None:
    url = "/analyze_image?width=1920&height=1080&whatever=1&response_type=context"
    assert checked(client.post(url, content=png(scene)))["imageShape"] == {"height": 48, "width": 64}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_form_may_carry_the_image(client: httpx.Client, scene: NDArray[np.uint8], method: str) -> None:
    files = {"file": ("part.png", png(scene), "image/png")}
    context = checked(client.request(method, "/analyze_image", files=files))
    assert context["seen"]["sum"] == int(scene.sum())


@pytest.mark.parametrize("fields_first", [True, False])
def test_a_form_may_carry_raw_pixels_and_their_size(
    client: httpx.Client, scene: NDArray[np.uint8], *, fields_first: bool
) -> None:
    fields: list[tuple[str, Any]] = [("width", (None, "64")), ("height", (None, "48"))]
    pixels = [("array", ("frame.raw", scene.tobytes(), "application/octet-stream"))]
    files = fields + pixels if fields_first else pixels + fields
    context = checked(client.post("/analyze_raw_image", files=files))
    assert context["seen"]["sum"] == int(scene.sum())


def test_a_chunked_body_is_put_together(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    body = scene.tobytes()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    answer = client.post("/analyze_raw_image?width=64&height=48", content=pieces())
    assert checked(answer)["seen"]["sum"] == int(scene.sum())


def test_expect_100_continue_is_answered_before_the_body_is_sent(server: Server, scene: NDArray[np.uint8]) -> None:
    body = scene.tobytes()
    head = (
        "POST /analyze_raw_image?width=64&height=48 HTTP/1.1\r\nHost: camera\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with speak(server, head.encode()) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")  # no byte of the body has been sent yet
        connection.sendall(body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        assert json.loads(answer.read())["seen"]["sum"] == int(scene.sum())


def test_requests_on_one_connection_are_answered_in_order(server: Server, scene: NDArray[np.uint8]) -> None:
    body = scene.tobytes()
    one = "POST /analyze_raw_image?width=64&height=48&data={} HTTP/1.1\r\nHost: camera\r\nContent-Length: {}\r\n\r\n"
    together = b"".join(one.format(i, len(body)).encode() + body for i in range(5))
    with speak(server, together) as connection:
        reader = connection.makefile("rb")
        for i in range(5):
            assert reader.readline().startswith(b"HTTP/1.1 200")
            length = 0
            while (line := reader.readline()) != b"\r\n":
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            assert json.loads(reader.read(length))["seen"]["data"] == str(i)


@pytest.mark.parametrize(("query", "name"), [("", b"ContextBase64utf: "), ("&context_in_body", b"ImageLen: ")])
def test_header_names_are_spelled_as_in_the_contract(
    server: Server, scene: NDArray[np.uint8], query: str, name: bytes
) -> None:
    body = scene.tobytes()
    path = f"/analyze_raw_image?width=64&height=48&response_type=image{query}"
    head = f"POST {path} HTTP/1.1\r\nHost: camera\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with speak(server, head.encode() + body) as connection, connection.makefile("rb") as reader:
        lines = reader.read().partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert sum(line.startswith(name) for line in lines) == 1
    assert b"Content-Type: image/png" in lines
