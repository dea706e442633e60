"""The options of the module `only_if`, as the project file has them.

    [[flow]]
    module = "only_if"
    expression = 'count("board") == 1'

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from workers.context.expression import MOST_CHARACTERS, expression
from workers.modules.options import ModuleOptions


def _readable(text: str) -> str:
    expression(text)
    return text


ExpressionText = Annotated[
    str,
    Field(min_length=1, max_length=MOST_CHARACTERS, description="expression over the context"),
    AfterValidator(_readable),
]


class OnlyIfOptions(ModuleOptions):
    """What a project says about an `only_if` module."""

    expression: ExpressionText
