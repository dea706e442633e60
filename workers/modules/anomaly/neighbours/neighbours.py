"""The method `neighbours`: a place is as strange as its features are far from all that good pictures have.

Features come from a backbone (features.py); of good ones some are kept (coreset.py), and a place's distance is that
to the nearest. How far good places lie apart depends on how near they are to the picture's border, where less is seen
around them; so distances are compared with those that good pictures have there while they are left out themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from workers.errors import ProjectInvalid
from workers.modules.anomaly.neighbours.coreset import SIZE, Coreset, Whitening, choose
from workers.modules.anomaly.neighbours.features import MOST_PX, Backbone, contrast_of, scale_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from workers.context.run import LookAtTime
    from workers.modules.anomaly.method import Learned, Pictures, Tell

_PLACES = 60_000  # of all pictures, of which the coreset is chosen
_PLACES_EACH = 8  # that one of the coreset stands for at least
_LEFT_OUT = 60  # pictures by which it is said how far good places lie apart
_BORDER = 8  # places from the border on which all are alike
_SMOOTHED = 1.0  # sigma of heat, in places
_USUAL = 4.0  # heat 1 is what good places have on average, and 1.25 is one spread more
_LEAST_CONTRAST = 0.01
_MOST_ADDED = SIZE // 2


class _Usual(NamedTuple):
    """How far good places are from others', and how differently: (border + 1,), by places from the border."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]


class _Eye(NamedTuple):
    """How pictures are seen: through which backbone, how large, and by what contrast of the usual ones."""

    backbone: Backbone
    scale: float
    contrast: float

    def grid(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return features of places, (rows, columns, features); a picture much larger than usual is seen smaller."""
        area_px = image.shape[0] * image.shape[1] * self.scale**2
        scale = self.scale * min(1.0, (MOST_PX / area_px) ** 0.5)
        grid: NDArray[np.float32] = self.backbone.grid(image, scale, self.contrast, look_at_time)
        return grid


class Neighbours:
    """What was learned. One picture at a time: it keeps memory between them."""

    def __init__(self, eye: _Eye, whitening: Whitening, coreset: Coreset, usual: _Usual) -> None:
        self.eye, self.whitening, self.coreset, self.usual = eye, whitening, coreset, usual

    def heat(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return how strange each place of `image`, (h, w) grey or (h, w, 3) BGR, is: (rows, columns), usually 1."""
        far = self.distances(image, look_at_time)
        near = _from_border(*far.shape)
        told = (far - self.usual.mean[near]) / (self.usual.spread[near] * np.float32(_USUAL)) + np.float32(1)
        smooth = cv2.GaussianBlur(told, (0, 0), _SMOOTHED, borderType=cv2.BORDER_REFLECT)
        return np.maximum(np.asarray(smooth, np.float32), 0)

    def distances(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return how far each place of `image` is from the coreset, (rows, columns)."""
        shape, features = self.whitened(image, look_at_time)
        return self.coreset.distances(features, look_at_time).reshape(shape)

    def whitened(
        self, image: NDArray[np.uint8], look_at_time: LookAtTime
    ) -> tuple[tuple[int, int], NDArray[np.float32]]:
        """Return rows and columns of `image`, (h, w) grey or (h, w, 3) BGR, and its whitened features, (places, m)."""
        grid = self.eye.grid(image, look_at_time)
        features = self.whitening(grid.reshape(-1, grid.shape[2]))
        look_at_time()
        return (grid.shape[0], grid.shape[1]), features

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return what brings it back, arrays of one and two sides (1-D and 2-D)."""
        return {
            "coreset": self.coreset.chosen,
            "centre": self.whitening.centre,
            "turn": self.whitening.turn,
            "usual_mean": self.usual.mean,
            "usual_spread": self.usual.spread,
            "scale": np.array([self.eye.scale], np.float64),
            "contrast": np.array([self.eye.contrast], np.float64),
        }


def learn(good: Pictures, seed: int, tell: Tell, before: Learned | None, backbone: Path | None) -> Neighbours:
    """Learn of good pictures; of what was learned `before` all is kept, and what it has not seen yet is added.

    Raises:
        ProjectInvalid: there is no backbone, or it cannot be used.
    """
    if isinstance(before, Neighbours):
        return _more(good, seed, tell, before)
    eye = _eye(Backbone(_needed(backbone)), good, tell)
    features, owners = _places(good, seed, tell, lambda image: _flat(eye.grid(image, _no_limit)))
    whitening = Whitening.of(features)
    features = whitening(features)
    count = min(SIZE, max(1, len(features) // _PLACES_EACH))
    chosen = choose(features, count, seed, lambda done: tell("chooses what to keep", 0.6 + 0.2 * done))
    learned = Neighbours(eye, whitening, Coreset(features[chosen]), _NOTHING_USUAL)
    return Neighbours(eye, whitening, learned.coreset, _usual(learned, good, owners[chosen], tell))


def restore(arrays: Mapping[str, NDArray[Any]], backbone: Path | None) -> Neighbours:
    """Return what `arrays` hold, of any shape (1-D and 2-D).

    Raises:
        ValueError: they are not what `arrays()` gave.
        ProjectInvalid: as `learn`.
    """
    network = Backbone(_needed(backbone))
    try:
        chosen, centre, turn, mean, spread = (
            np.ascontiguousarray(arrays[name], np.float32)
            for name in ("coreset", "centre", "turn", "usual_mean", "usual_spread")
        )
        scale, contrast = float(arrays["scale"][0]), float(arrays["contrast"][0])
    except (KeyError, TypeError, IndexError) as error:
        msg = f"it lacks what `neighbours` keeps: {error}"
        raise ValueError(msg) from None
    fits = chosen.ndim == turn.ndim == 2 and chosen.shape[1] == turn.shape[1] and centre.shape == turn.shape[:1]
    if not fits or not len(chosen) or mean.shape != (_BORDER + 1,) or spread.shape != mean.shape or not 0 < scale <= 1:
        msg = "its arrays do not fit together"
        raise ValueError(msg)
    if len(centre) != network.count:
        msg = (
            f"backbone: {backbone} gives {network.count} features, but it was learned with {len(centre)}:"
            " it is another backbone than the one with which it was trained"
        )
        raise ProjectInvalid(msg)
    return Neighbours(_Eye(network, scale, contrast), Whitening(centre, turn), Coreset(chosen), _Usual(mean, spread))


_NOTHING_USUAL = _Usual(np.zeros(_BORDER + 1, np.float32), np.ones(_BORDER + 1, np.float32))


def _eye(backbone: Backbone, good: Pictures, tell: Tell) -> _Eye:
    """Return how pictures like the good ones are seen."""
    tell("looks at sizes and light", 0.0)
    some = good.some(_spread_over(len(good), _LEFT_OUT))
    scale = scale_for(float(np.median([image.shape[0] * image.shape[1] for image in some])))
    contrast = float(np.median([contrast_of(image, scale) for image in some]))
    return _Eye(backbone, scale, max(contrast, _LEAST_CONTRAST))


def _more(good: Pictures, seed: int, tell: Tell, before: Neighbours) -> Neighbours:
    """Add to what was kept what is farther from it than good places use to be."""
    features, _ = _places(good, seed, tell, lambda image: before.whitened(image, _no_limit)[1])
    known = before.coreset.chosen
    apart = before.coreset.distances(features, _no_limit)
    new = features[apart > before.usual.mean[-1]]
    if not len(new):
        return before
    chosen = choose(new, _MOST_ADDED, seed, lambda done: tell("chooses what to add", 0.6 + 0.4 * done), known)
    coreset = Coreset(np.concatenate([known, new[chosen]]))
    return Neighbours(before.eye, before.whitening, coreset, before.usual)


def _places(good: Pictures, seed: int, tell: Tell, features_of: Any) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return features of places by chance, as many of each picture, (n, m), and the picture's number of each, (n,)."""
    random = np.random.default_rng(seed)
    each_has = max(1, _PLACES // len(good))
    kept, owners = [], []
    for number, image in enumerate(good):
        tell("looks at good pictures", 0.05 + 0.55 * number / len(good))
        features = features_of(image)
        chosen = random.choice(len(features), min(len(features), each_has), replace=False)
        kept.append(features[np.sort(chosen)])
        owners.append(np.full(len(chosen), number, np.intp))
    return np.concatenate(kept), np.concatenate(owners)


def _usual(learned: Neighbours, good: Pictures, owners: NDArray[np.intp], tell: Tell) -> _Usual:
    """Return how far places of good pictures are from the coreset without what they gave to it themselves."""
    numbers = _spread_over(len(good), _LEFT_OUT)
    distances, borders = [], []
    for done, (number, image) in enumerate(zip(numbers, good.some(numbers), strict=True)):
        tell("says how far good places lie apart", 0.8 + 0.2 * done / len(numbers))
        others = learned.coreset.chosen[owners != number]
        shape, features = learned.whitened(image, _no_limit)
        rest = Coreset(others) if len(others) else learned.coreset
        distances.append(rest.distances(features, _no_limit))
        borders.append(_from_border(*shape).ravel())
    far, border = np.concatenate(distances), np.concatenate(borders)
    mean, spread = np.full(_BORDER + 1, far.mean(), np.float32), np.full(_BORDER + 1, far.std(), np.float32)
    for place in range(_BORDER + 1):
        there = far[border == place]
        if len(there) > _BORDER:
            mean[place], spread[place] = there.mean(), there.std()
        elif place:  # pictures are too small to have such places
            mean[place], spread[place] = mean[place - 1], spread[place - 1]
    return _Usual(mean, np.maximum(spread, np.float32(1e-3) + mean * np.float32(1e-2)))


def _flat(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    return grid.reshape(-1, grid.shape[2])


def _from_border(rows: int, columns: int) -> NDArray[np.intp]:
    """Return how many places lie between each place and the border, (rows, columns), at most _BORDER."""
    down, across = (np.minimum(np.arange(side), np.arange(side)[::-1]) for side in (rows, columns))
    return np.minimum(np.minimum(down[:, None], across[None]), _BORDER)


def _spread_over(count: int, most: int) -> list[int]:
    return sorted({round(each) for each in np.linspace(0, count - 1, min(count, most)).tolist()})


def _needed(backbone: Path | None) -> Path:
    if backbone is None:
        msg = "neighbours looks through a backbone, and none is named"
        raise ProjectInvalid(msg)
    return backbone


def _no_limit() -> None:
    """Training has no deadline."""
