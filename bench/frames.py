"""The frames of all measurements: a real board where the data lies beside the checkout, a drawn one elsewhere.

Each carries its own mark in its pixels, top left: 16 blocks of 16x16 pixels, black for 0 and white for 1, so that it
outlives JPEG and demosaicing. An answer must carry the mark back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from service.trial.load import Shot
from workers.pixels.camera_frames import bayer_rg8

_CHECKOUT = Path(__file__).resolve().parents[1]
_REAL = _CHECKOUT.parent / "shared" / "data" / "pcb" / "00_test.jpg"
_DRAWN = _CHECKOUT / "deploy" / "projects" / "board" / "references" / "board.png"
_BLOCK_PX = 16
_BITS = 16
_FIRST_MARK = 10_001  # five digits each: none is the beginning of another
_SHOTS = 8
_SEGMENTS = Path("/dev/shm")

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What cameras send and ask for; `form` is raw, bayer, jpeg, png or shared."""

    name: str
    form: str
    response: str = "context"

    def path(self, width_px: int, height_px: int, segment: str = "") -> str:
        """The request's target."""
        size = f"width={width_px}&height={height_px}"
        answer = "" if self.response == "context" else f"&response_type={self.response}&data=box"
        if self.form in {"jpeg", "png"}:
            return f"/analyze_image?{answer[1:]}" if answer else "/analyze_image"
        if self.form == "shared":
            return f"/analyze_image_shared_memory?name={segment}&{size}{answer}"
        return f"/analyze_raw_image?{size}{'&bayer' if self.form == 'bayer' else ''}{answer}"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("raw BGR", "raw"),
        Scenario("BayerRG8", "bayer"),
        Scenario("JPEG", "jpeg"),
        Scenario("PNG", "png"),
        Scenario("shared memory", "shared"),
        Scenario("image", "raw", "image"),
        Scenario("annotated", "raw", "annotated_image"),
        Scenario("heatmap", "raw", "heatmap"),
    )
}


def picture() -> str:
    """Say what the frames show: JPEG figures of a noisy photograph and of a smooth drawing cannot be compared."""
    return "a photograph of a board" if _REAL.exists() else "a drawn board"


def board(width_px: int, height_px: int) -> Image:
    """Return a board as (height, width, 3) BGR, uint8."""
    image = cv2.imread(str(_REAL if _REAL.exists() else _DRAWN), cv2.IMREAD_COLOR)
    assert image is not None
    return cast("Image", cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA))


def marked(image: Image, mark: int) -> Image:
    """Return a copy of `image` that carries `mark` (0 to 65,535)."""
    copy = image.copy()
    for bit in range(_BITS):
        value = 255 * (mark >> (_BITS - 1 - bit) & 1)
        copy[:_BLOCK_PX, bit * _BLOCK_PX : (bit + 1) * _BLOCK_PX] = value
    return copy


@contextmanager
def shots(
    scenario: Scenario, width_px: int = 1920, height_px: int = 1024, cameras: int = _SHOTS
) -> Iterator[Sequence[Shot]]:
    """Make the frames of a scenario; segments in shared memory, one a camera, live until the end of the block."""
    image = board(width_px, height_px)
    made: list[Shot] = []
    segments: list[Path] = []
    tail: memoryview | None = None  # the frames of a camera differ little: one body in the cache, but for the mark
    try:
        count = min(cameras, _SHOTS) if scenario.form == "shared" else _SHOTS
        for mark in range(_FIRST_MARK, _FIRST_MARK + count):
            frame = marked(image, mark)
            expects = f'"mark":{mark}'.encode()
            segment = ""
            if scenario.form in {"raw", "bayer"}:
                pixels = frame if scenario.form == "raw" else bayer_rg8(frame)
                tail = tail or memoryview(pixels[_BLOCK_PX:].tobytes())
                body: tuple[bytes | memoryview, ...] = (pixels[:_BLOCK_PX].tobytes(), tail)
            elif scenario.form == "shared":
                segments.append(_SEGMENTS / f"psm_{os.getpid() & 0xFFFF:04x}{mark & 0xFFFF:04x}")
                segments[-1].write_bytes(frame.tobytes())
                segment, body = segments[-1].name, ()
            else:
                quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if scenario.form == "jpeg" else []
                body = (cv2.imencode(f".{scenario.form}", frame, quality)[1].tobytes(),)
            made.append(Shot(scenario.path(width_px, height_px, segment), body, expects))
        yield made
    finally:
        for path in segments:
            path.unlink()
