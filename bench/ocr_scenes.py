"""Frames with printed lines whose text and place are known: in several fonts, solid or in dots, turned, weak, inverted.

Fonts are those that installed packages bring, so that none lies here: the one that OpenCV 5 has (Rubik), the one that
Pillow has inside (Aileron), and what matplotlib comes with (DejaVu, STIX, cmtt). Who measures `ocr` and who tests it
draw by this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SIZE = (1024, 1920)
_FINE_PX = 96  # height of capital letters as they are drawn, before they are brought to their size
_MARGIN_PX = 48
_DOT_ROWS = 7  # of dots in a capital letter, as most ink jets print
_DOTS_APART = 0.06  # sigma by which a drop misses its place, in distances of dots


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be drawn: `text` in a `font` of FONTS, its middle at `x` and `y`, turned by `degrees` clockwise.

    Capital letters are `height_px` high. `levels` are of light and dark, `inverted` exchanges them. `blur_px` is a
    sigma. In `dots` it is printed with dots of that diameter, in their distance.
    """

    text: str
    font: str = "sans"
    x: float = 960.0
    y: float = 512.0
    degrees: float = 0.0
    height_px: float = 32.0
    blur_px: float = 0.6
    levels: tuple[float, float] = (200.0, 50.0)
    inverted: bool = False
    dots: float = 0.0

    def fine(self) -> Image:
        """Return its ink as drawn, (h, w): 255 is ink."""
        return _dotted(self.text, self.dots) if self.dots else FONTS[self.font](self.text)

    @property
    def size_px(self) -> tuple[float, float]:
        """Its width and height with some margin, px of the frame."""
        height, width = self.fine().shape
        return width * self.height_px / _FINE_PX, height * self.height_px / _FINE_PX


def box_of(line: Line) -> dict[str, float]:
    """Return the box around `line` as a project would have it, px."""
    width, height = (round(side) for side in line.size_px)
    left, top = round(line.x - width / 2), round(line.y - height / 2)
    return {"x": left, "y": top, "width": width, "height": height, "angle": line.degrees}


def scene(lines: tuple[Line, ...], size: tuple[int, int] = SIZE, noise: float = 4.0, seed: int = 0) -> Image:
    """Return a frame, (h, w) grey, with `lines` on a surface that is not lit evenly; `noise` is a sigma in levels."""
    random = np.random.default_rng(seed)
    height, width = size
    frame = np.full(size, 128.0, np.float32)
    for line in lines:
        _draw(frame, line)
    coarse = random.normal(1.0, 0.06, (5, 8)).astype(np.float32)
    frame *= cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    frame += random.normal(0, noise, size).astype(np.float32)
    seen: Image = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
    return seen


def _draw(frame: NDArray[np.float32], line: Line) -> None:
    """Draw `line` on a label of its own into `frame`, (h, w)."""
    fine = line.fine()
    height, width = fine.shape
    scale = line.height_px / _FINE_PX
    turn = np.deg2rad(line.degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    matrix = np.column_stack([rotation, (line.x, line.y) - rotation @ (width / 2, height / 2)])
    light, dark = line.levels if not line.inverted else line.levels[::-1]
    # what a pixel sees is the mean over it: the fine picture is smoothed before it is sampled
    smooth = cv2.GaussianBlur(fine, (0, 0), max(0.4 / scale, 0.3))
    size = (frame.shape[1], frame.shape[0])
    around = np.full(fine.shape, 255, np.uint8)
    ink, label = (
        np.asarray(cv2.warpAffine(each, matrix, size, flags=cv2.INTER_LINEAR), np.float32) / 255
        for each in (smooth, around)
    )
    if line.blur_px:
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), line.blur_px), np.float32)
    frame += label * (light + (dark - light) * ink - frame)


def _margined(ink: Image) -> Image:
    """Return `ink`, (h, w), cut to its sides and with a margin; rows stay where they are to each other."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(cut, _MARGIN_PX)


def _stroked(text: str, thickness: int) -> Image:
    """Return `text` as OpenCV writes it, (h, w)."""
    face = cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(face, _FINE_PX, thickness)
    (width, height), below = cv2.getTextSize(text, face, scale, thickness)
    drawn = np.zeros((height + below + 2 * _FINE_PX, width + 2 * _FINE_PX), np.uint8)
    cv2.putText(drawn, text, (_FINE_PX, height + _FINE_PX), face, scale, 255, thickness, cv2.LINE_AA)
    return _margined(drawn)


def _outlined(text: str, file: str | None) -> Image:
    """Return `text` as a font that packages bring has it, (h, w); without a file as Pillow's own."""
    from PIL import Image as Pillow  # noqa: PLC0415 - packages of development
    from PIL import ImageDraw  # noqa: PLC0415

    font = _font(file)
    left, top, right, lower = font.getbbox(text)
    page = Pillow.new("L", (round(right - left) + 8, round(lower - top) + 8))
    ImageDraw.Draw(page).text((4 - left, 4 - top), text, fill=255, font=font)
    return _margined(np.array(page))


@cache
def _font(file: str | None) -> Any:
    from PIL import ImageFont  # noqa: PLC0415

    size = _FINE_PX / 0.72  # capital letters are about so high
    if file is None:
        return ImageFont.load_default(size)
    import matplotlib  # noqa: PLC0415, ICN001 - for its fonts alone

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file), size)


def _dotted(text: str, diameter: float) -> Image:
    """Return `text` in dots, (h, w), 7 rows of them a letter, `diameter` in distances of dots."""
    distance = _FINE_PX / _DOT_ROWS
    random = np.random.default_rng(len(text))
    width = 6 * len(text)
    drawn = np.zeros((round(_DOT_ROWS * distance) + 2, round(width * distance) + 2), np.uint8)
    for number, letter in enumerate(text):
        for row, bits in enumerate(_DOTS.get(letter, _DOTS["?"])):
            for column in range(5):
                if bits >> (4 - column) & 1:
                    at = np.array([number * 6 + column + 0.5, row + 0.5]) + random.normal(0, _DOTS_APART, 2)
                    centre = (round(at[0] * distance * 16), round(at[1] * distance * 16))
                    cv2.circle(drawn, centre, round(diameter * distance / 2 * 16), 255, -1, cv2.LINE_AA, 4)
    return _margined(drawn)


# rows of five dots, from above
_DOTS: Mapping[str, tuple[int, ...]] = {
    letter: tuple(int(row, 32) for row in rows.split())
    for letter, rows in {
        "0": "e h j l p h e", "1": "4 c 4 4 4 4 e", "2": "e h 1 2 4 8 v", "3": "v 2 4 2 1 h e", "4": "2 6 a i v 2 2",
        "5": "v g u 1 1 h e", "6": "6 8 g u h h e", "7": "v 1 2 4 8 8 8", "8": "e h h e h h e", "9": "e h h f 1 2 c",
        "A": "e h h v h h h", "B": "u h h u h h u", "C": "e h g g g h e", "D": "s i h h h i s", "E": "v g g u g g v",
        "F": "v g g u g g g", "G": "e h g n h h f", "H": "h h h v h h h", "I": "e 4 4 4 4 4 e", "J": "7 2 2 2 2 i c",
        "K": "h i k o k i h", "L": "g g g g g g v", "M": "h r l l h h h", "N": "h h p l j h h", "O": "e h h h h h e",
        "P": "u h h u g g g", "Q": "e h h h l i d", "R": "u h h u k i h", "S": "f g g e 1 1 u", "T": "v 4 4 4 4 4 4",
        "U": "h h h h h h e", "V": "h h h h h a 4", "W": "h h h l l l a", "X": "h h a 4 a h h", "Y": "h h a 4 4 4 4",
        "Z": "v 1 2 4 8 g v", " ": "0 0 0 0 0 0 0", ".": "0 0 0 0 0 c c", "-": "0 0 0 v 0 0 0", "/": "0 1 2 4 8 g 0",
        ":": "0 c c 0 c c 0", "?": "e h 1 2 4 0 4",
    }.items()
}  # fmt: skip

FONTS: Mapping[str, Callable[[str], Image]] = {
    "rubik": partial(_stroked, thickness=11),
    "rubik bold": partial(_stroked, thickness=16),
    "aileron": partial(_outlined, file=None),
    "sans": partial(_outlined, file="DejaVuSans.ttf"),
    "sans bold": partial(_outlined, file="DejaVuSans-Bold.ttf"),
    "mono": partial(_outlined, file="DejaVuSansMono.ttf"),
    "serif": partial(_outlined, file="DejaVuSerif.ttf"),
    "times": partial(_outlined, file="STIXGeneral.ttf"),
    "typewriter": partial(_outlined, file="cmtt10.ttf"),
    "oblique": partial(_outlined, file="DejaVuSans-Oblique.ttf"),
}
