"""The method `filters`: a bank of filters and a small classifier, taught with defects drawn into good pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.anomaly.filters.classifier import Classifier, Places, trained, untrained
from workers.modules.anomaly.filters.filter_bank import as_wanted, numbers_of, raw_numbers, scaled, shrunk
from workers.modules.anomaly.filters.lessons import Lessons, lessons_from, usual_spread

if TYPE_CHECKING:
    from pathlib import Path

    from workers.context.run import LookAtTime
    from workers.modules.anomaly.method import Arrays, Learned, Pictures, Tell

_Floats = NDArray[np.float32]

_FURTHEST = np.float32(2.5)  # no number tells more: what is far outside what was learned from is not all the stranger
_STEPS = np.float32(50.0)  # of one, in what is kept of old places
_KEPT_PLACES = 8000
_MOST_OLD = 3.0  # old places are repeated until they are at most so many times the new ones
_SMOOTH_CELLS = 1.5
_CHUNK_PLACES = 8192  # of the classifier between two looks at the time
_LEARNING_SHARE = 0.75  # of the time goes into drawing and filtering
_WEIGHTS = ("hidden", "hidden_bias", "last", "last_bias")


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """How numbers of places are brought to a common scale, float32.

    `spread` (n - 2, 1) is what they usually spread in a good picture; `mean` and `deviation`, (n, 1), are those of all
    places that were learned from.
    """

    spread: _Floats
    mean: _Floats
    deviation: _Floats

    def of(self, numbers: _Floats) -> _Floats:
        """Return numbers in their picture's spreads, (n, places), on the common scale; in place."""
        numbers -= self.mean
        numbers /= self.deviation
        return np.clip(numbers, -_FURTHEST, _FURTHEST, out=numbers)


class Filters:
    """What was learned: looks at pictures, and knows some of the places it was taught with."""

    def __init__(self, scale: Scale, classifier: Classifier, kept: Places, n_pictures: int, *, colour: bool) -> None:
        """`kept` are some places on the common scale, `n_pictures` of how many pictures it has learned so far."""
        self.scale = scale
        self.classifier = classifier
        self.kept = kept
        self.n_pictures = n_pictures
        self.colour = colour

    def heat(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> _Floats:
        """Return how strange each cell of 4 x 4 px is, (rows, columns): log(1 + odds), a little smoothed."""
        look_at_time()
        numbers = raw_numbers(shrunk(as_wanted(image, colour=self.colour)), look_at_time)
        shape = numbers.shape[1:]
        flat = scaled(numbers, self.scale.spread)
        look_at_time()
        odds = np.empty(flat.shape[1], np.float32)
        for begin in range(0, flat.shape[1], _CHUNK_PLACES):
            part = slice(begin, begin + _CHUNK_PLACES)
            odds[part] = self.classifier.log_odds(self.scale.of(np.ascontiguousarray(flat[:, part])))
            look_at_time()
        heat = np.logaddexp(np.float32(0), odds).reshape(shape)
        return cast("_Floats", cv2.GaussianBlur(heat, (0, 0), _SMOOTH_CELLS))

    def arrays(self) -> Arrays:
        """Return all of it, arrays of any shape (1-D too)."""
        return {
            "numbers": np.array([self.n_pictures, int(self.colour)], np.int64),
            "spread": self.scale.spread,
            "mean": self.scale.mean,
            "deviation": self.scale.deviation,
            **dict(zip(_WEIGHTS, self.classifier.weights, strict=True)),
            "kept": _packed(self.kept.numbers),
            "kept_strange": self.kept.strange.astype(np.uint8),
        }


def learn(good: Pictures, seed: int, tell: Tell, before: Learned | None, backbone: Path | None) -> Filters:  # noqa: ARG001
    """Learn of good pictures; `before` is kept on with: its scale stays, its weights go on from where they are.

    Raises:
        ValueError: there are no pictures, or none that a defect can be drawn into.
    """
    old = before if isinstance(before, Filters) else None
    rng = np.random.default_rng([seed, len(good), old.n_pictures if old else 0])
    tell("looking at the good pictures", 0.0)
    if len(good) == 0:
        msg = "there are no good pictures to learn from"
        raise ValueError(msg)
    colour = old.colour if old else any(map(_has_colour, good))
    spread = old.scale.spread if old else usual_spread(good, rng, colour=colour)
    lessons = lessons_from(
        good, spread, rng, lambda share: tell("drawing defects", share * _LEARNING_SHARE), colour=colour
    )
    scale = old.scale if old else _scale_of(lessons.learn, spread)
    new = Lessons(_on(scale, lessons.learn), _on(scale, lessons.held_out))
    lessons = _with_old(new, old, len(good), rng) if old else new
    begin = old.classifier if old else untrained(lessons.learn.numbers.shape[1], rng)

    def tell_training(share: float) -> None:
        tell("training", _LEARNING_SHARE + share * (1 - _LEARNING_SHARE))

    classifier = trained(begin, lessons.learn, lessons.held_out, rng, tell_training)
    kept = _to_keep(new.learn, old, len(good), rng)
    tell("training", 1.0)
    return Filters(scale, classifier, kept, len(good) + (old.n_pictures if old else 0), colour=colour)


def _has_colour(image: NDArray[np.uint8]) -> bool:
    """Tell whether `image` is BGR, (h, w, 3), of a camera that sees colours: those of a grey one have equal planes."""
    if image.ndim == 2:
        return False
    blue, green, red = cv2.split(image)
    return bool((blue != green).any() or (green != red).any())


def restore(arrays: Arrays, backbone: Path | None) -> Filters:  # noqa: ARG001
    """Return what `arrays` (1-D and more) hold; raises ValueError where they are not what `arrays()` gave."""
    n_pictures, colour = (int(each) for each in _array(arrays, "numbers", np.int64, (2,)))
    if colour not in (0, 1) or n_pictures < 1:
        msg = f"numbers is {n_pictures}, {colour}, expected a count of pictures, and 0 (grey) or 1 (colour)"
        raise ValueError(msg)
    n = numbers_of(colour=bool(colour))
    scale = Scale(
        _array(arrays, "spread", np.float32, (n - 2, 1)),
        _array(arrays, "mean", np.float32, (n, 1)),
        _array(arrays, "deviation", np.float32, (n, 1)),
    )
    if scale.spread.min() < 0 or scale.deviation.min() <= 0:
        msg = "spread and deviation must not be below 0"
        raise ValueError(msg)
    width = arrays["hidden_bias"].size if "hidden_bias" in arrays else 0
    shapes: Sequence[tuple[int, ...]] = ((n, width), (width,), (width, 1), (1,))
    weights = [_array(arrays, name, np.float32, shape) for name, shape in zip(_WEIGHTS, shapes, strict=True)]
    count = arrays["kept_strange"].size if "kept_strange" in arrays else 0
    strange = _array(arrays, "kept_strange", np.uint8, (count,))
    kept = Places(_unpacked(_array(arrays, "kept", np.int8, (count, n))), strange.astype(np.float32))
    return Filters(scale, Classifier(*weights), kept, n_pictures, colour=bool(colour))


def _array(arrays: Arrays, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array of that name; raises ValueError where it is missing or another."""
    if name not in arrays:
        msg = f"there is no array {name}"
        raise ValueError(msg)
    array = arrays[name]
    if array.dtype != dtype or array.shape != shape:
        msg = f"{name} is an array {array.shape} of {array.dtype}, expected {shape} of {np.dtype(dtype)}"
        raise ValueError(msg)
    if dtype is np.float32 and not np.isfinite(array).all():
        msg = f"{name} holds what is no number"
        raise ValueError(msg)
    return array


def _scale_of(places: Places, spread: _Floats) -> Scale:
    mean = places.numbers.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = places.numbers.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-3)
    return Scale(spread, mean[:, None], deviation[:, None])


def _on(scale: Scale, places: Places) -> Places:
    """Return places on the common scale."""
    numbers = (places.numbers - scale.mean[:, 0]) / scale.deviation[:, 0]
    return Places(np.clip(numbers, -_FURTHEST, _FURTHEST), places.strange)


def _with_old(new: Lessons, old: Filters, n_pictures: int, rng: np.random.Generator) -> Lessons:
    """Return new places and old ones, in the proportion of the pictures that they are of: it must not forget those."""
    if len(old.kept) == 0:
        return new
    held = rng.random(len(old.kept)) < 0.1
    parts = []
    for part, kept in ((new.learn, old.kept.some(~held)), (new.held_out, old.kept.some(held))):
        wanted = round(len(part) * min(_MOST_OLD, old.n_pictures / n_pictures)) if len(kept) else 0
        parts.append(Places.together([part, kept.some(rng.integers(0, max(1, len(kept)), wanted))]))
    return Lessons(*parts)


def _to_keep(new: Places, old: Filters | None, n_pictures: int, rng: np.random.Generator) -> Places:
    """Return some of all places learned from so far, in the proportion of their pictures, as they come from a file."""
    n_old = round(_KEPT_PLACES * old.n_pictures / (old.n_pictures + n_pictures)) if old else 0
    parts = [old.kept.some(rng.permutation(len(old.kept))[:n_old])] if old else []
    parts.append(new.some(rng.permutation(len(new))[: _KEPT_PLACES - n_old]))
    chosen = Places.together(parts)
    return Places(_unpacked(_packed(chosen.numbers)), chosen.strange)


def _packed(numbers: _Floats) -> NDArray[np.int8]:
    packed: NDArray[np.int8] = np.rint(numbers * _STEPS).astype(np.int8)
    return packed


def _unpacked(packed: NDArray[np.int8]) -> _Floats:
    return packed.astype(np.float32) / _STEPS
