"""Values that user code left in the context: how a message shows them, and whether two are the same."""

from __future__ import annotations

from typing import Any

_NAME = type.__dict__["__name__"].__get__


def shown(value: object) -> str:
    """Describe `value` in a few words; never runs code of the user's, and never takes long."""
    if value is None or type(value) is bool or type(value) is float:
        return str(value)
    if type(value) is int:
        return str(value) if abs(value) < 10**30 else "a very large int"
    if type(value) is str:
        return repr(value[:60])
    return f"a {type_name(value)}"


def type_name(value: object) -> str:
    """Return the name of a value's type; a class of the user's may have a `__name__` of its own that raises."""
    name: str = _NAME(type(value))
    return name


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are of the same type and hold the same, all the way down, arrays included."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "tobytes") and hasattr(other, "tobytes"):  # numpy's, which has no single truth for ==
        return bool(one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes())
    return isinstance(one, int | float | str) and one == other
