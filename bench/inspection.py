"""What modules find and how long they take, beside plain OpenCV doing the step that is most like theirs.

All times are CPU ms of one thread, the least of many: a shared machine adds to a time and never takes from it. What
needs real boards is left out where the data does not lie beside the checkout.
"""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bench.frames import board
from bench.measurement import INSPECTION
from bench.module_examples import EXAMPLES, write_example
from bench.pcb_accuracy import measure as pcb_scores
from bench.pcb_accuracy import reference
from workers.context.run import Run
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

# Each has `measure() -> dict[str, float]`, figures by names with units; one that is not there is left out.
_OTHERS = (
    "bench.shape_accuracy",
    "bench.measure_accuracy",
    "bench.codes_accuracy",
    "bench.ocr_accuracy",
    "bench.model_loop",
)

_CHECKOUT = Path(__file__).resolve().parents[1]
_DATA = _CHECKOUT.parent / "shared" / "data"
_EXAMPLE = _CHECKOUT / "deploy" / "projects" / "board"
_WIDTH_PX, _HEIGHT_PX = 1920, 1024
_TRIES = 40
_FRAMES = 8  # of real boards, for times
_HOUR_NS = 3600 * 10**9


def inspection() -> dict[str, float]:
    """Measure all that is there."""
    cv2.setNumThreads(1)
    found = _boards() | _example_board() | _kinds()
    for name in _OTHERS:
        if find_spec(name):
            found |= importlib.import_module(name).measure()
    return {INSPECTION + name: value for name, value in found.items()}


def _boards() -> dict[str, float]:
    """Measure `reference` on official pairs of 640x640, and on boards of 1920x1024 that were put together of others."""
    found: dict[str, float] = {}
    if (_DATA / "pcb_pairs").exists():
        every, even, odd = pcb_scores(_DATA / "pcb_pairs", reference(_DATA / "pcb_pairs"))[0]
        for half, score in (("", every), ("_even", even), ("_odd", odd)):
            found[f"reference_pairs{half}_precision"] = score.precision
            found[f"reference_pairs{half}_recall"] = score.recall
            found[f"reference_pairs{half}_f1_at_033"] = score.close_f1
        found |= _beside_plain("reference_pairs", _DATA / "pcb_pairs")
    if (_DATA / "pcb").exists():
        every = pcb_scores(_DATA / "pcb", reference(_DATA / "pcb"))[0][0]
        found["reference_stitched_false_ok"] = len(every.passed)
        found["reference_stitched_false_nok"] = len(every.false_alarms)
        found |= _beside_plain("reference_stitched", _DATA / "pcb")
    return found


def _beside_plain(name: str, folder: Path) -> dict[str, float]:
    """Time the module and plain OpenCV in turn on the first frames of `folder`; medians over these."""
    module, run, ours, plain = reference(folder), Run.start(2**62), [], []
    for frame in json.loads((folder / "truth.json").read_text())[:_FRAMES]:
        image = _decoded(folder / f"{frame['frame']}_test.jpg")
        golden = _decoded(folder / f"{frame['frame']}_reference.png")
        context = {"data": frame["frame"], "image": image, "errors": []}

        def inspect(context: dict[str, object] = context) -> None:
            module(context | {"heatmaps": [], "detectedRectangles": []}, run)

        def compare(image: Image = image, golden: Image = golden) -> None:
            _plain(image, golden)

        least = _least_ms(inspect, compare)
        ours.append(least[0])
        plain.append(least[1])
    return {f"{name}_ms": median(ours), f"{name}_plain_opencv_ms": median(plain)}


def _example_board() -> dict[str, float]:
    """Time the example project's whole flow on its own samples, colour frames of 1920x1024."""
    flow = Flow.prepare(load_project(_EXAMPLE))
    golden, ours, plain = _decoded(_EXAMPLE / "references" / "board.png"), [], []
    for sample in sorted((_EXAMPLE / "samples").glob("*.jpg")):
        image = _decoded(sample)

        def inspect(image: Image = image) -> None:
            flow.run(image, data="", deadline_ns=time.monotonic_ns() + _HOUR_NS)

        def compare(image: Image = image) -> None:
            _plain(image, golden)

        least = _least_ms(inspect, compare)
        ours.append(least[0])
        plain.append(least[1])
    return {"example_board_ms": median(ours), "example_board_plain_opencv_ms": median(plain)}


def _kinds() -> dict[str, float]:
    """Time the flow of an example of each kind of module on one board of 1920x1024, in colour."""
    image = board(_WIDTH_PX, _HEIGHT_PX)
    image.flags.writeable = False
    found = {}
    for kind in EXAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            flow = Flow.prepare(load_project(write_example(kind, Path(folder), image)))

            def inspect(flow: Flow = flow) -> None:
                flow.run(image, data="", deadline_ns=time.monotonic_ns() + _HOUR_NS)

            (found[f"{kind}_ms"],) = _least_ms(inspect)
    return found


def _plain(image: Image, golden: Image) -> int:
    """What a first attempt at comparing with a golden image does: difference, threshold, pieces."""
    grey, golden_grey = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (image, golden))
    different = cv2.threshold(cv2.absdiff(grey, golden_grey), 64, 255, cv2.THRESH_BINARY)[1]
    return int(cv2.connectedComponentsWithStats(different)[0])


def _decoded(file: Path) -> Image:
    image = decode_image(memoryview(file.read_bytes()), ImageLimits())
    image.flags.writeable = False
    return image


def _least_ms(*ways: Callable[[], object]) -> Sequence[float]:
    """Run all ways in turn, many times; the least CPU time of each."""
    least = [np.inf] * len(ways)
    for _ in range(_TRIES):
        for number, way in enumerate(ways):
            begun_ns = time.process_time_ns()
            way()
            least[number] = min(least[number], (time.process_time_ns() - begun_ns) / 1e6)
    return least
