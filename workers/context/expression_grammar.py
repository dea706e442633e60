"""The grammar of expressions, and what each part of one does; lark reads the text and calls what is here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken

from workers.context.plain_values import (
    LARGEST,
    ExpressionError,
    Value,
    calculated,
    compared,
    contained,
    is_number,
    label_of,
    plain,
    rectangles_of,
)

_GRAMMAR = r"""
?start: either
?either: both ("or" both)*
?both: negated ("and" negated)*
?negated: "not" negated -> negation
        | compared
?compared: sum
        | sum COMPARES sum -> comparison
        | sum "in" sum -> member
        | sum "not" "in" sum -> no_member
        | sum "is" "null" -> is_null
        | sum "is" "not" "null" -> is_there
?sum: product ((PLUS | MINUS) product)* -> calculation
?product: signed ((TIMES | OVER) signed)* -> calculation
?signed: "-" signed -> negative
       | value
?value: NUMBER -> number
      | TEXT -> text
      | "true" -> true
      | "false" -> false
      | NAME "(" (either ("," either)*)? ")" -> function
      | NAME step* -> path
      | "(" either ")" -> inner
?step: "." NAME -> key
     | "[" TEXT "]" -> quoted
     | "[" NUMBER "]" -> index
     | "[" "-" NUMBER "]" -> index_from_end

COMPARES: "==" | "!=" | "<=" | ">=" | "<" | ">"
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
NUMBER: /[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/
NAME: /[^\W\d]\w*/
TEXT: /"[^"\n]*"|'[^'\n]*'/
%ignore /\s+/
"""
_DEEPEST = 50

_HOW: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_INSTEAD = {"=": "==", "&": "and", "|": "or", "!": "not, or !="}  # of what other languages write


def _len(_: Mapping[str, Any], value: Value) -> Value:
    return len(value) if isinstance(value, str | list | tuple | dict) else None


def _abs(_: Mapping[str, Any], value: Value) -> Value:
    return abs(value) if is_number(value) else None


def _min(_: Mapping[str, Any], *values: Value) -> Value:
    return min(values) if all(map(is_number, values)) else None


def _max(_: Mapping[str, Any], *values: Value) -> Value:
    return max(values) if all(map(is_number, values)) else None


def _count(context: Mapping[str, Any], *labels: Value) -> Value:
    rectangles = rectangles_of(context)
    return sum(label_of(each) == labels[0] for each in rectangles) if labels else len(rectangles)


# each with the least and the most that it takes
_FUNCTIONS: Mapping[str, tuple[Callable[..., Value], int, int]] = {
    "len": (_len, 1, 1),
    "abs": (_abs, 1, 1),
    "min": (_min, 1, 20),
    "max": (_max, 1, 20),
    "count": (_count, 0, 1),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: how it is computed, and how deep it is nested."""

    call: Callable[[Mapping[str, Any]], Value]
    depth: int = 1


def make_parser() -> Lark:
    """Return a parser whose result is a Node."""
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", transformer=_Meaning())


def explained(error: UnexpectedCharacters | UnexpectedToken, text: str) -> str:
    """Say what lark met, where, and what was expected there."""
    where = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    if isinstance(error, UnexpectedToken):
        expected = _expected(error.expected)
        if error.token.type == "$END":
            return f"at character {len(text) + 1}: ends too early, expected {_closing(error) or expected}"
        if error.token.type == "NULL":
            return f"at character {where + 1}: a comparison with null is always false; write `is null`, `is not null`"
        return f"at character {where + 1}: {str(error.token)[:40]!r} was not expected there, but {expected}"
    char = text[where]
    instead = f"; write {_INSTEAD[char]}" if char in _INSTEAD else ""
    if char in "\"'":
        instead = "; this text has no end"
    return f"at character {where + 1}: {char!r} was not expected there{instead}"


def _expected(kinds: Iterable[str]) -> str:
    match ("NAME" in kinds, "NUMBER" in kinds):
        case (True, True):
            return "a value"
        case (True, False):
            return "a name"
        case (False, True):
            return "a place in the list, or a key in quotes"
        case _:
            return "an operator (and, or, ==, <, in, +, ...), or the end"


def _closing(error: UnexpectedToken) -> str:
    if "RPAR" in error.expected and "NAME" not in error.expected:
        return "a )"
    return "a ]" if "RSQB" in error.expected else ""


def _over(call: Callable[..., Value], *parts: Node) -> Node:
    """Return a node over `parts`, whose values `call` gets."""
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > _DEEPEST:
        msg = f"is nested more than {_DEEPEST} deep"
        raise ExpressionError(msg)
    if len(parts) == 1:
        (only,) = (part.call for part in parts)
        return Node(lambda context: call(only(context)), depth)
    calls = [part.call for part in parts]
    return Node(lambda context: call(*(each(context) for each in calls)), depth)


class _Meaning(Transformer[Token, Node]):
    """What each rule of the grammar means; lark calls these bottom-up while it reads."""

    def either(self, parts: list[Node]) -> Node:
        calls = [part.call for part in parts]
        return Node(lambda context: any(call(context) for call in calls), _over(_any, *parts).depth)

    def both(self, parts: list[Node]) -> Node:
        calls = [part.call for part in parts]
        return Node(lambda context: all(call(context) for call in calls), _over(_any, *parts).depth)

    def negation(self, parts: list[Node]) -> Node:
        return _over(operator.not_, *parts)

    def inner(self, parts: list[Node]) -> Node:
        return parts[0]

    def comparison(self, parts: list[Any]) -> Node:
        left, sign, right = parts
        how = _HOW[sign]
        return _over(lambda a, b: compared(how, a, b), left, right)

    def member(self, parts: list[Node]) -> Node:
        return _over(lambda value, holder: contained(value, holder) is True, *parts)

    def no_member(self, parts: list[Node]) -> Node:
        return _over(lambda value, holder: contained(value, holder) is False, *parts)

    def is_null(self, parts: list[Node]) -> Node:
        return _over(lambda value: value is None, *parts)

    def is_there(self, parts: list[Node]) -> Node:
        return _over(lambda value: value is not None, *parts)

    def calculation(self, parts: list[Any]) -> Node:
        others = parts[1:]
        first: Node = parts[0]
        if not others:
            return first
        hows = [_HOW[sign] for sign in others[::2]]

        def calculate(value: Value, *values: Value) -> Value:
            for how, other in zip(hows, values, strict=True):
                value = calculated(how, value, other)
            return value

        return _over(calculate, first, *others[1::2])

    def negative(self, parts: list[Node]) -> Node:
        return _over(lambda value: calculated(operator.sub, 0, value), *parts)

    def number(self, parts: list[Token]) -> Node:
        text = str(parts[0])
        value = int(text) if text.isdigit() else float(text)
        if not -LARGEST <= value < LARGEST:
            msg = f"at character {_place(parts[0])}: {text[:40]} is too large a number"
            raise ExpressionError(msg)
        return Node(lambda _: value)

    def text(self, parts: list[Token]) -> Node:
        value = str(parts[0])[1:-1]
        return Node(lambda _: value)

    def true(self, _: list[Token]) -> Node:
        return Node(lambda _: True)

    def false(self, _: list[Token]) -> Node:
        return Node(lambda _: False)

    def function(self, parts: list[Any]) -> Node:
        name, *given = parts
        if name not in _FUNCTIONS:
            names = ", ".join(f"{known}()" for known in _FUNCTIONS)
            msg = f"at character {_place(name)}: there is no function {name}(); known are {names}"
            raise ExpressionError(msg)
        call, least, most = _FUNCTIONS[name]
        if not least <= len(given) <= most:
            takes = f"{least}" if least == most else f"{least} to {most}"
            msg = f"at character {_place(name)}: {name}() takes {takes}, got {len(given)}"
            raise ExpressionError(msg)
        return _over(call, Node(lambda context: context), *given)

    def path(self, parts: Sequence[Any]) -> Node:
        first, *others = parts
        steps = [str(first), *others]

        def follow(context: Mapping[str, Any]) -> Value:
            value: Any = context
            for step in steps:
                if isinstance(value, dict):
                    value = value.get(step)
                elif isinstance(value, list | tuple) and isinstance(step, int) and -len(value) <= step < len(value):
                    value = value[step]
                else:
                    return None
            return plain(value)

        return Node(follow)

    def key(self, parts: list[Token]) -> Any:
        return str(parts[0])

    def quoted(self, parts: list[Token]) -> Any:
        return str(parts[0])[1:-1]

    def index(self, parts: list[Token]) -> Any:
        return _index(parts[0])

    def index_from_end(self, parts: list[Token]) -> Any:
        return -_index(parts[0])


def _any(*values: Value) -> bool:
    return any(values)


def _index(token: Token) -> int:
    if not token.isdigit():
        msg = f"at character {_place(token)}: {token[:40]} is no place in a list, expected a whole number"
        raise ExpressionError(msg)
    return int(token)


def _place(token: Token) -> int:
    return (token.start_pos or 0) + 1
