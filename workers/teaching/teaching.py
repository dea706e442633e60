"""How a module is taught, once its good pictures are there.

    fold 0   learn of the others, look at these, good and with drawn defects   each method: which one is taken?
    fold 1   the same, with that method                                        the scores of all held-out ones:
    ...                                                                        where is the threshold?
    all      learn of all                                                      what the file keeps

Each line is a lesson, and lessons run side by side. Where pictures are few, methods are compared over two folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workers.modules.anomaly.learned_file import About, write_learned
from workers.modules.anomaly.methods import METHODS
from workers.teaching.comparing import Tried, auroc, better_of
from workers.teaching.lesson import HEAT, LEARNED, DrawnLook, Lesson, Looked
from workers.teaching.lessons import LessonPool, Part, Tell
from workers.teaching.threshold import threshold_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.region_options import RegionOptions
    from workers.teaching.gathering import Gathered

LEAST_PICTURES = 8
_FOLDS = 4
_MANY, _FOLDS_OF_MANY = 120, 3  # of so many pictures two thirds say nearly what all would
_COMPARED_FOLDS = 2  # at most: each takes all methods as long as learning does
_ENOUGH = 40  # so many held-out pictures tell methods apart
_LEAST_DEFECTS = 60
_MEASURED = 20  # pictures that the cost is measured with
_LAST = 0.97  # of the work is done when that begins


@dataclass(frozen=True, slots=True)
class Before:
    """What a module has learned already: what its file says, and its arrays by names, of any shape, (n,) and more."""

    about: About
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be learned: by one of `methods`, whichever is better, with this share of `false_alarms`.

    `why` says why there is only one, where there is. `backbones` are ONNX files for methods that look through one.
    `region` is what the module looks at, `before` what is gone on with.
    """

    methods: tuple[str, ...]
    why: str
    false_alarms: float
    seed: int
    processes: int
    region: RegionOptions | None = None
    backbones: dict[str, Path] = field(default_factory=dict)
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of it. `good` are scores of held-out pictures by their number, `drawn` those of the drawn ones.

    `arrays` are what the method keeps, of any shape, (n,) and more. Pictures were held out in `folds` parts. `ms` is
    what a core needs for a picture, `memory_bytes` what a process needs to look. `heat_of` has the heat of every
    picture that was looked at.
    """

    about: About
    arrays: dict[str, NDArray[Any]]
    gathered: Gathered
    good: dict[int, float]
    drawn: list[DrawnLook]
    tried: list[Tried]
    ms: float
    memory_bytes: int
    extrapolated: bool
    region: RegionOptions | None
    folds: int
    _heat_files: dict[int, Path]

    def heat_of(self, number: int, name: str) -> NDArray[np.float32]:
        """Return the heat that picture `number`, or a copy of it, had when it was held out: (rows, columns), small."""
        with np.load(self._heat_files[number], allow_pickle=False) as file:
            return np.asarray(file[name], np.float32)

    def write(self, path: Path) -> None:
        """Write the file that the module loads, whole or not at all; raises OSError."""
        write_learned(path, self.about, self.arrays)


def teach(wish: Wish, gathered: Gathered, tell: Tell) -> Taught:
    """Learn of the pictures that were gathered.

    Raises:
        LessonFailed: a method cannot learn of them; the message says why.
        OSError: the machine refuses a process, or room for files.
    """
    with LessonPool(wish.processes) as pool:
        return _Teaching(wish, gathered, pool, tell).taught()


class _Done(NamedTuple):
    lesson: Lesson
    looked: Looked


class _Teaching:
    """What is taught, and how far it is."""

    def __init__(self, wish: Wish, gathered: Gathered, pool: LessonPool, tell: Tell) -> None:
        self._wish, self._gathered, self._pool, self._tell = wish, gathered, pool, tell
        count = len(gathered.files)
        self._folds = _folds(count, wish.seed)
        self._defects = math.ceil(_LEAST_DEFECTS / count)
        self._lessons = 0
        self._before: Path | None = None
        if wish.before is not None:
            self._before = gathered.folder / "before.npz"
            arrays: dict[str, Any] = wish.before.arrays
            np.savez(self._before, **arrays)

    def taught(self) -> Taught:
        if len(self._wish.methods) > 1:
            return self._by_the_better()
        (method,) = self._wish.methods
        final = self._final(method)
        _, *done = self._do([final, *(self._held_out(method, fold) for fold in self._folds)], Part(0, _LAST))
        return self._result(method, self._wish.why, final, done, [_tried(method, done)])

    def _by_the_better(self) -> Taught:
        """Compare the methods; each also learns of all pictures at once, the slowest first: cores would wait else."""
        names, folds = self._wish.methods, self._folds
        enough = math.ceil(_ENOUGH / len(self._gathered.files) * len(folds))
        n_compared = min(enough, _COMPARED_FOLDS, len(folds))
        to_compare = [self._held_out(name, fold) for name in names for fold in folds[:n_compared]]
        finals = {name: self._final(name) for name in reversed(names)}
        at_once, n_rest = [*to_compare, *finals.values()], len(folds) - n_compared
        share = _LAST * len(at_once) / (len(at_once) + n_rest)
        done = self._do(at_once, Part(0, share))[: len(to_compare)]
        tried = [_tried(name, _by(name, done)) for name in names]
        taken, why = better_of(tried)
        rest = [self._held_out(taken.method, fold) for fold in folds[n_compared:]]
        done = _by(taken.method, done) + self._do(rest, Part(share, _LAST - share))
        return self._result(taken.method, why, finals[taken.method], done, tried)

    def _final(self, method: str) -> Lesson:
        return self._lesson(method, [*range(len(self._gathered.files))], keep=True)

    def _result(self, method: str, why: str, final: Lesson, done: list[_Done], tried: list[Tried]) -> Taught:
        wish, gathered, learned = self._wish, self._gathered, final.found / LEARNED
        with LessonPool(1) as fresh:  # a process that has learned has memory that one which only looks does not need
            (cost,) = fresh.do([self._cost(method, learned)], Part(_LAST, 1 - _LAST), self._tell)
        with np.load(learned, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        good = {number: score for _, looked in done for number, score in looked.good.items()}
        drawn = sorted((each for _, looked in done for each in looked.drawn), key=_order)
        before = wish.before.about if wish.before else None
        held_out = [*(before.held_out if before else ()), *(good[number] for number in sorted(good))]
        threshold = threshold_for(held_out, wish.false_alarms)
        assert gathered.form is not None, "there are pictures"
        form = gathered.form
        about = About(
            method=method,
            threshold=threshold.score,
            false_alarms=wish.false_alarms,
            seed=wish.seed,
            image_px=form.image_px,
            channels=form.channels,
            backbone=before.backbone if before else "",
            why=before.why if before else why,
            good=[*(before.good if before else ()), *gathered.sums],
            held_out=held_out,
            drawn=[*(before.drawn if before else ()), *(each.score for each in drawn)],
        )
        heat_files = {number: lesson.found / HEAT for lesson, _ in done for number in lesson.look}
        return Taught(
            about,
            arrays,
            gathered,
            good,
            drawn,
            tried,
            cost.ms,
            cost.grown_bytes,
            threshold.extrapolated,
            wish.region,
            len(self._folds),
            heat_files,
        )

    def _held_out(self, method: str, fold: Sequence[int]) -> Lesson:
        held = {*fold}
        rest = [number for number in range(len(self._gathered.files)) if number not in held]
        lesson = self._lesson(method, rest)
        return lesson.model_copy(update={"look": [*fold], "defects": self._defects})

    def _lesson(self, method: str, learn: list[int], *, keep: bool = False) -> Lesson:
        self._lessons += 1
        found = self._gathered.folder / f"lesson-{self._lessons}"
        found.mkdir()
        return Lesson(
            method=METHODS[method],
            pictures=self._gathered.folder,
            found=found,
            learn=learn,
            look=[],
            seed=self._wish.seed,
            backbone=self._wish.backbones.get(method),
            region=self._wish.region,
            before=self._before,
            keep=keep,
        )

    def _cost(self, method: str, learned: Path) -> Lesson:
        look = [*range(min(_MEASURED, len(self._gathered.files)))]
        return self._lesson(method, []).model_copy(update={"before": learned, "look": look})

    def _do(self, lessons: list[Lesson], part: Part) -> list[_Done]:
        looked = self._pool.do(lessons, part, self._tell)
        return [_Done(*each) for each in zip(lessons, looked, strict=True)]


def _folds(count: int, seed: int) -> list[list[int]]:
    """Return which pictures are held out together: each is once."""
    order = np.random.default_rng([seed, 0]).permutation(count)
    folds = _FOLDS_OF_MANY if count >= _MANY else min(_FOLDS, count)
    return [sorted(int(number) for number in order[fold::folds]) for fold in range(folds)]


def _by(method: str, done: Sequence[_Done]) -> list[_Done]:
    return [each for each in done if each.lesson.method == METHODS[method]]


def _tried(method: str, done: Sequence[_Done]) -> Tried:
    good = [score for _, looked in done for score in looked.good.values()]
    drawn = [each.score for _, looked in done for each in looked.drawn]
    return Tried(method, auroc(good, drawn) if drawn else 0.5, float(np.median([looked.ms for _, looked in done])))


def _order(look: DrawnLook) -> tuple[int, int]:
    return look.number, look.copy_number
