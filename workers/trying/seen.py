"""What one module of a flow sees of a picture, taken away before the module runs: it may have learned nothing yet.

What stands before the module runs as it does in a worker. Whatever follows it, and other branches, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workers.errors import FramemillError
from workers.modules.base import on_context
from workers.modules.kind import ModuleKind
from workers.modules.region import Region

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from workers.context.run import Context, Run
    from workers.flow.project import Project, Step
    from workers.modules.base import ModuleSurroundings


NOT_KEPT = "cannot be kept"
"""How the message of a picture begins that was seen, and for which there is no room."""


class NotSeen(FramemillError):
    """The module would see nothing of this picture, or nothing good; the message says why."""

    code = "not_seen"


@dataclass(slots=True)
class Seen:
    """Stands in the place of the module. `image` is what that would have seen last, (h, w) grey or (h, w, 3) BGR."""

    surroundings: ModuleSurroundings
    region: Region
    image: NDArray[np.uint8] | None = None
    good: bool = True

    def __call__(self, context: Context, run: Run) -> bool:
        """Keep a copy of what lies in the region; the flow ends here."""
        return on_context(self._keep, self.surroundings)(context, run)

    def _keep(self, context: Context) -> None:
        image = context["image"]
        self.image = image[self.region.area(image).window].copy()
        self.good = bool(context["result"])
        context["exit"] = True

    def take(self, context: dict[str, Any]) -> NDArray[np.uint8]:
        """Return what was kept of the frame that ended in `context`, (h, w) grey or (h, w, 3) BGR; raises NotSeen."""
        image, self.image = self.image, None
        if context["error"]:
            first = context["errors"][0]
            raise NotSeen(f"{first['module'] or 'the flow'}: {first['message']}")
        if image is None:
            raise NotSeen("the flow ends before the module")
        if not self.good:
            raise NotSeen("it is NOK already before the module")
        return image


def prepare(options: object, surroundings: ModuleSurroundings) -> Seen:
    """Make what stands in the place of a module with these options."""
    return Seen(surroundings, Region(getattr(options, "region", None)))


def seen_by(project: Project, module_id: int) -> Project:
    """Return the project as far as the module `module_id`, in whose place pictures are taken away."""
    return replace(project, steps=tuple(_up_to(project.steps, module_id)), verdict=None, proofs=())


def _up_to(steps: Iterable[Step], module_id: int) -> Iterable[Step]:
    for step in steps:
        if step.id == module_id:
            options = step.options.model_copy(update={"enabled": True})
            yield replace(step, kind=ModuleKind(type(options), __name__, step.kind.source_type), options=options)
            return
        if any(each.id == module_id for branch in step.branches for each in _all(branch)):
            yield replace(step, branches=tuple(_branch_up_to(branch, module_id) for branch in step.branches))
            return
        yield step


def _branch_up_to(branch: Sequence[Step], module_id: int) -> tuple[Step, ...]:
    return tuple(_up_to(branch, module_id)) if any(each.id == module_id for each in _all(branch)) else ()


def _all(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _all(branch)
