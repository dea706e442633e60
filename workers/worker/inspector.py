"""One frame's work in a worker: decode, flow, picture, context. Knows nothing of slots, queues and processes.

The answer lies in the reply area like this::

    0                image_bytes      image_bytes + json_bytes      kept_at (on 64 bytes)
    +----------------+----------------+---+-------------------------+---------------------------+
    | PNG, if asked  | context, JSON  |   | final image, if the flow | heat, if the flow made one |
    |                |                |   | put another in its place | (one byte a pixel, 255 = 1)|
    +----------------+----------------+---+-------------------------+---------------------------+

What lies from `kept_at` on, together with the untouched frame in the request area, lets /last_image draw any picture of
this frame later without running user code a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import orjson

from workers.context.context import context_json
from workers.context.image_and_heat import top_8_bits
from workers.context.origin import Origin
from workers.errors import (
    DeadlineExceeded,
    NoLastImage,
    ReplyTooLarge,
)
from workers.flow.flow import Flow
from workers.gate import ImageLimits
from workers.memory.slot import NOT_SAID
from workers.pictures.picture import draw
from workers.pixels.pixel_format import check_length, pixel_format
from workers.pool.job import Encoding, Job, ResponseType, Task
from workers.told.witness import Witness
from workers.worker.decoder import Decoder
from workers.worker.distrust import DISTRUST

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from workers.flow.flow import Inspection
    from workers.flow.project import Project
    from workers.memory.global_data import GlobalData
    from workers.pixels.frame_form import FrameForm
    from workers.settings import PoolSettings

_ALIGN_BYTES = 64
_ALONE = Witness()
_SHOWS = 20  # a frame that is drawn again is held, so that one is enough but for a moment's bad luck


class Answer(NamedTuple):
    """How the reply area was filled; sizes in bytes, times in nanoseconds; `verdict` is 0 none, 1 OK, 2 NOK.

    In the order of the words in a slot's header, from IMAGE_BYTES to FAILED_IN.
    """

    image_bytes: int = 0
    json_bytes: int = 0
    kept_at: int = 0
    kept_image_bytes: int = 0
    kept_heat_bytes: int = 0
    final_width_px: int = 0
    final_height_px: int = 0
    final_channels: int = 0
    decode_ns: int = 0
    flow_ns: int = 0
    encode_ns: int = 0
    verdict: int = 0
    failed_in: int = 0


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame that was inspected before and still lies in its slot, until `still_there` says otherwise."""

    job: Job
    request: memoryview
    reply: memoryview
    answer: Answer
    still_there: Callable[[], bool]


class FrameMemory(NamedTuple):
    """The memory of the frame at hand: `request` read-only, `reply` to be written; times are CLOCK_MONOTONIC.

    `deadline_ns` is when its flow is stopped, between two modules, and so is it once nobody has `wanted` it any more.
    `witness` is told of its way through the flow.
    `came_ns` (CLOCK_REALTIME), `slot` and `asked` (memory/slot.py) are the frame's origin; `limit` and `shared` see
    `Flow.run`.
    """

    request: memoryview
    reply: memoryview
    accepted_ns: int
    deadline_ns: int
    newest: Callable[[], AbstractContextManager[KeptFrame | None]]
    wanted: Callable[[], bool] = lambda: True
    came_ns: int = 0
    slot: int = 0
    limit: Callable[[int, str], None] | None = None
    shared: GlobalData | None = None
    witness: Witness = _ALONE
    asked: bytes = NOT_SAID

    def origin_of(self, job: Job) -> Origin:
        """Say where the frame of a job comes from."""
        is_again = job.task is Task.AGAIN
        origin = Origin(self.came_ns or time.time_ns(), self.slot, job.camera, job.part, self.asked, is_again)
        return origin._replace(view=job.view) if job.view else origin


class Inspector:
    """Does jobs with one prepared `flow`."""

    def __init__(self, flow: Flow, form: FrameForm, limits: ImageLimits, context_bytes: int) -> None:
        self.flow = flow
        self._decoder = Decoder(form, limits)
        self._context_bytes = context_bytes

    @classmethod
    def prepare(cls, project: Project, settings: PoolSettings) -> Inspector:
        """Load a project's flow in this process; raises ProjectInvalid."""
        limits = ImageLimits(max_megapixels=settings.max_megapixels, formats=settings.formats, lenient=settings.lenient)
        flow = Flow.prepare(project.with_provider(settings.model_provider))
        return cls(flow, project.frame, limits, settings.max_context_kib * 1024)

    def answer(self, job: Job, memory: FrameMemory) -> Answer:
        """Do `job` and fill the reply area; raises FramemillError where there is no answer."""
        if job.task is Task.SHOW:
            return self._show(job, memory)
        if job.task is Task.MEASURE:
            return self._measure(job, memory)
        return self._inspect(job, memory)

    def _inspect(self, job: Job, memory: FrameMemory) -> Answer:
        begun = time.monotonic_ns()
        image, bits, damage, notes = self._decoder.decode(job, memory.request)
        decoded = time.monotonic_ns()
        with DISTRUST:
            inspection = self.flow.run(
                image,
                data=job.data,
                deadline_ns=memory.deadline_ns,
                started_ns=memory.accepted_ns,
                damage=damage,
                notes=notes,
                bits=bits,
                wanted=memory.wanted,
                witness=memory.witness,
                origin=memory.origin_of(job),
                watched=memory.limit,
                shared=memory.shared,
                inputs=job.inputs,
            )
        inspected = time.monotonic_ns()
        if inspected > memory.deadline_ns:
            raise DeadlineExceeded("the frame's time (run_ms, or its deadline) was over before its flow was")
        if job.held:
            _hold(inspection.context, job.held)
        with DISTRUST:
            rectangles, lines = inspection.context["detectedRectangles"], inspection.context["lines"]
            picture = draw(job.response, inspection.image, inspection.heat, rectangles, lines)
            context = context_json(inspection.context, self._context_bytes)
        _write(memory.reply, picture, context)
        filled = len(picture) + len(context)
        kept = _keep(memory.reply, filled, inspection, replaced=inspection.image is not image)
        height, width = inspection.image.shape[:2]
        return Answer(
            len(picture),
            len(context),
            *kept,
            final_width_px=width,
            final_height_px=height,
            final_channels=1 if inspection.image.ndim == 2 else 3,
            decode_ns=decoded - begun,
            flow_ns=inspected - decoded,
            encode_ns=time.monotonic_ns() - inspected,
            verdict=1 if inspection.context["result"] else 2,
            failed_in=memory.witness.failed_in(inspection.context["errors"]) if inspection.context["error"] else 0,
        )

    def _measure(self, job: Job, memory: FrameMemory) -> Answer:
        begun = time.monotonic_ns()
        width, height = job.width, job.height
        if job.encoding is Encoding.ENCODED:
            header = self._decoder.header(memory.request)
            width, height = header.width, header.height
        else:
            check_length(pixel_format(job.pixel_format), len(memory.request), width, height)
        shape, took_s = {"height": height, "width": width}, (time.monotonic_ns() - begun) / 1e9
        told: dict[str, Any] = {
            "error": False,
            "imageShape": shape,
            "processing": False,
            "processingTime": took_s,
            "save": False,
        }
        if job.held:
            told |= {"result": False, "held": job.held}
        context = orjson.dumps(told)
        _write(memory.reply, b"", context)
        return Answer(json_bytes=len(context), verdict=2 if job.held else 0)

    def _show(self, job: Job, memory: FrameMemory) -> Answer:
        for _ in range(_SHOWS):
            with memory.newest() as kept:
                if kept is None:
                    raise NoLastImage("no frame has been analysed since the server started")
                try:
                    answer = self._draw_again(job, kept, memory.reply)
                except Exception:
                    if kept.still_there():
                        raise
                    continue  # it was replaced meanwhile, and that is why
                if kept.still_there():
                    return answer
        raise NoLastImage("newer frames replaced the last one each time that it was drawn; ask again")

    def _draw_again(self, job: Job, kept: KeptFrame, reply: memoryview) -> Answer:
        if not kept.answer.kept_at:
            raise NoLastImage("the last frame was too large to be kept beside its answer; raise max_reply_mib")
        start, end = kept.answer.image_bytes, kept.answer.image_bytes + kept.answer.json_bytes
        context = bytes(kept.reply[start:end])
        picture = b""
        if job.response is not ResponseType.CONTEXT:
            found: dict[str, list[dict[str, Any]]] = orjson.loads(context)
            rectangles, lines = found["detectedRectangles"], found["lines"]
            picture = draw(job.response, self._kept_image(kept), _kept_heat(kept), rectangles, lines)
        _write(reply, picture, context)
        return Answer(image_bytes=len(picture), json_bytes=len(context))

    def _kept_image(self, kept: KeptFrame) -> NDArray[np.uint8]:
        answer = kept.answer
        if not answer.kept_image_bytes:
            again = self._decoder.decode(kept.job, kept.request)
            return top_8_bits(again.image, again.bits)
        stored = np.frombuffer(kept.reply, np.uint8, answer.kept_image_bytes, answer.kept_at)
        shape = (answer.final_height_px, answer.final_width_px)
        return stored.reshape(shape if answer.final_channels == 1 else (*shape, 3))


def _kept_heat(kept: KeptFrame) -> NDArray[np.float32] | None:
    answer = kept.answer
    if not answer.kept_heat_bytes:
        return None
    start = answer.kept_at + answer.kept_image_bytes
    stored = np.frombuffer(kept.reply, np.uint8, answer.kept_heat_bytes, start)
    shape = (answer.final_height_px, answer.final_width_px)
    return np.multiply(stored.reshape(shape), np.float32(1 / 255), dtype=np.float32)


def _hold(context: dict[str, Any], name: str) -> None:
    """Make NOK of a frame because the line is held, whatever its flow has said; that stays beside it."""
    context |= {"result": False, "held": name, "heldResult": context["result"]}


def _write(reply: memoryview, picture: bytes, context: bytes) -> None:
    filled = len(picture) + len(context)
    if filled > len(reply):
        msg = f"the answer has {filled} bytes, {len(reply)} fit; raise max_reply_mib"
        raise ReplyTooLarge(msg)
    reply[: len(picture)] = picture
    reply[len(picture) : filled] = context


def _keep(reply: memoryview, filled: int, inspection: Inspection, *, replaced: bool) -> tuple[int, int, int]:
    """Store what /last_image needs; returns kept_at, kept_image_bytes and kept_heat_bytes."""
    start = -(-max(filled, 1) // _ALIGN_BYTES) * _ALIGN_BYTES
    image_bytes = inspection.image.nbytes if replaced else 0
    heat_bytes = inspection.heat.size if inspection.heat is not None else 0
    if start + image_bytes + heat_bytes > len(reply):
        return 0, 0, 0
    if replaced:
        target = np.frombuffer(reply, np.uint8, image_bytes, start)
        np.copyto(target.reshape(inspection.image.shape), inspection.image)
    if inspection.heat is not None:
        target = np.frombuffer(reply, np.uint8, heat_bytes, start + image_bytes)
        cv2.convertScaleAbs(inspection.heat, target.reshape(inspection.heat.shape), alpha=255)  # rounds
    return start, image_bytes, heat_bytes
