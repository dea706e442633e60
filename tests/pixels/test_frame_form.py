"""A flow that wants grey or smaller frames gets the same ones however they came, and answers are about those."""

from __future__ import annotations

from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pictures import decoded, png
from tests.support.running import serving, write_project
from workers.errors import ProjectInvalid
from workers.flow.project import load_project
from workers.gate import ImageLimits
from workers.pixels.camera_frames import bayer_rg8
from workers.pixels.encoded import decode_image
from workers.pixels.frame_form import FrameForm
from workers.pixels.pixel_format import FORMATS, pixel_format
from workers.pixels.raw import raw_to_bgr, raw_to_grey
from workers.pixels.reduce import in_form
from workers.pixels.scratch import Scratch

LIMITS = ImageLimits(max_megapixels=50, formats=frozenset({"jpeg", "png"}))
FORMS = [FrameForm(grey=grey, reduce=reduce) for grey in (False, True) for reduce in (1, 2, 4, 8)]
SEES = """
def main(context):
    context["shape"] = list(context["image"].shape)
"""


def smooth(width: int, height: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(5).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def expected(image: NDArray[np.uint8], form: FrameForm) -> NDArray[np.float64]:
    """The form by plain numpy: luma, then means of blocks, the last line and column repeated."""
    pixels = image.astype(np.float64)
    if form.grey:
        pixels = pixels @ np.array([0.114, 0.587, 0.299])
    step = form.reduce
    right, below = -pixels.shape[1] % step, -pixels.shape[0] % step
    pixels = np.pad(pixels, [(0, below), (0, right), *[(0, 0)] * (pixels.ndim - 2)], mode="edge")
    height, width = pixels.shape[0] // step, pixels.shape[1] // step
    blocks = pixels.reshape(height, step, width, step, *pixels.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(64, 48), (333, 77), (17, 9)])
def test_pixels_in_a_form_are_means_of_luma(form: FrameForm, size: tuple[int, int]) -> None:
    image = smooth(*size)
    found = in_form(image, form, Scratch())
    assert found.shape[:2] == form.size_px(*size)[::-1]
    assert np.abs(found - expected(image, form)).max() <= 1.5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_a_file_is_decoded_to_the_form(form: FrameForm, kind: str) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 98] if kind == ".jpg" else []
    data = memoryview(cv2.imencode(kind, smooth(320, 241), quality)[1].tobytes())
    whole = decode_image(data, LIMITS)
    found = decode_image(data, LIMITS, Scratch(), form)
    wanted = expected(whole, form)
    assert found.shape == wanted.shape
    assert found.flags.c_contiguous
    # a JPEG's smaller blocks are computed from fewer coefficients, not from pixels
    assert np.abs(found - wanted).mean() < 2.5


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_raw_frames_become_the_grey_of_their_colours(name: str) -> None:
    fmt = pixel_format(name)
    pixels = np.random.default_rng(1).integers(0, 4, fmt.frame_bytes(32, 16), np.uint8)
    colours = raw_to_bgr(pixels, fmt, 32, 16, None)
    found = raw_to_grey(pixels, fmt, 32, 16, None)
    assert found.shape == (16, 32)
    # both interpolate a Bayer frame, in colour and in brightness; rounding differs
    assert np.abs(found - expected(colours, FrameForm(grey=True))).max() <= 2


def test_a_bayer_frame_and_a_jpeg_of_one_scene_look_alike_in_grey() -> None:
    scene = smooth(320, 240)
    mosaic = raw_to_grey(bayer_rg8(scene).ravel(), pixel_format("BayerRG8"), 320, 240, None)
    file = memoryview(cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes())
    from_file = decode_image(file, LIMITS, None, FrameForm(grey=True))
    assert np.abs(mosaic.astype(int) - from_file)[2:-2, 2:-2].mean() < 4


def test_mono_frames_are_looked_at_where_they_lie() -> None:
    pixels = np.arange(200, dtype=np.uint8)
    assert np.shares_memory(raw_to_grey(pixels, pixel_format("Mono8"), 20, 10, None), pixels)


@pytest.mark.long
def test_the_server_answers_about_the_reduced_frame(tmp_path: Path) -> None:
    toml = '[frame]\ngrey = true\nreduce = 2\n[[flow]]\nmodule = "code"\nfile = "code/sees.py"\n'
    scene = smooth(64, 48)
    with serving(write_project(tmp_path / "p", toml, sees=SEES)) as server, server.client() as client:
        for answer in (_raw(client, scene), client.post("/analyze_image", content=png(scene))):
            context = answer.raise_for_status().json()
            assert context["shape"] == [24, 32]
            assert context["imageShape"] == {"height": 24, "width": 32}
        picture = client.post("/analyze_image?response_type=image", content=png(scene)).raise_for_status()
        wanted = expected(scene, FrameForm(grey=True, reduce=2))
        assert np.abs(decoded(picture.content)[..., 0] - wanted).max() <= 1.5
        kept = client.get("/last_image?response_type=image").raise_for_status()
        assert np.array_equal(decoded(kept.content), decoded(picture.content))


def _raw(client: httpx.Client, scene: NDArray[np.uint8]) -> httpx.Response:
    return client.post("/analyze_raw_image?width=64&height=48", content=scene.tobytes())


@pytest.mark.parametrize(
    ("table", "mistake"),
    [("reduce = 3", "frame.reduce"), ("gray = true", "frame.gray"), ("grey = 1", "frame.grey")],
)
def test_mistakes_are_named(tmp_path: Path, table: str, mistake: str) -> None:
    with pytest.raises(ProjectInvalid, match=mistake):
        load_project(write_project(tmp_path / "p", f"[frame]\n{table}\n"))
