"""Cameras as locust users: they stream frames over kept connections and check every answer.

From the repository root, which locust puts on the path, against `framemill serve bench/project`::

    locust -f bench/locustfile.py                                              # its page: http://127.0.0.1:8089
    locust -f bench/locustfile.py --headless -u 8 -r 8 -t 10s RawCamera        # one kind of camera, no page
    locust -f bench/locustfile.py --headless -u 8 -r 8 -t 60s --takt-ms 40 BayerCamera

Without a takt the loop is closed: a camera posts its next frame as soon as it has an answer. With one it is open:
frame k is due at k takts, and its time counts from when it was due, so that a queue cannot hide (Tene, "How NOT to
Measure Latency", 2013). A frame that finds its camera still waiting is sent right after that answer; one that is due
but unsent when the test ends is not counted.

A locust process has one core, and what it does for one camera delays the others: that counts as the server's time. On
two cores, against the bare receiver, one process sent about 700 frames/s of 6 MB where service/trial/load.py sent 860:
above 700 locust itself is the bottleneck (`--processes` takes more cores). Use it to watch a load and to vary it; the
rates in the tables come from service/trial/load.py.
"""

# locust types only part of itself, and does not have to be installed where types are checked
# mypy: disable-error-code="no-untyped-call,untyped-decorator,import-untyped,misc"

from __future__ import annotations

import argparse
import atexit
import itertools
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import cv2
import gevent
import numpy as np
from locust import FastHttpUser, events, task
from locust.runners import MasterRunner

from bench.frames import SCENARIOS, Scenario, shots

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.contrib.fasthttp import ResponseContextManager
    from locust.env import Environment

    from service.trial.load import Shot

_DECODE_EACH = 50
_MARKED_PX = (256, 16)
_RECONNECT_S = 0.05
_SPREAD = 0.618034  # golden ratio: any number of cameras shares the takt about evenly
_SAID_CHARACTERS = 200
_numbers = itertools.count()


def _at_least(least: int) -> Any:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return int(text)

    return number


def add_options(parser: LocustArgumentParser) -> None:
    """Add what these cameras can be told; locust offers it on its page too."""
    width_px, height_px = _MARKED_PX
    parser.add_argument("--takt-ms", type=float, default=0.0, help="Open loop: one frame each so many ms; 0 is closed")
    parser.add_argument("--width-px", type=_at_least(width_px), default=1920, help="Width of the frames")
    parser.add_argument("--height-px", type=_at_least(height_px), default=1024, help="Height of the frames")


def hear_ctrl_c(**_: Any) -> None:
    """Raise ctrl-C where locust waits for it: Python raises it in whatever camera is busy, which may swallow it."""
    gevent.signal_handler(signal.SIGINT, gevent.get_hub().parent.throw, KeyboardInterrupt)


class _Frames:
    """The frames of this process; segments in shared memory live until others are made, or to its end."""

    def __init__(self) -> None:
        self._kept = ExitStack()
        self._made: dict[str, Sequence[Shot]] = {}
        self.size_px = (0, 0)
        # not locust's own last events: cameras still send at `quitting`, and a second ctrl-C skips `quit`
        atexit.register(self._kept.close)

    def make(self, environment: Environment, **_: Any) -> None:
        """Make the frames of all cameras that are about to start; a master's cameras are in its workers."""
        if isinstance(environment.runner, MasterRunner):
            return
        self._kept.close()
        options: Any = environment.parsed_options
        self.size_px = (options.width_px, options.height_px)
        scenarios = {camera.scenario for camera in environment.user_classes if issubclass(camera, Camera)}
        self._made = {scenario.name: self._kept.enter_context(shots(scenario, *self.size_px)) for scenario in scenarios}

    def of(self, scenario: Scenario) -> Sequence[Shot]:
        """Return the frames of `scenario`."""
        return self._made[scenario.name]


class _Body:
    """A frame as a file; geventhttpclient would join `bytes` with the head first, and so copy 6 MB for each frame."""

    def __init__(self, shot: Shot) -> None:
        self._pieces = iter(shot.body)
        self._bytes = shot.body_bytes

    def __len__(self) -> int:
        return self._bytes

    def read(self, _size: int) -> bytes | memoryview:
        """Return the next piece whole: gevent asks for 8 KiB at a time and sends whatever it gets."""
        return next(self._pieces, b"")


class Camera(FastHttpUser):
    """One kept connection; subclasses say what it sends and asks for."""

    abstract = True
    host = "http://127.0.0.1:8000"
    concurrency = 1
    scenario: Scenario

    def on_start(self) -> None:
        """Wait for the first frame's time: the cameras of a line are not triggered together."""
        number = next(_numbers)
        options: Any = self.environment.parsed_options
        self._takt_s = max(0.0, options.takt_ms / 1e3)
        self._shots = itertools.islice(itertools.cycle(_frames.of(self.scenario)), number, None)
        self._answers = 0
        self._due_s = time.perf_counter() + self._takt_s * (number * _SPREAD % 1)
        self.wait()

    def wait_time(self) -> float:
        """Seconds until the next frame is due; locust asks after each one."""
        left_s: float = self._due_s - time.perf_counter()
        return max(0.0, left_s)

    @task
    def frame(self) -> None:
        """Send a frame and judge its answer."""
        shot = next(self._shots)
        body: Any = _Body(shot)
        headers = dict(line.split(": ", 1) for line in shot.headers)
        with self.client.post(
            shot.path, data=body, headers=headers, name=self.scenario.name, catch_response=True
        ) as answer:
            now_s = time.perf_counter()
            if self._takt_s:
                answer.request_meta["response_time"] = 1e3 * (now_s - self._due_s)
                self._due_s += self._takt_s
            elif not answer.status_code:
                self._due_s = now_s + _RECONNECT_S
            # without a status there is no answer, and locust has noted why
            if answer.status_code and (mistake := self._mistake(answer, shot)):
                answer.failure(mistake)

    def _mistake(self, answer: ResponseContextManager, shot: Shot) -> str:
        """What is wrong with an answer, or nothing."""
        content = answer.content or b""
        if answer.status_code != 200:
            return f"{answer.status_code}: {content[:_SAID_CHARACTERS].decode(errors='replace')}"
        picture = self.scenario.response != "context"
        headers: Any = answer.headers
        context = str(headers.get("context")).encode() if picture else content
        if shot.expects not in context:
            return f"not this frame's answer: {shot.expects.decode()} is not in its context"
        self._answers += 1
        if picture and self._answers % _DECODE_EACH == 1:
            return _picture_mistake(content, shot, self.scenario.response)
        return ""


def _picture_mistake(content: bytes, shot: Shot, response: str) -> str:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        return f"the picture cannot be decoded: {len(content)} bytes"
    height_px, width_px = image.shape[:2]
    if (width_px, height_px) != _frames.size_px:
        return f"the picture has {width_px}x{height_px} px, the frame {'x'.join(map(str, _frames.size_px))}"
    if response == "heatmap":  # it shows where something was found, not the frame
        return ""
    mark = int(np.packbits(image[8, 8:264:16, 1] > 127).view(">u2")[0])
    if f'"mark":{mark}'.encode() != shot.expects:
        return f"not this frame's picture: it carries the mark {mark}, not {shot.expects.decode()}"
    return ""


class RawCamera(Camera):
    """Raw BGR; the answer is the context."""

    scenario = SCENARIOS["raw BGR"]
    weight = 3


class BayerCamera(Camera):
    """Raw BayerRG8."""

    scenario = SCENARIOS["BayerRG8"]
    weight = 3


class JpegCamera(Camera):
    """JPEG files."""

    scenario = SCENARIOS["JPEG"]
    weight = 2


class PngCamera(Camera):
    """PNG files."""

    scenario = SCENARIOS["PNG"]


class SharedMemoryCamera(Camera):
    """Raw BGR in segments of shared memory on the server's own computer."""

    scenario = SCENARIOS["shared memory"]
    weight = 2


class ImageCamera(Camera):
    """Raw BGR; the answer is the picture."""

    scenario = SCENARIOS["image"]


class AnnotatedCamera(Camera):
    """Raw BGR; the answer is the picture with what was found drawn in."""

    scenario = SCENARIOS["annotated"]


class HeatmapCamera(Camera):
    """Raw BGR; the answer is the heatmap."""

    scenario = SCENARIOS["heatmap"]


_frames = _Frames()
events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(hear_ctrl_c)
events.test_start.add_listener(_frames.make)
