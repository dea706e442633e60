"""Raw frames of any size, format and length: exactly right and bit by bit what the flow sees, or 400.

What is right is said here a second time, independently of the server's own code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.running import Server, serving, write_project

Pixels = NDArray[np.uint8]
DIGEST = """
import hashlib

def main(context):
    image = context["image"]
    context["digest"] = hashlib.sha256(image.tobytes()).hexdigest()
    context["shape"] = image.shape
"""
ORDERS = {  # of OpenCV, which names a mosaic by the second row's second and third pixel
    "BayerRG": cv2.COLOR_BayerBG2BGR,
    "BayerGR": cv2.COLOR_BayerGB2BGR,
    "BayerGB": cv2.COLOR_BayerGR2BGR,
    "BayerBG": cv2.COLOR_BayerRG2BGR,
}
DEPTHS = {"8": 8, "10": 16, "12": 16, "16": 16, "10p": 10, "12p": 12, "10Packed": 12, "12Packed": 12}
CHANNELS = {"RGB8": 3, "BGR8": 3, "BGRa8": 4}
FORMATS = [*CHANNELS, *(order + depth for order in ("Mono", *ORDERS) for depth in DEPTHS)]


def bits_of_pixel(name: str) -> int:
    return 8 * CHANNELS[name] if name in CHANNELS else DEPTHS[re.sub(r"Mono|Bayer..", "", name)]


def eight_bits(frame: bytes, name: str, count: int) -> Pixels | None:
    """Return the samples of a frame, the low bits dropped; None where a word holds more than its format has."""
    depth = re.sub(r"Mono|Bayer..", "", name)
    data = np.frombuffer(frame, np.uint8)
    if depth in {"10", "12", "16"}:
        words = np.frombuffer(frame, "<u2")
        return None if words.max(initial=0) >> int(depth) else (words >> (int(depth) - 8)).astype(np.uint8)
    if depth in {"10p", "12p"}:
        size = int(depth[:2])
        samples = np.unpackbits(data, bitorder="little")[: count * size].reshape(count, size)[:, -8:]
        return np.packbits(samples, axis=1, bitorder="little")[:, 0]
    if depth.endswith("Packed"):
        return data[[index // 2 * 3 + index % 2 * 2 for index in range(count)]]
    return data


def seen(frame: bytes, name: str, width: int, height: int) -> Pixels | None:
    """Return what the flow is to see."""
    if name in CHANNELS:
        image = np.frombuffer(frame, np.uint8).reshape(height, width, -1)
        return image[..., ::-1] if name == "RGB8" else image[..., :3]
    samples = eight_bits(frame, name, width * height)
    if samples is None:
        return None
    plane = samples.reshape(height, width)
    if name.startswith("Mono"):
        return np.dstack([plane] * 3)
    return cv2.cvtColor(np.ascontiguousarray(plane), ORDERS[name[:7]]).astype(np.uint8, copy=False)


class Sent(NamedTuple):
    """A request, and what the flow is to see of it; None where it must be refused."""

    query: list[tuple[str, str]]
    body: bytes
    expected: Pixels | None


SIZES = st.integers(1, 24)


@st.composite
def frames(draw: st.DrawFn) -> Sent:
    """A frame that is right, or one byte or many off."""
    width, height = draw(SIZES), draw(SIZES)
    name = draw(st.sampled_from(FORMATS))
    right = (width * height * bits_of_pixel(name) + 7) // 8
    length = right + draw(st.sampled_from([0, 0, 0, -1, 1, -right, 1000, width]))
    assume(length > 0)  # an empty body is another test's
    body = np.random.default_rng(draw(st.integers(0, 2**32))).bytes(length)
    body = draw(st.sampled_from([body, bytes(length), b"\xff" * length, bytes([3]) * length]))
    too_small = name.startswith("Bayer") and min(width, height) < 3
    expected = None if length != right or too_small else seen(body, name, width, height)
    query = [("width", str(width)), ("height", str(height)), ("pixel_format", name)]
    return Sent(draw(st.permutations(query)), body, expected)


NUMBERS = st.one_of(
    st.integers(0, 70_000).map(str),
    SIZES.map(str),
    SIZES.map(lambda number: f"{number:05}"),
    st.sampled_from(["", " 8", "8 ", "+8", "-8", "8.0", "8e0", "0x8", "1_0", "NaN", "99999999999", "8,8", "[8]"]),
    st.sampled_from(["\u0668", "\uff18"]),  # eights that int() takes
    st.text(max_size=4),
)
BAYER = st.sampled_from(["", "1", "0", "true", "false", "BayerGB8", "RGGB", "2", "yes please"])
NAMED = st.sampled_from([*FORMATS, "mono8", "Mono9", "", "BGR", "1", "Mono8 ", "bayerrg12PACKED"])

FORM = st.one_of(st.tuples(st.just("bayer"), BAYER), st.tuples(st.just("pixel_format"), NAMED))


@st.composite
def queries(draw: st.DrawFn) -> Sent:
    """A query that is right, or has a number that is none, a parameter twice or not at all, or another length."""
    mistake = draw(st.sampled_from(["", "", "", "number", "twice", "gone", "length"]))
    sizes = {"width": str(draw(SIZES)), "height": str(draw(SIZES))}
    if mistake == "number":
        sizes[draw(st.sampled_from(["width", "height"]))] = draw(NUMBERS)
    query = [*sizes.items(), *draw(st.lists(FORM, max_size=2))]
    if mistake == "twice":
        query.append(draw(st.sampled_from(query)))
    if mistake == "gone":
        query.remove(draw(st.sampled_from(query)))
    size = right_size(query)
    pixels = 1 if size is None else min(size[0] * size[1], 10_000)
    name = named(dict(query)) or draw(st.sampled_from(["Mono8", "BGR8", "BGRa8"]))
    length = (pixels * bits_of_pixel(name if name in FORMATS else "Mono8") + 7) // 8
    body = bytes([3]) * max(1, length + (draw(st.sampled_from([-1, 1, 100])) if mistake == "length" else 0))
    return Sent(draw(st.permutations(query)), body, None if size is None else by_query(dict(query), body, *size))


def right_size(query: list[tuple[str, str]]) -> tuple[int, int] | None:
    names = [name for name, _ in query]
    values = dict(query)
    if len(set(names)) < len(names) or not {"width", "height"} <= set(names):
        return None
    if not all(re.fullmatch(r"[0-9]{1,5}", values[name], re.ASCII) for name in ("width", "height")):
        return None
    width, height = int(values["width"]), int(values["height"])
    return (width, height) if 1 <= width <= 65535 and 1 <= height <= 65535 else None


def named(values: dict[str, str]) -> str | None:
    """Return the format that `bayer` and `pixel_format` name: None for none, "?" where they are wrong."""
    known = {name.lower(): name for name in FORMATS}
    flags: dict[str, str | None] = {"": "BayerRG8", "1": "BayerRG8", "true": "BayerRG8", "0": None, "false": None}
    bayer = {**flags, **known}.get(values.get("bayer", "0").lower(), "?")
    if "pixel_format" not in values:
        return bayer
    name = known.get(values["pixel_format"].lower(), "?")
    return name if bayer in {None, name} else "?"


def by_query(values: dict[str, str], body: bytes, width: int, height: int) -> Pixels | None:
    """Return what the flow is to see by the parameters `bayer` and `pixel_format`; None where they do not fit."""
    by_length = {1: "Mono8", 3: "BGR8", 4: "BGRa8"}
    name = named(values) or by_length.get(len(body) // (width * height), "?")
    if name == "?" or len(body) != (width * height * bits_of_pixel(name) + 7) // 8:
        return None
    if name.startswith("Bayer") and min(width, height) < 3:
        return None
    return seen(body, name, width, height)


@pytest.fixture(scope="module")
def client_of_digests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    toml = '[[flow]]\nmodule = "code"\nfile = "code/digest.py"\n'
    server: Server
    with (
        serving(write_project(tmp_path_factory.mktemp("digest"), toml, digest=DIGEST)) as server,
        server.client() as client,
    ):
        yield client


def answered_right(client: httpx.Client, sent: Sent) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in sent.query)
    answer = client.post(f"/analyze_raw_image?{query}", content=sent.body)
    if sent.expected is None:
        assert answer.status_code in {400, 413}, (sent.query, answer.text)
        return
    assert answer.status_code == 200, (sent.query, answer.text)
    context = answer.json()
    assert context["shape"] == list(sent.expected.shape)
    assert context["digest"] == hashlib.sha256(sent.expected.tobytes()).hexdigest()


QUICK = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=50_000, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(sent=frames())
def test_a_raw_frame_is_seen_bit_by_bit_or_refused(client_of_digests: httpx.Client, sent: Sent) -> None:
    answered_right(client_of_digests, sent)


@QUICK
@given(sent=queries())
def test_a_query_is_exactly_right_or_refused(client_of_digests: httpx.Client, sent: Sent) -> None:
    answered_right(client_of_digests, sent)


@pytest.mark.soak
@pytest.mark.timeout(0)
@LONG
@given(sent=frames())
def test_50_000_raw_frames_are_seen_bit_by_bit_or_refused(client_of_digests: httpx.Client, sent: Sent) -> None:
    answered_right(client_of_digests, sent)


@pytest.mark.soak
@pytest.mark.timeout(0)
@settings(LONG, max_examples=100_000)
@given(sent=queries())
def test_100_000_queries_are_exactly_right_or_refused(client_of_digests: httpx.Client, sent: Sent) -> None:
    answered_right(client_of_digests, sent)
