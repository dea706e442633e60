"""Make the picture of docs/drawn_defects.md anew: `.venv/bin/python docs/pictures/defects.py`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
SIDE_PX, GAP_PX, HEAD_PX = 220, 6, 30
WHITE = 255
FIRST = 50  # seed

Picture = NDArray[np.uint8]

# kind, size and contrast
SHOWN = (
    ("scratch", 0.6, 0.55),
    ("spot", 0.25, 0.6),
    ("dent", 0.45, 0.45),
    ("missing_piece", 0.4, 0.6),
    ("smear", 0.7, 0.4),
)


def brushed() -> Picture:
    """Brushed metal: (SIDE_PX, SIDE_PX) grey."""
    rng = np.random.default_rng(4)
    lines = cv2.GaussianBlur(rng.normal(0, 22, (SIDE_PX, SIDE_PX)).astype(np.float32), (0, 0), sigmaX=0.6, sigmaY=28)
    glow = cv2.GaussianBlur(rng.normal(0, 800, (SIDE_PX, SIDE_PX)).astype(np.float32), (0, 0), 40)
    metal = 150 + 7 * lines + glow + rng.normal(0, 4, (SIDE_PX, SIDE_PX))
    return np.clip(metal, 0, 255).astype(np.uint8)


def board() -> Picture:
    """A part of the example board: (SIDE_PX, SIDE_PX, 3) BGR."""
    path = FOLDER.parents[1] / "deploy" / "projects" / "board" / "samples" / "ok_1.jpg"
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.ascontiguousarray(picture[330 : 330 + SIDE_PX, 560 : 560 + SIDE_PX], np.uint8)


def main() -> None:
    """A column for each kind, a row for each surface."""
    sys.path.insert(0, str(FOLDER.parents[1]))
    from workers.training.drawing import draw_defect  # noqa: PLC0415 - found by now

    middle = np.zeros((SIDE_PX, SIDE_PX), np.bool_)
    middle[12:-12, 12:-12] = True
    step = SIDE_PX + GAP_PX
    sheet = np.full((HEAD_PX + 2 * step - GAP_PX, len(SHOWN) * step - GAP_PX, 3), WHITE, np.uint8)
    for column, (kind, size, contrast) in enumerate(SHOWN):
        x = column * step
        cv2.putText(sheet, kind, (x + 2, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (60, 50, 40), 1, cv2.LINE_AA)
        for row, surface in enumerate((brushed(), board())):
            tries = (
                draw_defect(surface, kind, seed, size_share=size, contrast=contrast)
                for seed in itertools.count(FIRST + row)
            )
            # the first one that is whole in the picture
            drawn = next(one.image for one in tries if not (one.mask & ~middle).any())
            y = HEAD_PX + row * step
            shown = drawn if drawn.ndim == 3 else cv2.cvtColor(drawn, cv2.COLOR_GRAY2BGR)
            sheet[y : y + SIDE_PX, x : x + SIDE_PX] = shown
    cv2.imwrite(str(FOLDER / "drawn_defects.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
