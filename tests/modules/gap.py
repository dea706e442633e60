"""A drawn part with a gap and a hole whose sizes are known, and the module `measure` on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.modules.scenes import box, disc, flat, seen
from tests.support.projects import surroundings_in
from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.measure.module import prepare
from workers.modules.measure.options import MeasureOptions

Image = NDArray[np.uint8]

GAP = {"kind": "width", "name": "gap", "start": [80, 150], "end": [220, 150]}


def measured(image: Image, *tools: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the context behind the module; what it noted is under `noted`."""
    frame = image.copy()
    frame.flags.writeable = False
    context, run = new_context(frame, ""), Run.start(2**62)
    run.frame_px = frame.shape[0], frame.shape[1]
    module = prepare(MeasureOptions.model_validate({"tools": [*tools], **options}), surroundings_in(Path()))
    context["worked"] = module(context, run)
    context["noted"] = [entry["message"] for entry in run.errors]
    return context


def value(image: Image, *tools: dict[str, Any]) -> float:
    """Return the value of the last of the tools."""
    found: float = measured(image, *tools)["measures"][tools[-1]["name"]]["value"]
    return found


def part(noise: float = 2.0) -> Image:
    """Two bright plates, from x = 20.3 to 100.8 and from 181.1 to 280, and a dark hole of radius 30.25; (300, 400)."""
    picture = flat(300, 400)
    box(picture, 20.3, 40.6, 100.8, 260, 180)
    box(picture, 181.1, 40.6, 380, 260, 180)
    disc(picture, 300.4, 150.7, 30.25, 60)
    return seen(picture, noise)
