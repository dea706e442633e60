"""The one loop that runs modules, and what it notes about one frame on the way.

A module is a callable over the context. It returns False where it could not do its work: the flow stops there, for a
frame that was inspected only in part must never become OK.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.context.printed import Printed
from workers.errors import DeadlineExceeded, FrameCancelled
from workers.text import shown
from workers.told.witness import Witness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_NOTES = 50
MAX_ERRORS = 100  # a broken list of ten thousand rectangles is one mistake, not ten thousand

Context = dict[str, Any]

LookAtTime = Callable[[], None]
"""Raises DeadlineExceeded once the frame's time is over: Run.look_at_time, for what need not know of a Run."""

_ALONE = Witness()


class _Place(NamedTuple):
    """What a Run knows of the image at hand."""

    image_from: str | None
    placement: NDArray[np.float64] | None
    frame_px: tuple[int, int]
    base: NDArray[np.uint8] | None
    earlier: dict[int, object] | None


@dataclass(slots=True)
class Run:
    """One frame's way through the flow. Its times are CLOCK_MONOTONIC.

    `stage` is the module at work, None outside of all; `image_from` the code file that put the image there. `placement`
    says how the image lies in the frame that came in, (3, 3) float64 (placement.py), None where nobody has said;
    `frame_px` is that frame's height and width. Once code has put an image of another size there and said nothing,
    `base` is that image, and what is found from then on is of it; `earlier` is what was found before (by its ids).
    `unplaced` says that heat of a branch may be of an image whose place nobody knows.
    `wrote` are keys that code has set in a branch, each with its file; None outside of branches.
    `bits` are those of the samples of its image; `deep` says that images of uint16 are welcome to the flow.
    `damaged` says that the frame's file was, and the setting `lenient` let it in; `notes` say what was odd about it and
    changed no pixel, and what modules did that has no effect. `wanted` tells whether anybody waits. `about` is what
    code finds under `frame`. `timings` are what modules took, in the order of the flow. `watched` is told until when a
    module with a limit must have ended (0 once it has), and what is to be said where it has not. `witness` is told
    what becomes of the frame on its way.
    """

    deadline_ns: int
    accepted_ns: int
    begun_ns: int
    printed: Printed
    errors: list[dict[str, Any]]
    stage: Stage | None = None
    image_from: str | None = None
    placement: NDArray[np.float64] | None = None
    frame_px: tuple[int, int] = (0, 0)
    bits: int = 8
    deep: bool = False
    base: NDArray[np.uint8] | None = None
    earlier: dict[int, object] | None = None
    unplaced: bool = False
    wrote: dict[str, str] | None = None
    damaged: bool = False
    notes: Sequence[str] = ()
    wanted: Callable[[], bool] | None = None
    witness: Witness = _ALONE
    about: dict[str, Any] | None = None
    timings: list[dict[str, Any]] = field(default_factory=list)
    watched: Callable[[int, str], None] | None = None

    @classmethod
    def start(cls, deadline_ns: int, accepted_ns: int | None = None, printed: Printed | None = None) -> Run:
        """Begin a frame that was accepted at `accepted_ns`, or just now; `printed` are empty streams, if there are."""
        now = time.monotonic_ns()
        return cls(deadline_ns, accepted_ns or now, now, printed or Printed.fresh(), [])

    @property
    def place(self) -> _Place:
        """What is known of the image at hand: who left it there, and where it lies."""
        return _Place(self.image_from, self.placement, self.frame_px, self.base, self.earlier)

    @place.setter
    def place(self, place: _Place) -> None:
        self.image_from, self.placement, self.frame_px, self.base, self.earlier = place

    def remark(self, message: str, within: str = "") -> None:
        """Add a line to the notes of this frame, under the name of the module at work: odd, and no error; once each.

        `within` says where in that module, as ", branch 2".
        """
        line = f"{self.stage.label}{within}: {message}" if self.stage else message
        if line in self.notes:
            return
        if len(self.notes) < MAX_NOTES:
            self.notes = [*self.notes, line]
        elif len(self.notes) == MAX_NOTES:
            self.notes = [*self.notes, f"more than {MAX_NOTES} notes: the rest is left out"]

    def note(self, message: str, **details: object) -> None:
        """Add an entry to the errors of this frame, under the name of the module at work."""
        if len(self.errors) > MAX_ERRORS:
            return
        if len(self.errors) == MAX_ERRORS:
            message, details = f"more than {MAX_ERRORS} errors: the rest is left out", {}
        entry = {"message": message, "type": None, "file": None, "line": None, **details}
        entry["module"] = self.stage.name if self.stage else None
        entry["moduleId"] = self.stage.id if self.stage else None
        self.errors.append(entry)

    def crashed(self, error: BaseException, told: Mapping[str, Any]) -> None:
        """Note an exception, as `told` has it, with what led to it, and log its traceback."""
        self.note(**told)
        self.witness.crashed(error, told, self.stage.label if self.stage else "what is outside of all modules")

    def look_at_time(self) -> None:
        """Raise DeadlineExceeded once the frame's time is over: for modules, between steps that take some ms each."""
        if time.monotonic_ns() >= self.deadline_ns:
            at_work = self.stage.label if self.stage else "a module"
            msg = f"the frame's time (run_ms, or its deadline) was over while {at_work} was at work"
            raise DeadlineExceeded(msg)

    def enter(self, stage: Stage | None) -> None:
        """Say which module is at work from here on."""
        self.stage = stage
        self.witness.at(stage.id if stage else 0)


@dataclass(frozen=True, slots=True)
class Stage:
    """A module that is ready to run.

    `id` counts the modules of a flow from 1, depth first: a parallel block comes before those of its branches.
    `limit_ms` is how long it may take, 0 for as long as the frame.
    """

    id: int
    name: str
    call: Callable[[Context, Run], bool]
    limit_ms: int = 0

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"module {self.id} ({self.name})"


def run_stages(stages: Sequence[Stage], context: Context, run: Run) -> bool:
    """Run `stages` one after another until one fails or sets `exit`; False where one failed.

    Raises:
        DeadlineExceeded: time ran out; the message names the module that did not run any more.
        FrameCancelled: nobody waits for the frame any more.
    """
    outer = run.stage
    now_ns = time.monotonic_ns()
    try:
        for stage in stages:
            if now_ns >= run.deadline_ns:
                msg = f"the frame's time (run_ms, or its deadline) was over before {stage.label} could run"
                raise DeadlineExceeded(msg)
            if run.stage is not outer and run.wanted is not None and not run.wanted():
                msg = f"nobody waited for the frame any more before {stage.label} could run"
                raise FrameCancelled(msg)
            run.enter(stage)
            timing = {"moduleId": stage.id, "module": stage.name, "ms": 0.0}
            run.timings.append(timing)  # now, so that a parallel block comes before what is in it
            begun_ns = now_ns
            worked = _limited(stage, context, run, begun_ns) if stage.limit_ms else stage.call(context, run)
            now_ns = time.monotonic_ns()
            timing["ms"] = (now_ns - begun_ns) // 1000 / 1000
            if not worked:
                return False
            if context.get("exit", False) is not False and _leaves(context["exit"], run):
                break
        return True
    finally:
        run.enter(outer)


def _limited(stage: Stage, context: Context, run: Run, begun_ns: int) -> bool:
    """Run a module that may take so long and no longer; what takes longer is an error, which ends the flow.

    Until it has ended it is the frame's deadline that is nearer: modules of ours look at that, and what does not come
    back at all is ended as a frame is that runs for too long.
    """
    frames_own_ns, watched = run.deadline_ns, run.watched
    due_ns = begun_ns + stage.limit_ms * 1_000_000
    if due_ns >= frames_own_ns:  # the frame ends before, and of that it is told as ever
        return stage.call(context, run)
    words = f"{stage.label} took longer than it may (limit_ms = {stage.limit_ms})"
    run.deadline_ns = due_ns
    if watched is not None:
        watched(due_ns, words)
    # what it holds may have a limit that comes sooner, and this one is back when that has ended
    run.watched = _nested(watched, due_ns, words)
    try:
        worked = stage.call(context, run)
    except DeadlineExceeded:
        if time.monotonic_ns() >= frames_own_ns:
            raise
        worked = False
    finally:
        run.deadline_ns, run.watched = frames_own_ns, watched
        run.enter(stage)
        if watched is not None:
            watched(0, "")
    took_ns = time.monotonic_ns() - begun_ns
    if took_ns > stage.limit_ms * 1_000_000:
        run.note(f"{words}: {took_ns // 1_000_000} ms; the flow ends there", type="ModuleTookTooLong")
        return False
    return worked


def _nested(watched: Callable[[int, str], None] | None, due_ns: int, words: str) -> Callable[[int, str], None] | None:
    if watched is None:
        return None
    tell = watched
    return lambda inner_ns, inner: tell(inner_ns, inner) if inner_ns else tell(due_ns, words)


def _leaves(wish: object, run: Run) -> bool:
    """Tell whether a module has set `exit`; what is neither true nor false counts as true, and as an error."""
    try:
        return bool(wish)
    except BaseException:  # noqa: BLE001 - an array, or an object of the user's that refuses
        run.note(f"context['exit'] is {shown(wish)}, expected a bool")
        return True
