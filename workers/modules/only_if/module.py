"""The module `only_if`: where its expression does not hold the flow ends there, as by `exit`, with the result as it is.

[[flow]]
module = "only_if"
expression = 'count("board") == 1'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.context.expression import Expression, expression
from workers.context.run import Context, Run
from workers.text import type_name

if TYPE_CHECKING:
    from workers.modules.base import ModuleSurroundings
    from workers.modules.only_if.options import OnlyIfOptions


def prepare(options: OnlyIfOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:  # noqa: ARG001 - it needs none
    """Make the module; the expression was read when the project was."""
    return OnlyIf(expression(options.expression))


@dataclass(frozen=True, slots=True)
class OnlyIf:
    """Ends the flow, or the branch that it is in, unless its expression holds."""

    expression: Expression

    def __call__(self, context: Context, run: Run) -> bool:
        """Set `exit` where the expression does not hold; nothing else of the context is changed."""
        try:
            holds = self.expression.holds(context)
        except Exception as error:  # noqa: BLE001 - a value of user code may be of a class that raises anything
            run.note(f"the expression cannot be computed: {error}", type=type_name(error))
            return False
        if not holds:
            context["exit"] = True
        return True
