"""What a project says about parts that several frames make together, `[part]`.

    [part]
    views = ["top", "left", "right"]
    wait_ms = 2000                        # all views within this time, or the part is an error
    verdict = "top and (left or right)"   # left out: all views must be OK

A frame names its part by `part=`, and which view of it it is by `view=`, else `camera=`. In `verdict` a view's name is
true where that view is OK and false where it is NOK; one whose name is none of the language is `views["left 2"]`. It is
asked only where all views are there and none is an error. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from workers.context.expression import expression
from workers.modules.only_if.options import ExpressionText

MOST_VIEWS = 16
MOST_VIEW_BYTES = 64


def _plain(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError(f"{name!r} has blanks around it, or what cannot be printed; a client could not name it")
    if len(name.encode()) > MOST_VIEW_BYTES:
        raise ValueError(f"{name!r} has {len(name.encode())} bytes, at most {MOST_VIEW_BYTES} are allowed")
    return name


_View = Annotated[str, Field(min_length=1, max_length=MOST_VIEW_BYTES), AfterValidator(_plain)]


class PartOptions(BaseModel):
    """What a project says about its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    views: Annotated[
        list[_View], Field(min_length=1, max_length=MOST_VIEWS, description="the views that make a part, each once")
    ]
    wait_ms: Annotated[
        int,
        Field(ge=1, le=600_000, description="how long after its first frame a part waits for its other views, in ms"),
    ] = 2000
    verdict: Annotated[
        ExpressionText | None,
        Field(description="an expression over the names of the views, each true where it is OK; else all must be OK"),
    ] = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        twice = [name for at, name in enumerate(self.views) if name in self.views[:at]]
        if twice:
            raise ValueError(f"views names {twice[0]!r} twice")
        if self.verdict is not None:
            if not holds(self.verdict, dict.fromkeys(self.views, True)):
                raise ValueError("its verdict does not hold where all views are OK: it names no view, or denies one")
            if holds(self.verdict, dict.fromkeys(self.views, False)):
                raise ValueError("its verdict holds where no view is OK")
        return self


def holds(verdict: str, views: Mapping[str, bool]) -> bool:
    """Whether an expression over views is true; what gives anything else does not hold."""
    context: dict[str, Any] = {**views, "views": dict(views)}
    return expression(verdict).value(context) is True
