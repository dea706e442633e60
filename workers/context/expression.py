"""Expressions over the context of a frame, as projects write them: `score > 0.5 and count("screw") == 4`.

    or, and, not                     lowest first
    == != < <= > >= in, not in       numbers with numbers, texts with texts; is null, is not null
    + - * /                          numbers
    len() abs() min() max() count()  count("screw"): how many rectangles have that label; count(): how many there are
    score   measures.gap.value   detectedRectangles[0]["x"]   "M4"   4.5   true   false

Null is what is not there: a missing key, a place behind the end of a list, NaN, a quotient by 0, a value that JSON does
not have. Any comparison with null is false, and so is null itself. Nothing loops, calls or grows: an expression is at
most 1,000 characters, nested at most 50 deep, whole numbers stay within 64 bits and long lists are null for `in`.

lark reads them; it is loaded with the first expression only. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from workers.context.plain_values import ExpressionError, Value

if TYPE_CHECKING:
    from lark import Lark

MOST_CHARACTERS = 1000

_Call = Callable[[Mapping[str, Any]], Value]


@dataclass(frozen=True, slots=True)
class Expression:
    """One that was read without a mistake."""

    text: str
    call: _Call

    def value(self, context: Mapping[str, Any]) -> Value:
        """Return what it gives for `context`: None, a bool, a number, a text, a list or a dict."""
        return self.call(context)

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Whether it gives anything but null, false, 0 and what is empty."""
        return bool(self.call(context))


@lru_cache(maxsize=256)
def expression(text: str) -> Expression:
    """Read `text`; raises ExpressionError."""
    if len(text) > MOST_CHARACTERS:
        msg = f"has {len(text):,} characters, at most {MOST_CHARACTERS:,} are allowed"
        raise ExpressionError(msg)
    from lark import UnexpectedCharacters, UnexpectedToken  # noqa: PLC0415 - takes 50 ms, and few need it

    from workers.context.expression_grammar import explained  # noqa: PLC0415

    try:
        node: Any = _parser().parse(text)
    except (UnexpectedCharacters, UnexpectedToken) as error:
        raise ExpressionError(explained(error, text)) from None
    return Expression(text, node.call)


@cache
def _parser() -> Lark:
    from workers.context.expression_grammar import make_parser  # noqa: PLC0415

    return make_parser()
