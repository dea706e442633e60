"""Defects drawn into good pictures, through a project's flow: what would a project without any bad part miss?"""

from __future__ import annotations

import hashlib
import itertools
import math
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from service.tryout.inspecting import Trial, begin, names_for
from service.tryout.row import Row, row_of
from service.tryout.truth import Expected
from workers.programs.try_pool import Tried, TryPool
from workers.text import NOTHING_TOLD, Told
from workers.training.kinds import KINDS
from workers.trying.drawn_files import CannotDraw, Drawing, DrawnFile, Wish, hottest_px
from workers.trying.try_messages import Frame

if TYPE_CHECKING:
    from workers.training.drawing import Box

_AT_ONCE = 24  # pictures that lie on the disk, and as many that are being drawn
_NEAR_SHARE = 0.02  # of the picture's shorter side: what is marked so near is marked at its place
_NEAR_PX = 3
_MOST_PREVIEW_PX = 800  # the defect is shown closely beside it


class Level(NamedTuple):
    """How large or strong: a value itself, or where it lies between the least and the most that is usual for a kind."""

    name: str
    value: float
    of_usual: bool = False

    def of(self, usual: tuple[float, float]) -> float:
        """Return the value for a kind."""
        if not self.of_usual:
            return self.value
        least, most = map(math.log, usual)
        return math.exp(least + self.value * (most - least))


SIZES = tuple(Level(name, at, of_usual=True) for name, at in (("small", 1 / 6), ("medium", 1 / 2), ("large", 5 / 6)))
CONTRASTS = tuple(
    Level(name, at, of_usual=True) for name, at in (("faint", 1 / 6), ("clear", 1 / 2), ("strong", 5 / 6))
)


@dataclass(frozen=True, slots=True)
class DrawnWishes:
    """What is to be drawn: `each` defects of every kind and size into every picture, in all contrasts by turns.

    `told` are patterns of what a client would say. Drawn pictures lie in `folder` while they are
    inspected, and go to `keep` then, or nowhere.
    """

    folder: Path
    told: Told = NOTHING_TOLD
    kinds: tuple[str, ...] = tuple(KINDS)
    sizes: tuple[Level, ...] = SIZES
    contrasts: tuple[Level, ...] = CONTRASTS
    each: int = 1
    seed: int = 0
    keep: Path | None = None

    @property
    def of_a_picture(self) -> int:
        """How many are drawn into one."""
        return len(self.kinds) * len(self.sizes) * self.each


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a drawn defect: `good` is the picture that it was drawn into, `row` what the flow said.

    `place` is "right" where the flow marked it there, "elsewhere" where only something else is marked, and nothing
    where the flow says not where.
    """

    good: Path
    size: str
    contrast: str
    drawn: DrawnFile
    row: Row
    place: str = ""

    @property
    def judged(self) -> bool:
        """Whether the flow could do its work."""
        return self.row.verdict != "ERROR" and not self.row.failed

    @property
    def found(self) -> bool:
        """Whether the part was refused."""
        return self.judged and self.row.verdict == "NOK"

    @property
    def missed(self) -> bool:
        """Whether it passed."""
        return self.row.verdict == "OK"


class LeftOut(NamedTuple):
    """A good picture that nothing can be drawn into, and why."""

    good: Path
    why: str


class _Planned(NamedTuple):
    good: Path
    wish: Wish
    size: str
    contrast: str
    path: Path


def drawing_for(trial: Trial, where: Path | None) -> Drawing:
    """Return what draws into a project's pictures; raises CannotDraw, see Drawing."""
    return Drawing(trial.project, begin(trial).settings, where)


def inspect_drawn(
    trial: Trial, drawing: Drawing, good: Sequence[Path], wishes: DrawnWishes
) -> Iterator[Outcome | LeftOut]:
    """Yield for each defect what the flow says of it, picture by picture.

    Raises:
        ProjectInvalid: the project cannot be loaded; the message says why.
        OSError: the machine refuses a process, or a file cannot be written.
    """
    batches = _batches(_plan(good, wishes))
    start = begin(trial, wishes.folder).model_copy(update={"max_preview_px": _MOST_PREVIEW_PX})
    with ThreadPoolExecutor(1) as beside, TryPool(start, trial.processes(_AT_ONCE)) as pool:
        left_out: set[Path] = set()
        # the next ones are drawn while these are inspected
        coming: deque[Future[_Made]] = deque()
        for batch in batches:
            coming.append(beside.submit(_draw, drawing, batch))
            if len(coming) > 1:
                yield from _tried(pool, coming.popleft().result(), wishes, left_out)
        while coming:
            yield from _tried(pool, coming.popleft().result(), wishes, left_out)


def truth_of(outcomes: Sequence[Outcome], told: Told) -> bytes:
    """Return the right verdicts of drawn pictures, as `framemill run --against` reads them, and what was `told`."""
    truth = {}
    for one in outcomes:
        said = {name: text for name, text in told.of(one.good)._asdict().items() if text}
        truth[one.drawn.path.name] = {"result": False, "label": one.drawn.wish.kind, **said}
    return orjson.dumps(truth, option=orjson.OPT_INDENT_2)


class _Drawn(NamedTuple):
    planned: _Planned
    file: DrawnFile


class _Made(NamedTuple):
    """What was drawn, and pictures that could not be."""

    drawn: list[_Drawn]
    left_out: list[LeftOut]


def _plan(good: Sequence[Path], wishes: DrawnWishes) -> Iterator[_Planned]:
    """Yield what is drawn into which picture; what one gets depends on its name, not on what others there are."""
    names, folder = names_for(good), wishes.folder.resolve()
    for number, path in enumerate(good):
        turns = itertools.count(number)
        for kind, again, size in itertools.product(wishes.kinds, range(wishes.each), wishes.sizes):
            contrast = wishes.contrasts[next(turns) % len(wishes.contrasts)]
            words = f"{wishes.seed}/{path.parent.name}/{path.name}/{kind}/{size.name}/{again}"
            seed = int.from_bytes(hashlib.sha256(words.encode("utf-8", "surrogateescape")).digest()[:7])
            usual = KINDS[kind]
            wish = Wish(kind, seed, size.of(usual.sizes), contrast.of(usual.contrasts))
            name = f"{Path(names[path]).stem}-{kind}-{size.name}-{again + 1}.png".replace(" ", "")
            yield _Planned(path, wish, size.name, contrast.name, folder / name)


def _batches(planned: Iterator[_Planned]) -> Iterator[list[_Planned]]:
    while batch := [*itertools.islice(planned, _AT_ONCE)]:
        yield batch


def _draw(drawing: Drawing, batch: list[_Planned]) -> _Made:
    made = _Made([], [])
    for good, group in itertools.groupby(batch, lambda one: one.good):
        planned = [*group]
        try:
            files = drawing.into(good, [(one.wish, one.path) for one in planned])
        except CannotDraw as error:
            made.left_out.append(LeftOut(good, error.message))
        else:
            made.drawn.extend(map(_Drawn, planned, files))
    return made


def _tried(pool: TryPool, made: _Made, wishes: DrawnWishes, left_out: set[Path]) -> Iterator[Outcome | LeftOut]:
    yield from (one for one in made.left_out if one.good not in left_out)
    left_out.update(one.good for one in made.left_out)
    frames = [
        Frame(
            str(one.file.path),
            wishes.told.of(one.planned.good),
            expected=False,
            heat=str(_heat(one.file.path)),
        )
        for one in made.drawn
    ]
    done = sorted(pool.run(frames), key=lambda tried: tried.number)
    for one, tried in zip(made.drawn, done, strict=True):
        yield _outcome(one, tried)
        if wishes.keep:
            shutil.move(one.file.path, wishes.keep / one.file.path.name)
        else:
            one.file.path.unlink(missing_ok=True)


def _outcome(one: _Drawn, tried: Tried) -> Outcome:
    planned, file = one
    row = row_of(file.path, tried, Expected(result=False, label=file.wish.kind))
    place = ""
    if row.verdict == "NOK" and not row.failed:
        place = _place(file, orjson.loads(tried.context))
    _heat(file.path).unlink(missing_ok=True)
    return Outcome(planned.good, planned.size, planned.contrast, file, row, place)


def _heat(path: Path) -> Path:
    return path.with_suffix(".heat")


def _place(file: DrawnFile, context: dict[str, object]) -> str:
    """Say whether what the flow marked is where the defect is: rectangles, or the hottest place where there is none."""
    shape, rectangles = context["imageShape"], context["detectedRectangles"]
    assert isinstance(shape, dict) and isinstance(rectangles, list), "the contract"  # noqa: PT018
    scale = file.width_px / shape["width"]  # frames may be reduced
    marked = [tuple(scale * edge for edge in _edges(each)) for each in rectangles]
    heat = _heat(file.path)
    if not marked and heat.exists() and (hottest := hottest_px(heat.read_bytes())):
        x, y = (scale * at for at in hottest)
        marked = [(x, y, x, y)]
    if not marked:
        return ""
    near_px = _NEAR_PX + _NEAR_SHARE * min(file.width_px, file.height_px)
    return "right" if any(_meet(file.box, edges, near_px) for edges in marked) else "elsewhere"


def _edges(rectangle: dict[str, float]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what a rectangle, turned about its middle, covers at most."""
    width, height, turn = rectangle["width"], rectangle["height"], math.radians(rectangle["rotate"])
    x, y = rectangle["x"] + width / 2, rectangle["y"] + height / 2
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    half_x, half_y = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    return x - half_x, y - half_y, x + half_x, y + half_y


def _meet(box: Box, edges: tuple[float, ...], near_px: float) -> bool:
    left, top, right, bottom = edges
    across = left - near_px < box.x + box.width and right + near_px > box.x
    return across and top - near_px < box.y + box.height and bottom + near_px > box.y
