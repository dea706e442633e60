"""Reads models that say of each pixel what it is: planes of numbers for each class, or numbers of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.modules.models.model import Facts
    from workers.modules.models.network import Output
    from workers.modules.segmentation.options import SegmentationOptions

EXPECTED = "1xclassesxHxW with a number for each pixel and class, or 1xHxW with integers, the class of each pixel"
NONE = -1
SEMANTIC = "semantic"  # Ultralytics' task of that kind: all of its classes are something
_NEAR_ONE = 1e-3

Plane = NDArray[np.float32]


class Planes(NamedTuple):
    """What a model says of the pixels of its input: `sure` has (h, w) float32 for each class that is somewhere.

    `nothing` is the same for what is none of them.
    """

    sure: dict[int, Plane]
    nothing: Plane


Read = Callable[["list[Output]"], Planes]


def plane_reader(facts: Facts, options: SegmentationOptions) -> Read | None:
    """Return what reads the planes, (h, w) each; None where the outputs are no planes."""
    if len(facts.outputs) != 1:
        return None
    values = facts.outputs[0].values
    shape, whole = values.shape, values.dtype.kind in "iu"
    background = options.background
    if background is None:
        background = NONE if facts.metadata.task == SEMANTIC else 0
    if (
        shape[:1] != (1,)
        or len(shape) not in ({3, 4} if whole else {4})
        or 0 in shape
        or (whole and _classes(values) != 1)
    ):
        return None
    if whole:
        return lambda outputs: _of_numbers(outputs[0].values.reshape(shape[-2:]), background)
    classes = shape[1]
    if facts.labels.count and facts.labels.count != classes:
        facts.refuse(f"{facts.labels.count} planes, one for each label (labels)")
    kind = options.scores or _kind(values[0])
    if classes == 1:
        return lambda outputs: _of_one(outputs[0].values[0, 0], kind)
    return lambda outputs: _of_many(outputs[0].values[0], kind, background)


def _classes(values: NDArray[Any]) -> int:
    return 1 if values.ndim == 3 else int(values.shape[1])


def _kind(values: NDArray[Any]) -> str:
    """Tell of (classes, h, w) whether these are shares of 1."""
    total = values.sum(axis=0, dtype=np.float64)
    shares = values.min() >= 0 and values.max() <= 1
    sums = len(values) == 1 or float(np.abs(total - 1).max()) < _NEAR_ONE
    return "probabilities" if shares and sums else "logits"


def _of_numbers(numbers: NDArray[Any], background: int) -> Planes:
    sure = {int(each): (numbers == each).astype(np.float32) for each in np.unique(numbers) if each != background}
    return Planes(sure, (numbers == background).astype(np.float32))


def _of_one(values: NDArray[Any], kind: str) -> Planes:
    plane = values.astype(np.float32)
    if kind == "logits":
        plane = shares_of(plane)
    return Planes({0: plane} if float(plane.max()) >= 0.5 else {}, np.subtract(1, plane, dtype=np.float32))


def shares_of(logits: Plane) -> Plane:
    """Return how sure a model is of each pixel, (h, w) float32 in 0..1, by the logits that it gives."""
    sure: Plane = (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
    return sure


def _of_many(values: NDArray[Any], kind: str, background: int) -> Planes:
    shares = values.astype(np.float32)
    if kind == "logits":
        shares = np.exp(shares - shares.max(axis=0))
        shares /= shares.sum(axis=0)
    somewhere = [int(each) for each in np.unique(shares.argmax(axis=0)) if each != background]
    none = np.zeros(shares.shape[1:], np.float32)
    return Planes(
        {each: np.ascontiguousarray(shares[each]) for each in somewhere},
        np.ascontiguousarray(shares[background]) if 0 <= background < len(shares) else none,
    )
