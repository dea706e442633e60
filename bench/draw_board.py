"""Draws the printed board of the example project: its golden image, and samples of good and bad boards.

    python -m bench.draw_board deploy/projects/board

writes `references/board.png` and `samples/*.jpg` below that folder. Nothing is random but the sensor's noise,
which has a fixed seed for each sample, so every run gives the same pixels. Coordinates are px of the
1920x1024 image.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bench.board_parts import (
    BLACK_PLASTIC,
    CERAMIC,
    HEIGHT_PX,
    SOLDER,
    WIDTH_PX,
    Defect,
    Sheet,
    can,
    chip,
    crystal,
    dual_package,
    header,
    quad_package,
    shade,
)

if TYPE_CHECKING:
    from bench.board_parts import Image


@dataclass(frozen=True)
class Camera:
    """How a sample was taken: moved by a part of a pixel, brighter or darker, with noise of this seed."""

    shift_px: tuple[float, float]
    gain: float
    seed: int


def mechanics(sheet: Sheet) -> None:
    """Drill the mounting holes and put fiducials, ground vias and the USB socket."""
    for center in ((96, 92), (1824, 92), (96, 932), (1824, 932)):
        sheet.via(center, radius=34, hole=22)
    for center in ((1650, 90), (180, 934), (1570, 934)):
        sheet.via(center, radius=9, hole=0)
    for x in range(190, 1780, 84):
        sheet.ground_via((x, 62))
        sheet.ground_via((x, 970))
    for y in (190, 270, 350, 630, 710, 790):
        sheet.ground_via((62, y))
    for y in range(190, 860, 80):
        sheet.ground_via((1860, y))
    sheet.body((20, 410, 150, 160), shade(SOLDER, -22))
    for y in (440, 526):
        sheet.body((70, y, 40, 14), (70, 70, 70))
    for i in range(5):
        sheet.lead(170, 445 + 20 * i, 26, 10)
    sheet.print("USB", (60, 394))


def logic(sheet: Sheet) -> None:
    """Place the controller, its crystal, headers and series resistors, with the bundles of traces between them."""
    for i in range(10):
        bend = 130 if i in {4, 5} else 40 + 18 * min(i, 9 - i)
        sheet.route((1040, 408 + 20 * i), (1750, 318 + 40 * i), bend)
    for i in range(8):
        sheet.drop((830 + 20 * i, 640), (760 + 40 * i, 930), 30 + 16 * min(i, 7 - i))
    for i in range(5):
        sheet.route((760, 430 + 20 * i), (190, 450 + 20 * i), 200)
    for x, goal_x in ((830, 806), (890, 894)):
        sheet.drop((x, 360), (goal_x, 190), 40)
    for i in range(4):
        pin_x, lead_x, y = 950 + 20 * i, 1252 + 32 * i, 246 + 13 * i
        sheet.trace([(pin_x, 350), (pin_x, y + 12), (pin_x + 12, y), (lead_x - 12, y), (lead_x, y - 12), (lead_x, 215)])
    quad_package(sheet, (900, 500), 136, 12, 20)
    sheet.print("U1", (748, 356))
    header(sheet, "J2", (1750, 318), 2, 10)
    header(sheet, "J3", (760, 930), 8, 1)
    crystal(sheet, (850, 210))
    for i in range(10):
        chip(sheet, f"R{i + 1}", (1290 + 190 * (i % 2), 318 + 40 * i), BLACK_PLASTIC, "220")


def power(sheet: Sheet) -> None:
    """Place the supply on the left: terminal, regulator and capacitors, with wide traces."""
    sheet.trace([(300, 230), (300, 300), (620, 300), (730, 410), (770, 410)], width=10)
    sheet.trace([(450, 230), (450, 300)], width=10)
    sheet.trace([(120, 680), (362, 680), (402, 720)], width=10)
    sheet.trace([(498, 722), (498, 690), (598, 590), (770, 590)], width=10)
    can(sheet, "C1", (300, 190), 56)
    can(sheet, "C2", (450, 190), 56)
    dual_package(sheet, "U3", (450, 770), "3V3 1A")
    for i, center in enumerate(((600, 150), (600, 220), (690, 150), (690, 220))):
        chip(sheet, f"C{i + 3}", center, CERAMIC)
    for i, center in enumerate(((250, 830), (330, 890), (250, 900))):
        chip(sheet, f"C{i + 7}", center, CERAMIC)
    header(sheet, "J1", (120, 680), 1, 4)


def memory(sheet: Sheet) -> None:
    """Place what stands on the right above and below the wide bundle: memory, lamps, and the board's name."""
    for i in range(4):
        x = 1252 + 32 * i
        for end in (744 - 18 * (i % 2), 906 + 18 * (i % 2)):
            sheet.trace([(x, 830), (x, end)])
            sheet.via((x, end))
    dual_package(sheet, "U2", (1300, 170), "FLASH")
    dual_package(sheet, "U4", (1300, 830), "RS485")
    for i in range(4):
        center = (1480 + 80 * (i % 2), 150 + 70 * (i // 2))
        chip(sheet, f"C{i + 10}", center, CERAMIC)
    for i, color in enumerate(((70, 200, 90), (70, 200, 90), (60, 190, 230), (60, 70, 220))):
        chip(sheet, f"D{i + 1}", (1460 + 80 * i, 800), color)
        chip(sheet, f"R{i + 11}", (1460 + 80 * i, 870), BLACK_PLASTIC, "470")
        sheet.trace([(1460 + 80 * i - 22, 800), (1460 + 80 * i - 22, 870)])
    sheet.print("FRAMEMILL", (230, 616), size=34, weight=700)
    sheet.print("EXAMPLE BOARD  REV A", (230, 644), size=18)


def draw_board(defect: Defect) -> Image:
    """Return the board with `defect`, (1024, 1920, 3) uint8 BGR, as the golden image shows it: sharp, without noise."""
    sheet = Sheet(defect)
    for group in (mechanics, logic, power, memory):
        group(sheet)
    return sheet.finish()


def photograph(board: Image, camera: Camera) -> Image:
    """Return `board` as `camera` sees it."""
    move = np.array([[1, 0, camera.shift_px[0]], [0, 1, camera.shift_px[1]]], np.float64)
    moved = cv2.warpAffine(board, move, (WIDTH_PX, HEIGHT_PX), borderMode=cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(camera.seed).normal(0, 2, moved.shape)
    seen: Image = np.clip(np.rint(moved * camera.gain + noise), 0, 255).astype(np.uint8)
    return seen


SAMPLES = {
    "ok_1": (Defect(), Camera((0.6, -0.4), 1.0, seed=1)),
    "ok_2": (Defect(), Camera((-1.6, 1.2), 1.08, seed=2)),
    "open_trace": (
        Defect(missing_copper=((1387, 390), (1407, 390), (1412, 407), (1393, 407))),
        Camera((0.8, 0.5), 0.97, seed=3),
    ),
    "short": (
        Defect(extra_copper=(((1598, 556), (1606, 556), (1609, 578), (1605, 600), (1597, 600), (1600, 577)),)),
        Camera((-0.7, 0.9), 1.04, seed=4),
    ),
    "missing_component": (Defect(missing_part="C11"), Camera((1.1, -0.8), 1.02, seed=5)),
    "spur": (
        Defect(extra_copper=(((1362, 636), (1384, 636), (1378, 652), (1371, 657)),)),
        Camera((-0.5, -1.1), 0.95, seed=6),
    ),
}


def main(project: Path) -> None:
    """Write the golden image and all samples below `project`."""
    for folder in ("references", "samples"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    golden = cv2.imencode(".png", draw_board(Defect()), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    (project / "references" / "board.png").write_bytes(golden.tobytes())
    for name, (defect, camera) in SAMPLES.items():
        sample = cv2.imencode(".jpg", photograph(draw_board(defect), camera), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        (project / "samples" / f"{name}.jpg").write_bytes(sample.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
