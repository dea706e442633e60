"""Single figures: how soon the server is ready and recovers, what memory it needs, what single steps cost."""

from __future__ import annotations

import itertools
import mmap
import os
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from io import FileIO
from pathlib import Path

import cv2
import httpx
import numpy as np
import numpy.typing as npt

from bench.frames import SCENARIOS, shots
from bench.server import Measured, measured_server
from bench.suites import TRIVIAL
from service.trial.load import Shot
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image
from workers.pixels.frame_form import WHOLE, FrameForm
from workers.pixels.scratch import Scratch

_STARTS = 5
_TRIES = 60


def start() -> dict[str, float]:
    """From the command to the line that says ready, and proportional memory when idle, two workers."""
    ready, own, frames = [], 0.0, 0.0
    for _ in range(_STARTS):
        with measured_server(TRIVIAL, "--workers", "2") as server:
            ready.append(server.ready_s)
            own, frames = server.proportional_mib()
    return {"ready_s": statistics.median(ready), "own_mib": own, "frame_memory_mib": frames}


def recovery(kills: int) -> dict[str, float]:
    """From the SIGKILL of a worker to full capacity, seen over HTTP."""
    times_ms = []
    with measured_server(TRIVIAL, "--workers", "2") as server, httpx.Client() as client:
        url = f"http://127.0.0.1:{server.port}/api/v1/status"
        for _ in range(kills):
            victim = _a_worker(server)
            deaths = client.get(url).json()["workers"]["deaths"]
            begun_s = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            while True:
                workers = client.get(url).json()["workers"]
                if workers["deaths"] > deaths and workers["ready"] == workers["wanted"]:
                    break
            times_ms.append(1e3 * (time.monotonic() - begun_s))
    return {"recovery_median_ms": statistics.median(times_ms), "recovery_longest_ms": max(times_ms)}


def decoding() -> dict[str, float]:
    """Time of one JPEG in this process: OpenCV's decoder, ours, and ours in the forms that a flow may ask for."""
    cv2.setNumThreads(1)
    with shots(SCENARIOS["JPEG"]) as made:
        file = memoryview(made[0].body[0])
    pixels, limits, scratch = (
        np.frombuffer(file, np.uint8),
        ImageLimits(max_megapixels=50, formats=frozenset({"jpeg"})),
        Scratch(),
    )
    forms = {"whole": WHOLE, "half": FrameForm(reduce=2), "grey": FrameForm(grey=True)}
    ways: dict[str, Callable[[], object]] = {"jpeg_imdecode_ms": lambda: cv2.imdecode(pixels, cv2.IMREAD_COLOR)}
    ways |= {f"jpeg_{name}_ms": partial(decode_image, file, limits, scratch, form) for name, form in forms.items()}
    return _medians_ms(ways)


def copying() -> dict[str, float]:
    """Time to copy one raw frame out of a client's segment, by `preadv` and from a mapping.

    The same frame again and again, which the processor's cache then holds; and those of four cameras in turn.
    """
    with shots(SCENARIOS["shared memory"], cameras=4) as made, ExitStack() as until_done:
        files = [until_done.enter_context(_segment(shot).open("rb", buffering=0)) for shot in made]
        ways: dict[str, Callable[[], object]] = {}
        for name, count in (("", 1), ("_of_four", 4)):
            pairs = [(file, np.empty(os.fstat(file.fileno()).st_size, np.uint8)) for file in files[:count]]
            ways[f"segment_copy{name}_ms"] = _in_turn([partial(_read, *pair) for pair in pairs])
            ways[f"mapped_copy{name}_ms"] = _in_turn([partial(np.copyto, slot, _mapped(file)) for file, slot in pairs])
        found: dict[str, float] = {}
        for name, way in ways.items():  # one after the other: each would find the cache full of the others' frames
            found |= _medians_ms({name: way})
        return found


def _in_turn(ways: Sequence[Callable[[], object]]) -> Callable[[], object]:
    turns = itertools.cycle(ways)

    def run() -> None:
        next(turns)()

    return run


def _segment(shot: Shot) -> Path:
    return Path("/dev/shm") / shot.path.partition("name=")[2].partition("&")[0]


def _read(segment: FileIO, slot: npt.NDArray[np.uint8]) -> None:
    os.preadv(segment.fileno(), [slot.data], 0)


def _mapped(segment: FileIO) -> npt.NDArray[np.uint8]:
    return np.frombuffer(mmap.mmap(segment.fileno(), 0, prot=mmap.PROT_READ), np.uint8)


def _medians_ms(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Run all ways in turn, many times; the median of each."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_TRIES):
        for name, run in ways.items():
            begun_s = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - begun_s))
    return {name: statistics.median(found) for name, found in times.items()}


def _a_worker(server: Measured) -> int:
    """A child of the supervisor that is not the fronts' master."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(c) for c in children if b"service.server.front" not in Path(f"/proc/{c}/cmdline").read_bytes())
