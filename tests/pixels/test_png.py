"""PNG: lossless for every image of a flow, and read the same by two other decoders."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from workers.errors import InternalError
from workers.pictures.png import encode_png as encode_rgb

SHAPES = [(1, 1), (1, 1, 3), (1, 700), (700, 1, 3), (3, 5), (7, 13, 3), (64, 64), (118, 960, 3), (600, 801)]


def noise(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode what is in OpenCV's order."""
    return encode_rgb(image[..., ::-1] if image.ndim == 3 else image)


def read_by_opencv(png: bytes, flags: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), flags)
    assert decoded is not None
    return decoded.astype(np.uint8)


def read_by_pillow(png: bytes) -> NDArray[np.uint8]:
    """Return (h, w, 3) BGR."""
    with Image.open(io.BytesIO(png)) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened.convert("RGB"))[..., ::-1]


def as_colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_comes_back_through_opencv_and_pillow(shape: tuple[int, ...]) -> None:
    image = noise(shape)
    png = encode_png(image)
    assert np.array_equal(read_by_opencv(png), as_colour(image))
    assert np.array_equal(read_by_pillow(png), as_colour(image))


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("shape", [(300, 400), (300, 400, 3)])
def test_flat_images_come_back_and_are_small(shape: tuple[int, ...], level: int) -> None:
    image = np.full(shape, level, np.uint8)
    png = encode_png(image)
    assert np.array_equal(read_by_opencv(png), as_colour(image))
    assert np.array_equal(read_by_pillow(png), as_colour(image))
    assert len(png) < image.size / 20


def test_real_frames_come_back_whole(shared_data: Path) -> None:
    image = read_by_opencv((shared_data / "pcb" / "00_test.jpg").read_bytes())
    png = encode_png(image)
    assert np.array_equal(read_by_opencv(png), image)
    assert np.array_equal(read_by_pillow(png), image)


def test_grey_stays_grey() -> None:
    assert read_by_opencv(encode_png(noise((20, 30))), cv2.IMREAD_UNCHANGED).ndim == 2


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_views_and_read_only_images_are_encoded_as_they_look(shape: tuple[int, ...]) -> None:
    whole = noise(shape)
    whole.flags.writeable = False
    for view in (whole, whole[5:30, 10:50], whole[::2, ::3], whole[::-1]):
        assert np.array_equal(read_by_opencv(encode_png(view)), as_colour(view))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
    ],
    ids=lambda image: f"{image.dtype}-{'x'.join(map(str, image.shape))}",
)
def test_what_is_no_picture_is_refused_with_its_shape(image: NDArray[np.uint8]) -> None:
    with pytest.raises(InternalError, match=r"\(\d"):
        encode_png(image)
