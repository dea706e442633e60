"""The options of the module `unify`, as the project file has them.

    [[flow]]
    module = "unify"
    file = "references/bracket.png"

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.modules.shape.search_options import SearchOptions


class UnifyOptions(SearchOptions):
    """What a project says about a `unify` module."""

    module: str = "unify"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `unify` call it")] = "unify"
    shift_px: Annotated[
        int | None,
        Field(ge=0, le=100_000, description="how far the part may lie from its taught place; anywhere if left out"),
    ] = None
    outside: Annotated[
        Literal["black", "edge"],
        Field(description="what lies outside of the frame is black, or as its edge is"),
    ] = "black"
    on_missing: Annotated[
        Literal["nok", "error"],
        Field(description="where there is no part: the frame is NOK and the flow ends, or it is an error, and NOK too"),
    ] = "nok"
