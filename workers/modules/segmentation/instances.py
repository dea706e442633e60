"""Reads models that find objects, each with a mask: Ultralytics' masks of prototypes, and torchvision's of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.modules.models.detections import EXPECTED as BOXES
from workers.modules.models.detections import box_reader

if TYPE_CHECKING:
    from workers.modules.models.boxes import Boxes
    from workers.modules.models.model import Facts
    from workers.modules.models.network import Output
    from workers.modules.segmentation.options import SegmentationOptions

EXPECTED = f"boxes with masks: 1xmasksxhxw beside {BOXES}; or Nx1xhxw beside boxes, scores and labels"

_HALF = np.float32(0.5)

Plane = NDArray[np.float32]


class Instances(NamedTuple):
    """Boxes in px of the input; `mask` makes of what a box has beside, (n,), a plane (h, w): above 0 it is there."""

    boxes: Boxes
    mask: Callable[[NDArray[np.float32]], Plane]


Read = Callable[["list[Output]"], Instances]


def instance_reader(facts: Facts, options: SegmentationOptions) -> Read | None:
    """Return what reads the instances, their masks (h, w); None where the outputs are none."""
    index = next((at for at, each in enumerate(facts.outputs) if each.values.ndim == 4), -1)
    if index < 0 or len(facts.outputs) == 1:
        return None
    wanted = None if options.format in {None, "planes"} else options.format
    prototypes = facts.outputs[index].values
    others = facts._replace(outputs=[each for at, each in enumerate(facts.outputs) if at != index])
    if len(others.outputs) >= 3 and wanted in {None, "boxes"}:
        boxes = box_reader(others, options, "boxes")
        return lambda outputs: Instances(
            boxes(_without(outputs, index)), lambda more: _own_mask(outputs[index].values, more)
        )
    if prototypes.shape[0] != 1:
        return None
    read = box_reader(others, options, wanted, masks=prototypes.shape[1])
    return lambda outputs: Instances(
        read(_without(outputs, index)), lambda more: _made_mask(outputs[index].values[0], more)
    )


def _without(outputs: list[Output], index: int) -> list[Output]:
    return [each for at, each in enumerate(outputs) if at != index]


def _own_mask(masks: NDArray[np.float32], more: NDArray[np.float32]) -> Plane:
    """Return the mask whose number a box has, of (n, 1, h, w) or (1, n, h, w), less the half that is the border."""
    number = int(more[0])
    mask = masks[number, 0] if masks.shape[1] == 1 else masks[0, number]
    own: Plane = np.subtract(mask, _HALF, dtype=np.float32)
    return own


def _made_mask(prototypes: NDArray[np.float32], coefficients: NDArray[np.float32]) -> Plane:
    """Return the mask that coefficients (m,) make of prototypes (m, h, w)."""
    made: Plane = np.tensordot(coefficients.astype(np.float32), prototypes.astype(np.float32), axes=1)
    return made
