"""A project's flow, prepared once for all workers, in the process that they are forks of, and run for every frame.

image, read-only --> context --> module 1 --> module 2 --> ... --> image, heat, public context
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.context.context import complete, new_context, repaired
from workers.context.image_and_heat import combined_heat, top_8_bits, usable_image
from workers.context.printed import Printed
from workers.context.run import Context, Run, Stage, run_stages
from workers.errors import FramemillError, ProjectInvalid
from workers.modules.base import ModuleSurroundings, blame_image, prepared_by
from workers.modules.project_files import ProjectFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workers.containment.witness import Witness
    from workers.flow.project import Project, Step

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
        witness: Witness | None = None,
    ) -> Inspection:
        """Inspect `image`, (h, w) grey or (h, w, 3) BGR, which is never written to; of more than 8 `bits` it is uint16.

        `data` is the client's own text. `deadline_ns` and `started_ns`, when the frame was accepted (now, if not
        given), are CLOCK_MONOTONIC. `damage` says what was wrong with the file that the image came from: the flow finds
        `damaged` in its context, and its result cannot be OK. `notes` say what was odd about it and changed no pixel:
        the flow finds them in its context, and its answer has them. `wanted` is asked between modules whether to go on.
        `witness` is told of the frame's way, for who cannot wait for its end.

        Raises:
            DeadlineExceeded: time ran out between two modules; the message names the one that did not run.
            FrameCancelled: nobody wanted it any more.
        """
        run = Run.start(deadline_ns, started_ns, self._streams.pop() if self._streams else None)
        run.wanted = wanted
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
        if damage:
            run.damaged = context["damaged"] = True
            run.note(damage, type="image_damaged")
        if notes:
            run.notes = notes
            context["notes"] = [*notes]
        run_stages(self._stages, context, run)
        if self._verdict:
            context.update(repaired(context, run.note))
            self._verdict.judge(context, run.note)
        # where a module has said how its image lies in the frame, what was found is shown on that frame
        final = frame if run.placement is not None else _final_image(context, frame, run)
        height, width = final.shape[:2]
        heat = combined_heat(context.get("heatmaps", []), (height, width), run.note)
        whole = complete(context, run, height, width, self._version)
        if run.printed.is_empty:
            self._streams = [run.printed]
        return Inspection(top_8_bits(image if final is frame else final, bits), heat, whole)


def _final_image(context: Context, frame: NDArray[Any], run: Run) -> NDArray[Any]:
    """Return the image of the context, or `frame` with an error noted where that is none."""
    try:
        return usable_image(context.get("image"), deep=run.deep)
    except ValueError as error:
        run.note(blame_image(error, run))
        return frame


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
        return Stage(step.id, step.options.title, module)
