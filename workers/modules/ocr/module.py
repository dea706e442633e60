"""The module `ocr`: reads printed lines in given boxes by a recognition model, and judges what they say.

    [[flow]]
    module = "ocr"

    [[flow.texts]]
    name = "lot"
    box = { x = 420, y = 300, width = 360, height = 60 }
    equals = "LOT {data}"

A box is cut out, its lines are found by their ink, and each is read. Where the model is not sure, it is read in other
ways, and the surest counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.context.placement import points_in_frame
from workers.errors import ProjectInvalid
from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.measured import keep_measured
from workers.modules.models.local import LocalNetwork, Sessions
from workers.modules.ocr.boxes import cut
from workers.modules.ocr.judging import Judge, Judged
from workers.modules.ocr.lines import Line, find_lines, whole_line
from workers.modules.ocr.options import model_in_wheel
from workers.modules.ocr.recognizer import Alphabet, ReadLine, Recognizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.ocr.options import OcrOptions, TextOptions

_SURE = 0.8  # what is read so surely is read in no other way
_DOTS_BLUR = 0.04  # sigma that joins dots for the model, of the ink's height
_LONGEST_LABEL = 60
_RIGHT: dict[str, Any] = {"id": 1, "color": "#009e73", "color_bgr": [115, 158, 0]}
_WRONG: dict[str, Any] = {"id": 2, "color": "#ff0000", "color_bgr": [0, 0, 255]}
_TURNED: Matrix = np.diag([-1.0, -1.0, 1.0])

# what is on packages in languages with Latin letters: ASCII, and what ISO 8859-1 has beside it
LATIN = "".join(map(chr, range(0x20, 0x7F))) + "°±µ£€ÄÖÜäöüßÀÂÇÉÈÊËÎÏÔÙÛàâçéèêëîïôùûÁÍÓÚÑáíóúñÅÆØåæøÃÕãõ"


def prepare(options: OcrOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    return on_run(Ocr(options, _recognizer(options, surroundings)), surroundings)


def _recognizer(options: OcrOptions, surroundings: ModuleSurroundings) -> Recognizer:
    """Return the model: all modules of a project share a session of it."""
    if options.file is not None:
        network = surroundings.shared(Sessions).of(options.file)
        return Recognizer(network, f"file: {options.file}")
    return surroundings.shared(_installed)


def _installed(_: Path) -> Recognizer:
    path = model_in_wheel()
    if path is None:
        msg = "ocr needs the model of rapidocr, which is not installed: pip install 'framemill[ocr]'"
        raise ProjectInvalid(msg)
    return Recognizer(LocalNetwork(path, path.name), f"the model {path.name}")


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read of a box in one way: each line, and the matrix, (3, 3), that takes it to the image."""

    lines: list[tuple[Line, Matrix, ReadLine]]

    @property
    def raw(self) -> str:
        """All lines, one behind the other."""
        return " ".join(read.text for *_, read in self.lines)

    @property
    def confidence(self) -> float:
        """How sure the least sure character is."""
        return min((read.confidence for *_, read in self.lines), default=0.0)

    @property
    def rank(self) -> float:
        """Which of two is surer: each character counts for it, and against it if it is less sure than not."""
        return sum(read.rank for *_, read in self.lines)


class _Text:
    """A text of the project."""

    def __init__(self, options: TextOptions, recognizer: Recognizer) -> None:
        self.options = options
        self.judge = Judge(options)
        self._recognizer = recognizer
        if options.characters is None:
            self._alphabet: Alphabet = recognizer.alphabet("".join(each for each in LATIN if recognizer.knows(each)))
        else:
            self._alphabet = recognizer.alphabet(options.characters)

    def read(self, image: NDArray[np.uint8], look_at_time: LookAtTime, until_ns: int) -> _Reading:
        """Return what its box in `image`, (h, w) or (h, w, 3) BGR, says; no other way is begun after `until_ns`."""
        grey, matrix = cut(image, self.options.box)
        best = self._surest(grey, matrix, look_at_time, until_ns)
        if self.options.upside_down == "try":
            height, width = grey.shape
            turned = matrix @ np.array([[1, 0, width], [0, 1, height], [0, 0, 1]], np.float64) @ _TURNED
            around = np.asarray(cv2.rotate(grey, cv2.ROTATE_180), np.uint8)
            other = self._surest(around, turned, look_at_time, until_ns)
            best = max(best, other, key=lambda each: each.rank)
        return best

    def _surest(self, grey: NDArray[np.uint8], matrix: Matrix, look_at_time: LookAtTime, until_ns: int) -> _Reading:
        best = _Reading([])
        for number, lines in enumerate(self._ways(grey)):
            if number and time.monotonic_ns() >= until_ns:
                break
            reading = self._read(lines, matrix, look_at_time)
            best = max(best, reading, key=lambda each: each.rank)
            if best.confidence >= _SURE:
                break
        return best

    def _ways(self, grey: NDArray[np.uint8]) -> Iterator[list[Line]]:
        """Yield the lines of `grey`, (h, w), as one after the other way of looking finds them."""
        options = self.options
        lines, dotted = find_lines(grey, options.ink, options.lines)
        if dotted:
            lines = [_smoothed(line) for line in lines]
        yield lines
        if options.ink == "auto":
            for ink in ("dark", "light"):
                again, _ = find_lines(grey, ink, options.lines)
                if again and lines and not np.array_equal(again[0].grey, lines[0].grey):
                    yield again
        if options.lines in {None, 1} and len(lines) < 2:
            yield [whole_line(grey)]

    def _read(self, lines: list[Line], matrix: Matrix, look_at_time: LookAtTime) -> _Reading:
        found = []
        for line in lines:
            look_at_time()
            read = self._recognizer.read(line.grey, self._alphabet)
            look_at_time()  # what the model computes cannot be broken off
            if read.text:
                found.append((line, matrix @ line.matrix, read))
        return _Reading(found)


class Ocr:
    """The module."""

    def __init__(self, options: OcrOptions, recognizer: Recognizer) -> None:
        self._options = options
        self._texts = []
        for number, text in enumerate(options.texts):
            try:
                self._texts.append(_Text(text, recognizer))
            except ProjectInvalid as mistake:
                msg = f"texts[{number}].{mistake.message}"
                raise ProjectInvalid(msg) from None

    def __call__(self, context: Context, run: Run) -> None:
        """Read in `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        until_ns = time.monotonic_ns() + self._options.time_ms * 1_000_000
        values: dict[str, Any] = {}
        right = True
        for text in self._texts:
            reading = text.read(context["image"], run.look_at_time, until_ns)
            judged = text.judge.judge(reading.raw, reading.confidence, context, run.look_at_time)
            right &= not judged.why
            values[text.options.name] = _values(reading, judged, run.placement)
            context["detectedRectangles"] += _rectangles(text.options, reading, judged)
        keep_measured(context, "ocr", self._options.name, values)
        if any(text.options.judges for text in self._texts):
            context["result"] = right


def _smoothed(line: Line) -> Line:
    """Return `line` with its dots grown together."""
    sigma_px = max(0.5, _DOTS_BLUR * (line.ink[3] - line.ink[1]))
    return Line(np.asarray(cv2.GaussianBlur(line.grey, (0, 0), sigma_px), np.uint8), line.matrix, line.ink)


def _values(reading: _Reading, judged: Judged, placement: Matrix | None) -> dict[str, Any]:
    """Return what goes into the context: corners are those of the frame."""
    values: dict[str, Any] = {
        "text": judged.text,
        "raw": reading.raw,
        "confidence": round(reading.confidence, 4),
        "fits": not judged.why,
    }
    if judged.why:
        values["why"] = judged.why
    if judged.date is not None:
        values |= {"date": judged.date, "days": judged.days}
    values["lines"] = [
        {
            "text": read.text,
            "confidence": round(read.confidence, 4),
            "corners": [{"x": x, "y": y} for x, y in _corners(line, matrix, placement).tolist()],
        }
        for line, matrix, read in reading.lines
    ]
    return values


def _corners(line: Line, matrix: Matrix, placement: Matrix | None = None) -> NDArray[np.float64]:
    """Return the corners, (4, 2) px, of the ink of `line`: upper left first, clockwise as one reads it."""
    left, top, right, lower = line.ink
    corners = np.array([[left, top], [right, top], [right, lower], [left, lower]], np.float64)
    return points_in_frame(corners, matrix if placement is None else placement @ matrix)


def _rectangles(options: TextOptions, reading: _Reading, judged: Judged) -> list[dict[str, Any]]:
    """Return a rectangle for each line, or one of the box where something should be there and is not."""
    look = _WRONG if judged.why else _RIGHT
    if not reading.lines:
        box = options.box
        if box is None or not judged.why:
            return []
        place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rotate": box.angle}
        return [{**place, "classNames": [{**look, "label": f"{options.name}: nothing read"}]}]
    alone = judged.text if len(reading.lines) == 1 else None
    return [_rectangle(line, matrix, read, look, alone) for line, matrix, read in reading.lines]


def _rectangle(line: Line, matrix: Matrix, read: ReadLine, look: dict[str, Any], text: str | None) -> dict[str, Any]:
    corners = _corners(line, matrix)
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    width, height = (float(np.hypot(*side)) for side in (across, down))
    x, y = corners.mean(axis=0).tolist()
    label = read.text if text is None else text
    return {
        "x": x - width / 2,
        "y": y - height / 2,
        "width": width,
        "height": height,
        "rotate": float(np.degrees(np.arctan2(across[1], across[0]))),
        "confidence": round(read.confidence, 4),
        "classNames": [
            {**look, "label": label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 3]}..."}
        ],
    }
