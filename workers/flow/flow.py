"""A project's flow, prepared once for all workers, in the process that they are forks of, and run for every frame.

image, read-only --> context --> module 1 --> module 2 --> ... --> image, heat, public context
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workers.context.context import FRAME, complete, new_context, repaired
from workers.context.image_and_heat import combined_heat, top_8_bits, usable_image
from workers.context.origin import Origin
from workers.context.printed import Printed
from workers.context.run import Context, Run, Stage, run_stages
from workers.errors import FramemillError, ProjectInvalid
from workers.flow.global_data import leave, lend, may_be_used
from workers.flow.inputs import OperatorInput
from workers.modules.base import ModuleSurroundings, blame_image, prepared_by, what_is_there
from workers.modules.project_files import ProjectFiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.flow.project import Project, Step
    from workers.memory.global_data import GlobalData
    from workers.told.witness import Witness

_log = logging.getLogger(__name__)


class Inspection(NamedTuple):
    """What a flow made of a frame.

    `image` is (h, w) grey or (h, w, 3) BGR, uint8: the very array that came in where no module put another in its
    place, unless its samples have more than 8 bits. `heat` is (h, w) float32 in 0..1, or None where no module made any.
    `context` is public and complete.
    """

    image: NDArray[np.uint8]
    heat: NDArray[np.float32] | None
    context: Context


class Flow:
    """The modules of a project, ready to run, in the worker of the number `worker`."""

    def __init__(self, stages: Sequence[Stage], project: Project, prepared: Sequence[Stage] = ()) -> None:
        self._stages = tuple(stages)
        self._prepared = tuple(prepared)  # those of branches too
        self.worker = 0
        self._version = project.version
        self._verdict = project.verdict
        self._deep = project.frame.depth == 16
        self._data_folder = str(project.data)
        self._shares = may_be_used(project)
        self._operator_input = OperatorInput(project.inputs)
        self._streams: list[Printed] = []  # of a frame that printed nothing

    @classmethod
    def prepare(cls, project: Project) -> Flow:
        """Import user code and load references.

        Raises:
            ProjectInvalid: some of it failed; one line for each module that did, with file and line.
        """
        mistakes: list[str] = []
        preparation = _Preparation(project, mistakes)
        stages = preparation.stages(project.steps)
        if mistakes:
            raise ProjectInvalid("\n".join(mistakes))
        return cls(stages, project, preparation.prepared)

    @property
    def modules(self) -> Sequence[object]:
        """What was made of its modules, those of branches too."""
        return [stage.call for stage in self._prepared]

    def stop(self) -> None:
        """Tell the modules that no frame follows, the last one first: those that have a `stop`."""
        for stage in reversed(self._prepared):
            stop = getattr(stage.call, "stop", None)
            try:
                if callable(stop):
                    stop()
            except BaseException:  # noqa: BLE001 - user code may raise anything; the others are told all the same
                _log.exception("the stop() of %s raised", stage.label)

    def run(
        self,
        image: NDArray[np.uint8] | NDArray[np.uint16],
        *,
        data: str,
        deadline_ns: int,
        started_ns: int | None = None,
        damage: str = "",
        notes: Sequence[str] = (),
        bits: int = 8,
        wanted: Callable[[], bool] | None = None,
        origin: Origin | None = None,
        watched: Callable[[int, str], None] | None = None,
        shared: GlobalData | None = None,
        witness: Witness | None = None,
        inputs: bytes = b"",
    ) -> Inspection:
        """Inspect `image`, (h, w) grey or (h, w, 3) BGR, which is never written to; of more than 8 `bits` it is uint16.

        `data` is the client's own text. `deadline_ns` and `started_ns`, when the frame was accepted (now, if not
        given), are CLOCK_MONOTONIC. `damage` says what was wrong with the file that the image came from: the flow finds
        `damaged` in its context, and its result cannot be OK. `notes` say what was odd about it and changed no pixel:
        the flow finds them in its context, and its answer has them. `wanted` is asked between modules whether to go on,
        `watched` told of those that have a limit (see Run). `origin` is where the frame comes from; `shared` holds what
        frames before it have left in `globalData`, and takes what this one changes there.
        `witness` is told of the frame's way, for who cannot wait for its end. `inputs` is what operators have set.

        Raises:
            DeadlineExceeded: time ran out between two modules; the message names the one that did not run.
            FrameCancelled: nobody wanted it any more.
        """
        run = Run.start(deadline_ns, started_ns, self._streams.pop() if self._streams else None)
        run.wanted, run.watched = wanted, watched
        if witness is not None:
            run.witness = witness
            witness.begin(run.printed)
        run.frame_px = image.shape[0], image.shape[1]
        run.bits, run.deep = bits, self._deep
        frame = image
        if image.flags.writeable:
            frame = image.view()
            frame.flags.writeable = False
        context = new_context(frame, data, self._data_folder, self._version, bits=bits)
        context["worker"] = self.worker
        context["operatorInput"] = self._operator_input.of(inputs)
        if damage:
            run.damaged = context["damaged"] = True
            run.note(damage, type="image_damaged")
        if notes:
            run.notes = notes
            context["notes"] = [*notes]
        if self._stages:
            run.about = context[FRAME] = (origin or Origin(time.time_ns())).about(deadline_ns)
        before = lend(context, shared) if self._shares and shared is not None else None
        run_stages(self._stages, context, run)
        if before is not None and shared is not None:
            leave(context, before, shared, run.note)
        if self._verdict:
            context.update(repaired(context, run.note))
            self._verdict.judge(context, run.note)
        final = _shown(context, frame, run)
        height, width = final.shape[:2]
        heatmaps = context.get("heatmaps", [])
        if run.earlier or run.unplaced:
            heatmaps = _of_shown(heatmaps, (height, width), run)
        heat = combined_heat(heatmaps, (height, width), run.note)
        whole = complete(context, run, height, width, self._version)
        if run.printed.is_empty:
            self._streams = [run.printed]
        return Inspection(top_8_bits(image if final is frame else final, bits), heat, whole)


def _shown(context: Context, frame: NDArray[Any], run: Run) -> NDArray[Any]:
    """Return what pictures show: where modules said how their images lie in it, what they had first; else the last."""
    if run.earlier and what_is_there(context).keys() & run.earlier.keys():
        return frame
    if run.placement is None:
        return _final_image(context, frame, run)
    return frame if run.base is None else _usable(run.base, frame, run)


def _of_shown(heatmaps: Any, shape: tuple[int, int], run: Run) -> Any:
    """Leave heat of another image than the one that is shown out, of which nobody knows where it lies, and say so."""
    if not isinstance(heatmaps, list | tuple):
        return heatmaps
    known = [heat for heat in heatmaps if not isinstance(heat, np.ndarray) or heat.shape == shape or heat.ndim != 2]
    if len(known) < len(heatmaps):
        run.remark(
            f"{len(heatmaps) - len(known)} heatmaps are not shown: they are of another image than the one that is, and"
            " no context['placement'] says how one lies on the other"
        )
    return known


def _usable(image: NDArray[Any], frame: NDArray[Any], run: Run) -> NDArray[Any]:
    try:
        return usable_image(image, deep=run.deep)
    except ValueError as error:
        run.note(blame_image(error, run))
        return frame


def _final_image(context: Context, frame: NDArray[Any], run: Run) -> NDArray[Any]:
    """Return the image of the context, or `frame` with an error noted where that is none."""
    image: Any = context.get("image")
    return _usable(image, frame, run)


class _Preparation:
    """Makes stages of a project's steps and collects what is wrong with them."""

    def __init__(self, project: Project, mistakes: list[str]) -> None:
        self._project = project
        self._files = ProjectFiles(project.folder)
        self._mistakes = mistakes
        self.prepared: list[Stage] = []

    def stages(self, steps: Sequence[Step]) -> list[Stage]:
        """Prepare those of `steps` that are enabled; those that fail are left out."""
        prepared = []
        for step in steps:
            if not step.options.enabled:
                continue
            try:
                prepared.append(self._stage(step))
                self.prepared.append(prepared[-1])
            except ProjectInvalid as error:
                self._mistakes += [f"{step.where}: {line}" for line in error.message.splitlines()]
        return prepared

    def _stage(self, step: Step) -> Stage:
        branches = tuple(self.stages(branch) for branch in step.branches)
        kind = step.kind
        surroundings = ModuleSurroundings(step.id, kind.source_type, self._files, self._project.data, branches)
        try:
            module = prepared_by(kind.implementation, step.options, surroundings)
        except (FramemillError, MemoryError):
            raise
        except Exception as error:
            _log.exception("the module %s cannot be prepared", step.options.title)
            msg = " ".join(f"{type(error).__name__}: {error}".split())
            raise ProjectInvalid(msg) from error
        return Stage(step.id, step.options.title, module, step.options.limit_ms or 0)
