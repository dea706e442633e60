"""Reads boxes out of what a model gives: the forms of Ultralytics' exports, YOLOv5's, and torchvision's three outputs.

ultralytics       1x(4+classes[+masks])xN   x, y of the middle, width, height, a confidence for each class
ultralytics_nms   1xNx6[+masks]             x0, y0, x1, y1, confidence, number of the class
yolov5            1xNx(5+classes[+masks])   as the first, row by row, with the confidence that there is anything
boxes             boxes Nx4, scores N, labels N    x0, y0, x1, y1 in px of the input; each may have a 1 in front
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.modules.models.boxes import MOST_CANDIDATES, Boxes, usual

if TYPE_CHECKING:
    from workers.modules.models.model import Facts
    from workers.modules.models.network import Output
    from workers.modules.models.options import FindingOptions

Read = Callable[["list[Output]"], Boxes]

EXPECTED = (
    "1x(4+classes)xN or 1xNx6 (Ultralytics), 1xNx(5+classes) (YOLOv5), or boxes Nx4, scores N and labels N"
    " (torchvision); format names one of them"
)


def box_reader(facts: Facts, options: FindingOptions, wanted: str | None, masks: int = 0) -> Read:
    """Return what reads the boxes that `options` let in, in px of the input; a box has `masks` numbers more.

    `wanted` is the form, or None for what its outputs look like. Corners are (n, 4). Of those that lie over each other
    the surest are there, as chosen in the input, where boxes reach beyond the picture: so do those who trained it.

    Raises:
        ProjectInvalid: its outputs are of no such form.
    """
    form, least = wanted or _form(facts, masks), options.min_confidence
    read = _reader(facts, form, least, masks)

    def chosen(outputs: list[Output]) -> Boxes:
        boxes = read(outputs)
        boxes = boxes.placed(boxes.corners)  # a network may say corners the wrong way round
        if form == "ultralytics_nms" and options.overlap is None:
            return boxes.surest(MOST_CANDIDATES)
        return boxes.apart(usual(options.overlap))

    return chosen


def _reader(facts: Facts, form: str | None, min_confidence: float, masks: int) -> Read:
    """Return what reads all boxes of a form."""
    if form == "boxes":
        places = _three(facts)
        if places is None:
            facts.refuse(EXPECTED)
        return lambda outputs: _of_three(outputs, places, min_confidence)
    index = next((at for at, each in enumerate(facts.outputs) if len(each.values.shape) == 3), -1)
    if index < 0 or form is None:
        facts.refuse(EXPECTED)
    _, height, width = facts.outputs[index].values.shape
    least = {"ultralytics": 5, "ultralytics_nms": 6, "yolov5": 6}[form] + masks
    attributes = height if form == "ultralytics" else width
    classes = attributes - least + 1
    named = facts.labels.count
    if attributes < least or (form == "ultralytics_nms" and attributes != least):
        facts.refuse(EXPECTED)
    if form != "ultralytics_nms" and named and named != classes:
        facts.refuse(f"{classes} labels with the form {form}, not {named}; or another format")
    if form == "ultralytics":
        return lambda outputs: _of_columns(outputs[index].values[0], classes, min_confidence)
    if form == "yolov5":
        return lambda outputs: _of_rows(outputs[index].values[0], classes, min_confidence)
    return lambda outputs: _of_kept(outputs[index].values[0], min_confidence)


def _form(facts: Facts, masks: int) -> str | None:
    if _three(facts) is not None:
        return "boxes"
    shapes = [each.values.shape for each in facts.outputs if each.values.ndim == 3]
    if len(shapes) != 1 or shapes[0][0] != 1:
        return None
    _, height, width = shapes[0]
    named = facts.labels.count
    if width == 6 + masks and (facts.metadata.nms or (height != 4 + named + masks and named != 1)):
        return "ultralytics_nms"
    if named and height != 4 + named + masks and width == 5 + named + masks:
        return "yolov5"
    return "ultralytics" if height < width or height == 4 + named + masks else None


def _three(facts: Facts) -> tuple[int, int, int] | None:
    """Return which outputs are boxes, scores and labels, by name or by what they are; None where they are not there."""
    found: list[int] = []
    for word, rank, kind in (("box", 2, "f"), ("score", 1, "f"), ("label", 1, "iu")):
        fitting = [
            at
            for at, (_, values) in enumerate(facts.outputs)
            if at not in found and values.dtype.kind in kind and _is_of_rank(values, rank)
        ]
        if not fitting:
            return None
        # four scores with a 1 in front look like one box: a name tells, else all have that 1
        found.append(
            max(fitting, key=lambda at: (word in facts.outputs[at].name.lower(), facts.outputs[at].values.ndim))
        )
    return found[0], found[1], found[2]


def _is_of_rank(values: NDArray[Any], rank: int) -> bool:
    """Tell whether it is (n, 4), of rank 2, or (n,), or the same with a 1 in front."""
    has_batch = values.ndim == rank + 1 and values.shape[0] == 1
    return (values.ndim == rank or has_batch) and (rank == 1 or values.shape[-1] == 4)


def _of_three(outputs: list[Output], places: tuple[int, int, int], least: float) -> Boxes:
    corners = outputs[places[0]].values.reshape(-1, 4)
    scores, labels = (outputs[at].values.reshape(-1) for at in places[1:])
    numbers = np.arange(len(scores), dtype=np.float32)[:, None]
    all_boxes = Boxes(corners.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64), numbers)
    return all_boxes.at(all_boxes.confidence >= least)


def _of_columns(values: NDArray[Any], classes: int, least: float) -> Boxes:
    """Read (4+classes+more, N)."""
    highest = values[4 : 4 + classes].max(axis=0)
    some = values[:, highest >= least].T.astype(np.float32)
    scores = some[:, 4 : 4 + classes]
    label = scores.argmax(axis=1)
    return Boxes(_corners(some), scores.max(axis=1, initial=0), label, some[:, 4 + classes :])


def _of_rows(values: NDArray[Any], classes: int, least: float) -> Boxes:
    """Read (N, 5+classes+more)."""
    some = values[values[:, 4] >= least].astype(np.float32)
    scores = some[:, 5 : 5 + classes] * some[:, 4:5]
    boxes = Boxes(_corners(some), scores.max(axis=1, initial=0), scores.argmax(axis=1), some[:, 5 + classes :])
    return boxes.at(boxes.confidence >= least)


def _of_kept(values: NDArray[Any], least: float) -> Boxes:
    """Read (N, 6+more)."""
    some = values[(values[:, 4] >= least) & (values[:, 4] > 0)].astype(np.float32)  # unused rows are zeros
    return Boxes(some[:, :4], some[:, 4], some[:, 5].astype(np.int64), some[:, 6:])


def _corners(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the corners of boxes that begin with x and y of their middle, width and height: (n, 4)."""
    half = rows[:, 2:4] / 2
    corners: NDArray[np.float32] = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    return corners
