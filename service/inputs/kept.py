"""What operators have set, as it is kept: its form, and the file that makes it last."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from service.safe_files import replacing
from workers.flow.inputs import Value

if TYPE_CHECKING:
    from pathlib import Path

    from workers.memory.global_data import GlobalData

_log = logging.getLogger(__name__)

_FILE = "inputs.json"
_UNDER_WAY = 0  # a mark in the memory: somebody writes the file
_DAMAGED = "its file inputs.json is damaged or cannot be read, so defaults hold until somebody sets them"


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
        names = {name for name in values.keys() | self.values.keys() if not is_same(self.values, values, name)}
        changed = {name: at for name, at in self.changed.items() if name in values} | dict.fromkeys(names, revision)
        known = {"revision": revision, "values": dict(values), "changed": changed, "trouble": ""}
        return self.model_copy(update=known | {"who": who, "address": address, "time_ns": time.time_ns()})


class KeptInputs:
    """The file in `state_dir`; a mark in `memory` says that somebody is about to write it."""

    def __init__(self, state_dir: Path, memory: GlobalData) -> None:
        self._file = state_dir / _FILE
        self._marks = memory.marks

    @property
    def is_under_way(self) -> bool:
        """Whether somebody writes it, or died on the way."""
        return self._marks[_UNDER_WAY] == 1

    def write(self, state: State) -> bytes:
        """Write it; returns what the memory is to hold then. Raises OSError."""
        text = text_of(state)
        self._marks[_UNDER_WAY] = 1
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file, 0o644) as file:
                file.write(orjson.dumps({"seal": _seal(text), "inputs": orjson.Fragment(text)}) + b"\n")
        finally:
            self._marks[_UNDER_WAY] = 0
        return text

    def settled(self, state: State) -> bytes:
        """Return what the memory is to hold after somebody died on the way; `state` is what it holds."""
        self._marks[_UNDER_WAY] = 0
        return text_of(self.left().model_copy(update={"is_declared": state.is_declared}))

    def left(self) -> State:
        """Return what it says; defaults, where there is none or it cannot be believed."""
        try:
            found = orjson.loads(self._file.read_bytes())
            state = State.model_validate(found["inputs"])
            if found["seal"] == _seal(text_of(state)):
                return state
            trouble = "its seal is not that of what stands there"
        except (FileNotFoundError, NotADirectoryError):
            return State()
        except OSError as error:
            trouble = error.strerror or str(error)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError):
            trouble = "it is not what this server writes"
        _log.error("what operators had set is not known, defaults hold: %s: %s", self._file, trouble)
        # no revision that any record may name already
        return State(revision=int(time.time()), trouble=_DAMAGED)


def state_of(text: bytes) -> State:
    """Read what the memory holds."""
    return State.model_validate_json(text)


def text_of(state: State) -> bytes:
    """Return it as the memory holds it."""
    return state.model_dump_json().encode()


def _seal(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"


def is_same(before: Mapping[str, Value], after: Mapping[str, Value], name: str) -> bool:
    """Whether both have the same there; true is not 1."""
    was, now = before.get(name), after.get(name)
    return was == now and type(was) is type(now)
