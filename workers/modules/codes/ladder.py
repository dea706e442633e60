"""The attempts at one picture, cheap ones first: each a picture to read, and how it lies in the one that was given.

    pieces --as they are, upright, inverted--> whole --as it is--> pieces --sharpened, smoothed, coarser-->
    whole --inverted, contrast, turned, larger, smaller-->

Most codes are read in the first step: a piece is a small picture, and bars are upright there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import cv2
import numpy as np

from workers.modules.codes.formats import LINEAR, MATRIX, stacked_of
from workers.modules.codes.places import Grey, Matrix, Piece, find_places
from workers.modules.codes.reading import Code, Reader, agreeing
from workers.modules.codes.sharpening import BARS_ROWS, FINER, bars_restored, bars_sharpened, sharpened

# blurs that are tried, sigma in px, with noise beside the signal
_BARS_BLURS = ((1.2, 0.01), (2.4, 0.0001))
_BARS_RESTORED_PX = (1.8, 2.4)
_BLURS = ((1.2, 0.03), (1.8, 0.01), (2.4, 0.001), (2.4, 0.003))
_TURNS_DEGREES = (45.0, 22.5, -22.5, 67.5)
_MOST_ENLARGED_PX = 6_000_000
_MOST_SHARPENED_PX = 600_000  # a code in a larger piece has modules that no such blur hides
_LEAST_COARSE_PX = 64

_LEAST_ROWS_PX = 5

_Given = Callable[[Grey], tuple[Grey, Matrix]]
_Bars = Callable[[Grey], Grey]
_Turn = Callable[[Piece], Piece]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A picture that is made of the given one when it is asked for: `size_px` pixels, with a matrix, (3, 3).

    It is made for `reader`. Where there is a `second` one, both must say the same: bars that were averaged have no rows
    that could contradict each other. Of a `piece` that has been read nothing more is tried. What has the same `step`
    belongs together.
    """

    step: int
    reader: Reader
    size_px: int
    make: Callable[[], tuple[Grey, Matrix]]
    piece: Piece | None = None
    second: Callable[[], tuple[Grey, Matrix]] | None = None

    def read(self) -> list[Code]:
        """Make it and return what is read, in px of the given picture."""
        grey, matrix = self.make()
        found = [code for code in self.reader.read(grey) if self.piece is None or _has_rows(code)]
        if found and self.second is not None:
            found = agreeing(found, self.reader.read(self.second()[0]))
        return [code.placed(matrix) for code in found]


class Ladder:
    """The attempts at codes of some formats."""

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        self._bars = Reader(name for name in names if name in LINEAR)
        self._stacked = Reader(stacked_of(names))
        self._patterns = Reader(name for name in names if name in MATRIX)
        self._rows = Reader(name for name in names if name not in MATRIX)
        self._all = Reader(names)

    def attempts(self, grey: Grey) -> Iterator[Attempt]:
        """Yield the attempts at `grey`, (h, w)."""
        places = find_places(grey)
        bars = places.bars if self._bars else ()
        stacked = places.stacked if self._stacked else ()
        aligned = cache(lambda piece: piece.aligned(grey))
        upright = places.upright if self._patterns else ()
        for piece in upright:
            yield _of_piece(1, self._patterns, grey, piece, _as_it_is)
        for piece in bars:
            yield _of_piece(1, self._bars, grey, piece, _as_it_is)
            yield _of_piece(1, self._bars, grey, piece, _inverted)
        for turn, step in ((_as_lies, 1), (aligned, 2)):
            for piece in stacked:
                yield _of_piece(step, self._stacked, grey, piece, _as_it_is, turn=turn)
                yield _of_piece(step, self._stacked, grey, piece, _inverted, turn=turn)
        yield Attempt(3, self._all, grey.size, lambda: (grey, np.eye(3)))
        yield from self._of_pieces(grey, bars, stacked, upright, turn=aligned)
        yield from self._of_whole(grey)

    def _of_pieces(
        self, grey: Grey, bars: Iterable[Piece], stacked: Iterable[Piece], upright: Iterable[Piece], *, turn: _Turn
    ) -> Iterator[Attempt]:
        """Yield what is tried of pieces that nothing was read in."""
        for number, bars_way in enumerate(_of_bars(), 4):
            for piece in bars:
                yield _of_bars_piece(number, self._bars, grey, piece, bars_way)
                yield _of_bars_piece(number, self._bars, grey, piece, _then_inverted(bars_way))
        for number, way in enumerate([*(_sharpened(*blur) for blur in _BLURS), _smoothed, _coarser], 10):
            finer = FINER if number < 10 + len(_BLURS) else 1
            most_px = _MOST_SHARPENED_PX if finer > 1 else math.inf
            for piece in (each for each in upright if each.width * each.height <= most_px):
                yield _of_piece(number, self._patterns, grey, piece, way, finer=finer)
            for piece in (each for each in stacked if each.width * each.height <= most_px):
                yield _of_piece(number, self._stacked, grey, piece, way, finer=finer, turn=turn)
                yield _of_piece(number, self._stacked, grey, piece, _then(way, _inverted), finer=finer, turn=turn)

    def _of_whole(self, grey: Grey) -> Iterator[Attempt]:
        """Yield what is tried of the whole picture at last."""
        height, width = grey.shape
        whole = Piece(width / 2, height / 2, width, height)
        if self._rows:
            yield _of_whole(20, self._rows, grey, _inverted)
        yield _of_whole(21, self._all, grey, _contrast)
        for number, degrees in enumerate(_TURNS_DEGREES if self._rows else (), 22):
            turned = whole.turned(degrees)
            for way in (_as_it_is, _inverted):
                yield Attempt(number, self._rows, round(turned.width * turned.height), _cutting(grey, turned, way))
        if grey.size * FINER**2 <= _MOST_ENLARGED_PX:
            yield Attempt(30, self._all, grey.size * FINER**2, lambda: _enlarged(grey))
        yield _of_whole(31, self._all, grey, _smoothed)
        yield _of_whole(32, self._all, grey, _coarser)


def _of_piece(
    step: int, reader: Reader, grey: Grey, piece: Piece, way: _Given, *, finer: int = 1, turn: _Turn | None = None
) -> Attempt:
    """Return the attempt at `piece` of `grey`, (h, w), after `turn`, by `way`, which makes it so much `finer`."""

    def make() -> tuple[Grey, Matrix]:
        return _cutting(grey, turn(piece) if turn else piece, way)()

    return Attempt(step, reader, round(piece.width * piece.height) * finer**2, make, piece)


def _as_lies(piece: Piece) -> Piece:
    return piece


def _of_whole(step: int, reader: Reader, grey: Grey, way: _Given) -> Attempt:
    return Attempt(step, reader, grey.size, lambda: way(grey))


def _cutting(grey: Grey, piece: Piece, way: _Given) -> Callable[[], tuple[Grey, Matrix]]:
    def make() -> tuple[Grey, Matrix]:
        cut, place = piece.cut(grey)
        made, within = way(cut)
        return made, place @ within

    return make


def _then(first: _Given, second: _Given) -> _Given:
    def way(grey: Grey) -> tuple[Grey, Matrix]:
        made, within = first(grey)
        last, place = second(made)
        return last, within @ place

    return way


def _as_it_is(grey: Grey) -> tuple[Grey, Matrix]:
    return grey, np.eye(3)


def _inverted(grey: Grey) -> tuple[Grey, Matrix]:
    return np.asarray(cv2.bitwise_not(grey), np.uint8), np.eye(3)


def _contrast(grey: Grey) -> tuple[Grey, Matrix]:
    return np.asarray(cv2.createCLAHE(6.0, (16, 9)).apply(grey), np.uint8), np.eye(3)


def _smoothed(grey: Grey) -> tuple[Grey, Matrix]:
    """Return `grey`, (h, w), without what is noise: dots of a printer or a needle grow together."""
    return np.asarray(cv2.GaussianBlur(cv2.medianBlur(grey, 3), (0, 0), 1.5), np.uint8), np.eye(3)


def _coarser(grey: Grey) -> tuple[Grey, Matrix]:
    """Return `grey`, (h, w), at a third of its size, if there is something left of it then."""
    if min(grey.shape) < _LEAST_COARSE_PX:
        return _as_it_is(grey)
    size = (grey.shape[1] // 3, grey.shape[0] // 3)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), _scaled(grey.shape[1] / size[0], grey.shape[0] / size[1])


def _enlarged(grey: Grey) -> tuple[Grey, Matrix]:
    large = cv2.resize(grey, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.uint8), _scaled(1 / FINER, 1 / FINER)


def _sharpened(sigma_px: float, noise: float) -> _Given:
    return lambda grey: (sharpened(grey, sigma_px, noise), _scaled(1 / FINER, 1 / FINER))


def _of_bars() -> list[_Bars]:
    """Return what makes upright bars sharper, each as their mean row."""
    restoring: list[_Bars] = [partial(bars_restored, sigma_px=sigma_px) for sigma_px in _BARS_RESTORED_PX]
    return restoring + [partial(bars_sharpened, sigma_px=sigma_px, noise=noise) for sigma_px, noise in _BARS_BLURS]


def _then_inverted(way: _Bars) -> _Bars:
    return lambda grey: _inverted(way(grey))[0]


def _of_bars_piece(step: int, reader: Reader, grey: Grey, piece: Piece, way: _Bars) -> Attempt:
    """Return the attempt at the middle of a piece, where bars are long enough in any case: at each half of it."""

    def strip(first: float, last: float) -> tuple[Grey, Matrix]:
        cut, place = piece.cut(grey)
        height, width = cut.shape
        made = way(cut[round(height * first) : max(round(height * last), round(height * first) + 1)])
        # bars as tall as the piece, whatever was looked at
        return made, place @ _scaled(width / made.shape[1], height / BARS_ROWS)

    size_px = round(piece.width * piece.height)
    return Attempt(step, reader, size_px, lambda: strip(0.2, 0.7), piece, lambda: strip(0.3, 0.8))


def _has_rows(code: Code) -> bool:
    """Tell whether enough rows of a piece say the same; two that do may both be misread."""
    stacked = code.format not in LINEAR or bool(stacked_of([code.format]))
    return stacked or code.sides_px[1] >= _LEAST_ROWS_PX


def _scaled(across: float, down: float) -> Matrix:
    return np.diag([across, down, 1.0])
