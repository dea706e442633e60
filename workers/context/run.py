"""The one loop that runs modules, and what it notes about one frame on the way.

A module is a callable over the context. It returns False where it could not do its work: the flow stops there, for a
frame that was inspected only in part must never become OK.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.containment.witness import Witness
from workers.context.printed import Printed
from workers.errors import DeadlineExceeded, FrameCancelled
from workers.text import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ERRORS = 100  # a broken list of ten thousand rectangles is one mistake, not ten thousand

Context = dict[str, Any]

_ALONE = Witness()


@dataclass(slots=True)
class Run:
    """One frame's way through the flow. Its times are CLOCK_MONOTONIC.

    `stage` is the module at work, None outside of all; `image_from` the code file that put the image there. `placement`
    says how the image lies in the frame that came in, (3, 3) float64 (placement.py), None where nobody has said;
    `frame_px` is that frame's height and width.
    `bits` are those of the samples of its image; `deep` says that images of uint16 are welcome to the flow.
    `damaged` says that the frame's file was, and the setting `lenient` let it in; `notes` say what was odd about it and
    changed no pixel, and what modules did that has no effect. `wanted` tells whether anybody waits. `witness` is told
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
    damaged: bool = False
    notes: Sequence[str] = ()
    wanted: Callable[[], bool] | None = None
    witness: Witness = _ALONE

    @classmethod
    def start(cls, deadline_ns: int, accepted_ns: int | None = None, printed: Printed | None = None) -> Run:
        """Begin a frame that was accepted at `accepted_ns`, or just now; `printed` are empty streams, if there are."""
        now = time.monotonic_ns()
        return cls(deadline_ns, accepted_ns or now, now, printed or Printed.fresh(), [])

    def remark(self, message: str) -> None:
        """Add a line to the notes of this frame, under the name of the module at work: odd, and no error; once each."""
        line = f"{self.stage.label}: {message}" if self.stage else message
        if line not in self.notes and len(self.notes) < MAX_ERRORS:
            self.notes = [*self.notes, line]

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

    def enter(self, stage: Stage | None) -> None:
        """Say which module is at work from here on."""
        self.stage = stage
        self.witness.at(stage.id if stage else 0)


@dataclass(frozen=True, slots=True)
class Stage:
    """A module that is ready to run.

    `id` counts the modules of a flow from 1, depth first: a parallel block comes before those of its branches.
    """

    id: int
    name: str
    call: Callable[[Context, Run], bool]

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
    try:
        for stage in stages:
            if time.monotonic_ns() >= run.deadline_ns:
                msg = f"the frame's time (run_ms, or its deadline) was over before {stage.label} could run"
                raise DeadlineExceeded(msg)
            if run.stage is not outer and run.wanted is not None and not run.wanted():
                msg = f"nobody waited for the frame any more before {stage.label} could run"
                raise FrameCancelled(msg)
            run.enter(stage)
            if not stage.call(context, run):
                return False
            if context.get("exit", False) is not False and _leaves(context["exit"], run):
                break
        return True
    finally:
        run.enter(outer)


def _leaves(wish: object, run: Run) -> bool:
    """Tell whether a module has set `exit`; what is neither true nor false counts as true, and as an error."""
    try:
        return bool(wish)
    except BaseException:  # noqa: BLE001 - an array, or an object of the user's that refuses
        run.note(f"context['exit'] is {shown(wish)}, expected a bool")
        return True
