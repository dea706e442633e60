"""Draws the example project that reads: labels with a Data Matrix code, and a date and a lot printed by an ink jet.

    python -m bench.draw_label deploy/projects/label

writes `samples/*.jpg` below that folder: frames of 1280x800 in which a label lies a little moved and turned. Nothing is
random but the sensor's noise and where drops fall, which have fixed seeds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.codes_scenes import Code
from bench.ocr_scenes import Line

WIDTH_PX, HEIGHT_PX = 1280, 800
_FINER = 2
_LABEL = (620, 1060)  # height and width, px of the frame
_BELT, _PAPER, _INK, _JET = (96, 88, 82), (228, 232, 234), (70, 40, 36), (58, 52, 50)

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Label:
    """A label: what its code says, what is printed, how it lies, and whether somebody has smeared the print."""

    expiry: str = "2031-08-12"
    lot: str = "A4711B"
    printed_expiry: str = "12.08.2031"
    printed_lot: str = "A4711B"
    moved_px: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    smeared: bool = False

    @property
    def code(self) -> str:
        """What its code says, by GS1."""
        return f"(01)04006381333931(17){self.expiry[2:].replace('-', '')}(10){self.lot}"


SAMPLES = {
    "ok_1": Label(),
    "ok_2": Label("2031-11-30", "B0880C", "30.11.2031", "B0880C", (11.3, -7.6), 1.6),
    "wrong_date": Label(printed_expiry="12.03.2031", moved_px=(-8.2, 5.1), degrees=-1.2),
    "wrong_lot": Label(printed_lot="A4771B", moved_px=(4.4, 6.8), degrees=0.7),
    "smeared": Label(moved_px=(-5.0, -4.2), degrees=-0.5, smeared=True),
}


def _put(
    label: NDArray[np.float32], ink: Picture, at: tuple[float, float], scale: float, color: tuple[int, int, int]
) -> None:
    """Print `ink`, (h, w), scaled and with its upper left corner there, on `label`, (h, w, 3)."""
    matrix = np.array([[scale, 0, at[0] * _FINER], [0, scale, at[1] * _FINER]])
    fine = cv2.GaussianBlur(ink, (0, 0), max(0.4 / scale, 0.3))
    share = cv2.warpAffine(fine, matrix, (label.shape[1], label.shape[0]), flags=cv2.INTER_LINEAR)
    label += share[..., None].astype(np.float32) / 255 * (np.array(color, np.float32) - label)


def _flat(label: Label) -> NDArray[np.float32]:
    """Return a label as it lies before a camera that is very near, (h, w, 3) BGR."""
    height, width = _LABEL
    paper = np.empty((height * _FINER, width * _FINER, 3), np.float32)
    paper[:] = _PAPER

    def write(text: str, x: float, y: float, height_px: float, font: str = "aileron") -> None:
        _put(paper, Line(text, font).fine(), (x, y), height_px * _FINER / 96, _INK)

    cv2.rectangle(paper, (0, 0), (width * _FINER, 96 * _FINER), _INK, -1)
    _put(paper, Line("FRAMEMILL  PUMP SEALS", "rubik bold").fine(), (16, 10), 38 * _FINER / 96, _PAPER)
    write("Nitrile rubber, 24 pieces", 24, 110, 26)
    write("Store below 25 degrees, dry and dark", 24, 160, 20)
    for row, name in enumerate(("EXP", "LOT")):
        write(name, 24, 322 + 120 * row, 34, "rubik bold")
        top = (300 + 120 * row) * _FINER
        cv2.rectangle(paper, (150 * _FINER, top), (640 * _FINER, top + 92 * _FINER), _INK, 3, cv2.LINE_AA)
    code = 255 - Code("DataMatrix", label.code, gs1=True).fine()
    _put(paper, code, (700, 250), 9 * _FINER / 8, _INK)
    jet = np.zeros(paper.shape[:2], np.float32)
    for row, text in enumerate((label.printed_expiry, label.printed_lot)):
        ink = Line(text, dots=0.86).fine()
        matrix = np.array([[40 / 96 * _FINER, 0, 160 * _FINER], [0, 40 / 96 * _FINER, (306 + 120 * row) * _FINER]])
        jet += cv2.warpAffine(ink, matrix, (jet.shape[1], jet.shape[0]), flags=cv2.INTER_AREA)
    if label.smeared:
        wiped = cv2.blur(jet, (120 * _FINER, 14 * _FINER)) * 1.5
        jet[: 400 * _FINER] = (0.12 * jet + wiped)[: 400 * _FINER]
    paper += np.clip(jet, 0, 255)[..., None] / 255 * (np.array(_JET, np.float32) - paper)
    return paper


def photograph(label: Label, seed: int) -> Picture:
    """Return what the camera sees, (h, w, 3) BGR."""
    paper = _flat(label)
    turn = np.radians(label.degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([WIDTH_PX / 2, HEIGHT_PX / 2]) + label.moved_px
    away = middle * _FINER - rotation @ (np.array(_LABEL[::-1]) * _FINER / 2)
    matrix, size = np.column_stack([rotation, away]), (WIDTH_PX * _FINER, HEIGHT_PX * _FINER)
    seen = np.asarray(cv2.warpAffine(paper, matrix, size, flags=cv2.INTER_LINEAR, borderValue=_BELT), np.float32)
    small = cv2.GaussianBlur(cv2.resize(seen, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), (0, 0), 0.7)
    y, x = np.mgrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
    lit = small * (1 - 0.1 * (x**2 + y**2) + 0.04 * x)[..., None]
    noise = np.random.default_rng(seed).normal(0, 2.5, small.shape)
    return np.asarray(np.clip(np.rint(lit + noise), 0, 255), np.uint8)


def sample(name: str) -> Picture:
    """Return a sample, (h, w, 3) BGR."""
    return photograph(SAMPLES[name], list(SAMPLES).index(name) + 1)


def write_frame(path: Path, frame: Picture) -> None:
    """Write a frame, (h, w, 3), as the project has it."""
    path.write_bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


def main(project: Path) -> None:
    """Write all samples below `project`."""
    (project / "samples").mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        write_frame(project / "samples" / f"{name}.jpg", sample(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
