"""What is not a number, sought in whatever user code left in a context."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from workers.text import shown


def not_a_number(value: Any, path: str) -> str:
    """Say where in `value`, which is called `path`, NaN or an infinity lies; empty where there is none.

    It looks into whatever JSON can be made of, all the way down, so `value` must not contain itself.
    """
    kind = type(value)  # isinstance would ask the value itself
    if issubclass(kind, float | np.floating):
        return "" if math.isfinite(value) else f"{path} is {float(value)}"
    if issubclass(kind, np.ndarray) and value.dtype.kind == "f":
        return "" if np.isfinite(value).all() else f"{path} has entries that are not finite"
    if issubclass(kind, enum.Enum):
        return not_a_number(value.value, path)
    found = (
        not_a_number(key, f"a key of {path}") or not_a_number(member, f"{path}[{shown(key)}]")
        for key, member in _members(value, kind)
    )
    return next(filter(None, found), "")


def _members(value: Any, kind: type) -> Iterable[tuple[object, object]]:
    if issubclass(kind, dict):
        members: Iterable[tuple[object, object]] = dict.items(value)
        return members
    if issubclass(kind, list | tuple):
        return enumerate(value)
    if issubclass(kind, np.ndarray) and value.dtype.kind == "O":
        return enumerate(value.ravel().tolist())
    if dataclasses.is_dataclass(kind):
        return ((field.name, getattr(value, field.name)) for field in dataclasses.fields(kind))
    return ()
