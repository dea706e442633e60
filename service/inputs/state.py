"""What operators have set, as it is known at one time, and what becomes of it by a change. This file does no I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict

from service.errors import InputInvalid
from workers.flow.inputs import Input, Value, as_declared
from workers.pool.job import MAX_INPUT_BYTES


class State(BaseModel):
    """All that is known at one time; `values` are those that somebody has set.

    `changed` says in which revision each input was changed last; `who`, `address` and `time_ns` are of the last change.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    revision: int = 0
    values: dict[str, str | bool | int | float] = {}
    changed: dict[str, int] = {}
    who: str = ""
    address: str = ""
    time_ns: int = 0
    is_declared: bool = False
    trouble: str = ""

    def with_values(self, values: Mapping[str, Value], who: str, address: str) -> State:
        """Return the next revision, in which these are set and no others."""
        revision = self.revision + 1
        names = {name for name in values.keys() | self.values.keys() if not _is_same(self.values, values, name)}
        changed = {name: at for name, at in self.changed.items() if name in values} | dict.fromkeys(names, revision)
        known = {"revision": revision, "values": dict(values), "changed": changed, "trouble": ""}
        return self.model_copy(update=known | {"who": who, "address": address, "time_ns": time.time_ns()})


class Changed(NamedTuple):
    """What became of a change: the state after it, and each input that it changed with its values before and now."""

    state: State
    inputs: Mapping[str, tuple[Value, Value]]


def state_of(text: bytes) -> State:
    """Return it, as it lies in the memory."""
    return State.model_validate_json(text)


def text_of(state: State) -> bytes:
    """Return it as the memory and the file have it."""
    return state.model_dump_json().encode()


def changed(
    before: State, wanted: Mapping[str, Value | None], inputs: Sequence[Input], who: str, address: str
) -> Changed:
    """Return what becomes of `before` where `inputs` get the values that are `wanted`; None is back to the default.

    The state is the same object where nothing changes. Raises InputInvalid where all values together are too long.
    """
    valid = as_declared(inputs, before.values)[0]
    values = {name: value for name, value in (valid | dict(wanted)).items() if value is not None}
    if len(orjson.dumps(values)) > MAX_INPUT_BYTES:
        raise InputInvalid(f"all values together have more than {MAX_INPUT_BYTES} bytes as JSON")
    if _is_equal(values, before.values) and not before.trouble:
        return Changed(before, {})
    shown = {one.name: one.initial() for one in inputs}
    was, now = shown | valid, shown | values
    different = {name: (was[name], now[name]) for name in now if not _is_same(was, now, name)}
    return Changed(before.with_values(values, who, address), different)


def _is_same(before: Mapping[str, Value], after: Mapping[str, Value], name: str) -> bool:
    """Whether both have the same there; true is not 1."""
    was, now = before.get(name), after.get(name)
    return was == now and type(was) is type(now)


def _is_equal(before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
    return before.keys() == after.keys() and all(_is_same(before, after, name) for name in after)


def what_changed(state: State, seen: int, inputs: Sequence[Input]) -> str:
    """Say what is another by now than in the revision that somebody has seen."""
    names = [one.name for one in inputs if state.changed.get(one.name, 0) > seen]
    values = {one.name: state.values.get(one.name, one.initial()) for one in inputs}
    told = ", ".join(f"{name} is {values[name]!r}" for name in names) or "all were set anew"
    by = f" by {state.who}" if state.who else ""
    return f"revision {seen} was seen, {state.revision} holds by now: {told}; changed{by}. Nothing was changed now"
