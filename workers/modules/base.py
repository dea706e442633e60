"""What a module is, what it is handed, and what it may rely on when it runs.

A module is a callable over a frame's context and its run, made by `prepare(options, surroundings)` once for all
workers. `on_run` wraps it, and `on_context` one that wants the context alone. It calls `run.look_at_time()` between
steps that take some ms each on a large frame: a frame whose time is over gets no other answer, so nothing is lost.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from workers.context.image_and_heat import top_8_bits, usable_image
from workers.context.placement import WHOLE, composed, heat_in_frame, line_in_frame, rectangle_in_frame
from workers.context.rectangles import complete_rectangles
from workers.errors import DeadlineExceeded, FrameCancelled, FramemillError
from workers.text import shown, type_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, Run, Stage
    from workers.modules.project_files import ProjectFiles

_Made = TypeVar("_Made")
_LISTS = (list, tuple)  # a union, made each time, takes as long as all of the rest


@dataclass(frozen=True, slots=True)
class ModuleSurroundings:
    """What a module is handed beside its options.

    `id` is its place in the flow, from 1 (`moduleId`); `source_type` what its rectangles bear in `source.type`.
    `branches` are the modules of its branches, ready to run, for those that have some.
    """

    id: int
    source_type: str
    files: ProjectFiles
    data_folder: Path
    branches: tuple[Sequence[Stage], ...] = ()

    @property
    def folder(self) -> Path:
        """The project's folder, which nobody changes while the version runs."""
        return self.files.folder

    @property
    def source(self) -> dict[str, Any]:
        """What rectangles of this module have under `source`."""
        return {"modelId": 0, "moduleId": self.id, "type": self.source_type}

    def shared(self, make: Callable[[Path], _Made]) -> _Made:
        """Return what `make` makes of the project's folder: the same for all modules of the project."""
        return self.files.shared(make)


def prepared_by(
    implementation: str, options: object, surroundings: ModuleSurroundings
) -> Callable[[Context, Run], bool]:
    """Import the Python module `implementation` and have its `prepare` make a module of the flow.

    Raises whatever that raises; ProjectInvalid is for mistakes of the project.
    """
    module: Callable[[Context, Run], bool] = importlib.import_module(implementation).prepare(options, surroundings)
    return module


def reshaping(
    change: Callable[[Context, Run], tuple[NDArray[Any], Matrix | None]], surroundings: ModuleSurroundings
) -> Callable[[Context, Run], bool]:
    """Wrap what puts another image in the place of the one that is there, and says how it lies on that.

    `change` returns the image, (h, w) or (h, w, 3) BGR, of the type that it got (`white_of`), and its placement on the
    one before (placement.py); None where every pixel stays where it was.
    """

    said: list[Matrix] = []

    def put(context: Context, run: Run) -> None:
        context["image"], placement = change(context, run)
        said.append(WHOLE if placement is None else placement)

    wrapped = on_run(put, surroundings, deep=True)

    def call(context: Context, run: Run) -> bool:
        said.clear()  # of a frame that was broken off
        worked = wrapped(context, run)
        if said:
            run.placement = composed(run.placement, said.pop())
        return worked

    return call


def bring_to_frame(context: Context, run: Run, known: Mapping[int, object]) -> None:
    """Bring what a module has found in a moved image to the frame; `known` was there before it."""
    if run.placement is None or np.array_equal(run.placement, WHOLE):
        return
    for key, moved in (("detectedRectangles", _moved_rectangle), ("lines", _moved_line), ("heatmaps", _moved_heat)):
        found = context.get(key)
        if isinstance(found, list):
            context[key] = [each if id(each) in known else moved(each, run) for each in found]


def what_is_there(context: Context) -> dict[int, object]:
    """What is of the frame already (rectangles, lines, heatmaps), by ids; kept, so that no other gets one of these."""
    known: dict[int, object] = {}
    for found in (context.get("detectedRectangles"), context.get("lines"), context.get("heatmaps")):
        if isinstance(found, _LISTS) and found:
            known.update((id(each), each) for each in found)
    return known


def begin_anew(image: NDArray[np.uint8], before: NDArray[np.uint8], run: Run, known: dict[int, object]) -> None:
    """See to what has been found where code puts an image of another size there and does not say how it lies.

    `image` and the one `before` are (h, w) grey or (h, w, 3) BGR.
    What was `known` before that is of the frame, and is shown on that; the rest, and all to come, is of the new image.
    """
    if image.ndim < 2 or image.shape[:2] == before.shape[:2]:
        return
    run.earlier, run.placement = {**(run.earlier or {}), **known}, None
    run.base, run.frame_px = image, (image.shape[0], image.shape[1])
    if run.earlier:
        (height, width), (was_high, was_wide) = image.shape[:2], before.shape[:2]
        run.remark(
            f"{run.image_from} put an image of {width} x {height} px in the place of one of {was_wide} x {was_high}"
            " and did not say how it lies on that (context['placement']): pictures show the frame, with what was found"
            " before; rectangles found from then on are in pixels of the new image"
        )


def _moved_rectangle(rectangle: Any, run: Run) -> Any:
    assert run.placement is not None
    return rectangle_in_frame(rectangle, run.placement) if isinstance(rectangle, dict) else rectangle


def _moved_line(line: Any, run: Run) -> Any:
    assert run.placement is not None
    return line_in_frame(line, run.placement) if isinstance(line, dict) else line


def _moved_heat(heat: Any, run: Run) -> Any:
    assert run.placement is not None
    is_heat = isinstance(heat, np.ndarray) and heat.ndim == 2 and heat.dtype.kind in "fbu"
    return heat_in_frame(heat, run.placement, *run.frame_px) if is_heat else heat


def white_of(context: Context) -> int:
    """Return the level that is white in the image of the context: 255, or that of its bits where it is uint16."""
    return 255 if context["image"].dtype == np.uint8 else int((1 << context["imageBits"]) - 1)


def on_context(
    inspect: Callable[[Context], None], surroundings: ModuleSurroundings, *, deep: bool = False
) -> Callable[[Context, Run], bool]:
    """Wrap what wants a context alone, as `on_run` does: what is done in a few ms need not look at the time."""
    return on_run(lambda context, _: inspect(context), surroundings, deep=deep)


def on_run(
    inspect: Callable[[Context, Run], None], surroundings: ModuleSurroundings, *, deep: bool = False
) -> Callable[[Context, Run], bool]:
    """Wrap what inspects a context: it finds what it relies on there, and its rectangles are completed.

    Where samples have more than 8 bits, one that is not `deep` finds the upper eight of them.
    It has failed, and the flow ends there, where it raises or puts something into `errors`.
    """

    def call(context: Context, run: Run) -> bool:
        if not _usable(context, run):
            return False
        others, known = context["errors"], what_is_there(context)
        given = context["image"]
        lent = context["image"] = given if deep else top_8_bits(given, run.bits)
        told: list[dict[str, Any]] = []
        crash: Exception | None = None
        context["errors"] = told
        try:
            inspect(context, run)
        except (DeadlineExceeded, FrameCancelled):
            raise
        except FramemillError as error:
            told.append({"message": error.message, "type": error.code})
        except Exception as error:  # noqa: BLE001 - a module may be of a package of somebody else's
            crash = error
        finally:
            context["errors"] = others
            if context.get("image") is lent:
                context["image"] = given
        for entry in told:
            run.note(**entry)
        if crash is not None:
            run.crashed(crash, {"message": str(crash), "type": type_name(crash)})
        rectangles = context["detectedRectangles"]
        if not all(id(each) in known for each in rectangles):
            whole = complete_rectangles(rectangles, surroundings.id, surroundings.source_type, run.note)
            context["detectedRectangles"] = whole
        bring_to_frame(context, run, known)
        return not told and crash is None

    return call


def _usable(context: Context, run: Run) -> bool:
    """Put right what user code may have left for a module of ours; False where there is no image or no data."""
    for key in ("detectedRectangles", "heatmaps", "errors"):
        if type(context.get(key)) is not list:
            context[key] = _list(key, context.get(key, ()), run)
    if not isinstance(context.get("data"), str):
        run.note(f"context['data'] is {shown(context.get('data'))}, expected text")
        return False
    try:
        context["image"] = usable_image(context.get("image"), deep=run.deep)
    except ValueError as error:
        run.note(blame_image(error, run))
        return False
    return True


def _list(key: str, value: object, run: Run) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    run.note(f"context[{key!r}] is {shown(value)}, expected a list; it was emptied")
    return []


def blame_image(error: ValueError, run: Run) -> str:
    """Say what is wrong with the image of the context, and who left it there."""
    made = f", which {run.image_from} left there," if run.image_from else ""
    return f"context['image']{made} {error}"
