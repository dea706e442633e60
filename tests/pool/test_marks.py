"""Every answer belongs to its own frame: thousands of mixed frames at once, each with a mark in pixels and in data."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pictures import decoded, png, segment
from tests.support.running import Server

FRAMES = 2000
CAMERAS = 8


def _marked(number: int, height: int, width: int) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), number % 251, np.uint8)
    image[0, 0] = (number & 255, number >> 8 & 255, 77)
    return image


def _raw(client: httpx.Client, number: int, query: dict[str, str]) -> tuple[httpx.Response, NDArray[np.uint8]]:
    image = _marked(number, 40 + number % 50, 64)
    sizes = {"width": "64", "height": str(image.shape[0])}
    return client.post("/analyze_raw_image", params={**query, **sizes}, content=image.tobytes()), image


def _png(client: httpx.Client, number: int, query: dict[str, str]) -> tuple[httpx.Response, NDArray[np.uint8]]:
    image = _marked(number, 33, 47 + number % 50)
    return client.post("/analyze_image", params=query, content=png(image)), image


def _form(client: httpx.Client, number: int, query: dict[str, str]) -> tuple[httpx.Response, NDArray[np.uint8]]:
    image = _marked(number, 20, 30)
    files: list[tuple[str, tuple[str | None, bytes]]] = [
        ("array", ("a", image.tobytes())),
        ("width", (None, b"30")),
        ("height", (None, b"20")),
    ]
    return client.post("/analyze_raw_image", params=query, files=files), image


def _large(client: httpx.Client, number: int, query: dict[str, str]) -> tuple[httpx.Response, NDArray[np.uint8]]:
    image = _marked(number, 1024, 1920)
    sizes = {"width": "1920", "height": "1024"}
    return client.post("/analyze_raw_image", params={**query, **sizes}, content=image.tobytes()), image


def _segment(client: httpx.Client, number: int, query: dict[str, str]) -> tuple[httpx.Response, NDArray[np.uint8]]:
    image = _marked(number, 50, 60)
    with segment(image.tobytes()) as name:
        sizes = {"width": "60", "height": "50", "name": name}
        return client.post("/analyze_image_shared_memory", params={**query, **sizes}), image


Way = Callable[[httpx.Client, int, dict[str, str]], tuple[httpx.Response, NDArray[np.uint8]]]
_WAYS: list[Way] = [_raw, _png, _form, _segment, _raw, _png, _large]
_KINDS = ["context", "image", "annotated_image"]


def _check(client: httpx.Client, number: int) -> None:
    kind = _KINDS[number % len(_KINDS)]
    query = {"data": f"mark {number}", "response_type": kind, "context_in_body": ""}
    answer, image = _WAYS[number % len(_WAYS)](client, number, query)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get("ImageLen", 0))
    context: dict[str, Any] = json.loads(answer.content[length:])
    assert context["seen"]["data"] == f"mark {number}"
    assert context["mark"] == [int(v) for v in image[0, 0]]
    assert context["seen"]["sum"] == int(image.sum(dtype="uint64"))
    if kind != "context":
        assert np.array_equal(decoded(answer.content[:length]), image)


@pytest.mark.long
def test_two_thousand_mixed_frames_from_eight_cameras_get_their_own_answers(server: Server) -> None:
    before = server.status()["frames"]["answered"]

    def camera(first: int) -> None:
        with server.client() as client:
            for number in range(first, FRAMES, CAMERAS):
                _check(client, number)

    with ThreadPoolExecutor(CAMERAS) as cameras:
        list(cameras.map(camera, range(CAMERAS)))
    after = server.status()
    assert after["frames"]["answered"] == before + FRAMES
    assert after["workers"]["deaths"] == 0
