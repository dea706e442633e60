"""One lesson: a method learns of some good pictures and looks at others, good as they are and with a drawn defect each.

Lessons need nothing of each other: processes do them (lesson_process.py), as many at a time as there are cores. What
one found lies in a folder: `looked.json`, `heat.npz`, and `learned.npz` where it is kept. This file imports neither
OpenCV nor numpy.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from workers.modules.region_options import RegionOptions

LOOKED, HEAT, LEARNED = "looked.json", "heat.npz", "learned.npz"


class Lesson(BaseModel):
    """What is to be done.

    `learn` and `look` are numbers of the pictures in `pictures`; `defects` are drawn into each of `look`, in so many
    copies of it. `method` is the Python module of a method. `before` is a file of what was learned of other pictures,
    with which it is gone on; where there is nothing to learn it is that which looks. Pictures are the window of
    `region`, which is all that the module looks at. What it finds is written into the folder `found`, what it learns
    only with `keep`.
    """

    method: str
    pictures: Path
    found: Path
    learn: list[int]
    look: list[int]
    defects: int = 0
    seed: int = 0
    backbone: Path | None = None
    region: RegionOptions | None = None
    before: Path | None = None
    keep: bool = False


class DrawnLook(BaseModel):
    """A defect that was drawn into a copy of picture `number`: its kind, and the score that the picture then has.

    `hit` says whether the hottest place of the picture lies on the defect, or close beside it.
    """

    number: int
    copy_number: int
    kind: str
    score: float
    hit: bool

    @property
    def heat_name(self) -> str:
        """Under which its heat is kept."""
        return f"drawn.{self.number}.{self.copy_number}"


def good_heat_name(number: int) -> str:
    """Return under which name the heat of a good picture is kept."""
    return f"good.{number}"


class Looked(BaseModel):
    """What a lesson has found: the scores of good pictures, by number, and of those with drawn defects.

    `ms` is what a core needs for one picture, the median; `grown_bytes` by how much the process grew from before it had
    the method until it had looked, where it has not learned itself.
    """

    good: dict[int, float] = Field(default_factory=dict)
    drawn: list[DrawnLook] = Field(default_factory=list)
    ms: float = 0.0
    grown_bytes: int = 0


class Progress(BaseModel):
    """What a process says of its lesson, a line each: what it does, how much of it is done, 0 to 1, and its end."""

    doing: str = ""
    share: float = 0.0
    done: bool = False
    failed: str = ""
