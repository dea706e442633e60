"""The module `parallel`: branches that each see the context as it was before the block.

    [[flow]]
    module = "parallel"
    branches = [
        [{ module = "reference", image = "references/top.png" }],
        [{ module = "code", file = "code/count.py" }],
    ]

They run one after another, for parallelism is processes; "parallel" is about what they see. Behind them the context is

    result                       true only if it is true in every branch
    detectedRectangles, lines,   those of all branches, in their order; what was there before and a branch left
    surfaceClasses, heatmaps,    as it was comes once
    errors
    image, angle                 those of the first branch
    score, threshold             those of the branch with the highest score
    measures                     those of all branches; of one name that of the last
    error, save                  true if true in any branch
    globalData                   what branches have changed in it, key by key; the last one wins
    anything else                as it was before: custom keys written in branches do not survive, and a note of the
                                 frame names each

A module that fails ends its branch; the other branches still run, and then the flow ends. `exit` ends its branch only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.context.context import repaired
from workers.context.run import Context, Run, Stage, run_stages
from workers.context.values import same
from workers.modules.base import what_is_there
from workers.modules.parallel.dropped import tell_dropped
from workers.text import shown

if TYPE_CHECKING:
    from workers.modules.base import ModuleSurroundings
    from workers.modules.parallel.options import ParallelOptions

_LISTS = ("detectedRectangles", "lines", "surfaceClasses", "heatmaps", "errors")


def prepare(options: ParallelOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:  # noqa: ARG001 - its branches are prepared
    """Make one module of the branches that surround it."""
    return partial(_run_branches, surroundings.branches)


def _run_branches(stages: Sequence[Sequence[Stage]], context: Context, run: Run) -> bool:
    worked = True
    branches: list[_Branch] = []
    before = by_first = run.place
    wrote_around = run.wrote
    for number, own_stages in enumerate(stages, 1):
        try:
            branch = _Branch.of(context)
        except RecursionError:
            run.note("the context is nested too deeply to be handed to the branches")
            return False
        run.wrote = {}
        worked = run_stages(own_stages, branch.context, run) and worked
        tell_dropped(context, branch.context, number, run)
        run.wrote = wrote_around
        branch.tidy(run)
        if not branches:
            by_first = run.place
        run.unplaced |= run.base is not before.base
        run.place = before
        branches.append(branch)
    run.place = by_first
    _join(context, branches)
    if run.earlier is not None and by_first is not before and branches:
        # in the branch there were copies of what was found before the block
        late = what_is_there(branches[0].context).keys() - run.earlier.keys()
        run.earlier = {key: each for key, each in what_is_there(context).items() if key not in late}
    return worked


@dataclass(slots=True)
class _Branch:
    """A branch's own context. `origins` says of what each of its copies is one: (copy, original) by the copy's id."""

    context: Context
    origins: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, context: Context) -> _Branch:
        """Copy `context`: containers and arrays anew, pictures as views that cannot be written to."""
        memo: dict[int, Any] = {}
        own = {key: _copied(value, memo) for key, value in context.items() if key not in {"image", "heatmaps"}}
        own["image"] = _locked(context.get("image"))
        heatmaps = context.get("heatmaps")
        own["heatmaps"] = [_locked(heat) for heat in heatmaps] if isinstance(heatmaps, list) else heatmaps
        branch = cls(own)
        branch.origins[id(own["image"])] = (own["image"], context.get("image"))
        for key in _LISTS:
            given = context.get(key)
            if isinstance(given, list):
                branch.origins.update({id(copy): (copy, item) for copy, item in zip(own[key], given, strict=True)})
        return branch

    def tidy(self, run: Run) -> None:
        """Put right what the branch broke, so that the join can rely on types."""
        heatmaps = self.context.get("heatmaps", [])
        if not isinstance(heatmaps, list | tuple):
            run.note(f"context['heatmaps'] is {shown(heatmaps)}, expected a list")
            heatmaps = []
        image, measures = self.context.get("image"), self.context.get("measures")
        self.context = {"image": image, "heatmaps": heatmaps, **repaired(self.context, run.note)}
        if type(measures) is dict:
            self.context["measures"] = measures

    def origin(self, item: object) -> object:
        """Return what `item` is a copy of, or None where it was made or changed in this branch."""
        copy, original = self.origins.get(id(item), (None, None))
        return original if copy is item and _unchanged(item, original) else None


def _join(context: Context, branches: Sequence[_Branch]) -> None:
    if not branches:
        return
    ends = [branch.context for branch in branches]
    first, hottest = ends[0], max(ends, key=lambda end: end["score"])
    joined = {key: _concatenated(key, branches) for key in _LISTS}
    unchanged = branches[0].origin(first["image"])
    context.update(
        joined,
        image=first["image"] if unchanged is None else unchanged,
        angle=first["angle"],
        score=hottest["score"],
        threshold=hottest["threshold"],
        result=all(end["result"] for end in ends),
        error=any(end["error"] for end in ends),
        save=any(end["save"] for end in ends),
    )
    shared = context.get("globalData")
    if isinstance(shared, dict):
        context["globalData"] = _merged(shared, [end["globalData"] for end in ends])

    measures = {name: found for end in ends for name, found in end.get("measures", {}).items()}
    if measures:
        context["measures"] = measures


def _merged(before: dict[Any, Any], ends: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """Return a dict with what any of `ends` has changed, key by key; the last one wins."""
    merged = {**before}
    for end in ends:
        for key in before.keys() - end.keys():
            merged.pop(key, None)
        merged.update((key, value) for key, value in end.items() if key not in before or not same(value, before[key]))
    return merged


def _concatenated(key: str, branches: Sequence[_Branch]) -> list[Any]:
    together: list[Any] = []
    seen: set[int] = set()
    for branch in branches:
        for item in branch.context[key]:
            original = branch.origin(item)
            if original is None:
                together.append(item)
            elif id(original) not in seen:
                seen.add(id(original))
                together.append(original)
    return together


def _unchanged(item: object, original: object) -> bool:
    if isinstance(item, np.ndarray) and not item.flags.writeable:
        return True
    try:
        return same(item, original)
    except RecursionError:  # it holds itself, so it cannot go out anyway
        return False


def _locked(image: object) -> object:
    """Return a view of `image` that cannot be written to; what is no array is passed on."""
    if not isinstance(image, np.ndarray):
        return image
    view = image.view()
    view.flags.writeable = False
    return view


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """Copy dicts, lists, sets and arrays, however nested; anything else is the user's and is shared."""
    kind = type(value)
    if kind not in {dict, list, set, tuple, np.ndarray}:
        return value
    copy: Any
    if id(value) in memo:
        copy = memo[id(value)]
    elif kind is dict:
        copy = memo[id(value)] = {}
        copy.update((key, _copied(member, memo)) for key, member in value.items())
    elif kind is list:
        copy = memo[id(value)] = []
        copy.extend(_copied(member, memo) for member in value)
    elif kind is tuple:
        copy = tuple(_copied(member, memo) for member in value)
    else:
        copy = memo[id(value)] = value.copy()
    return copy
