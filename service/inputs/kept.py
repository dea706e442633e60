"""What operators have set, in a file under a seal: one that is damaged counts for nothing."""

from __future__ import annotations

import logging
import time
import zlib
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from service.inputs.state import State, text_of
from service.safe_files import replacing

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_FILE = "inputs.json"
_DAMAGED = "its file inputs.json is damaged or cannot be read, so defaults hold until somebody sets them"


class InputsFile:
    """That of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE

    def read(self) -> State:
        """Return what it says; defaults, where there is none or it cannot be believed."""
        try:
            found = orjson.loads(self._path.read_bytes())
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
        _log.error("what operators had set is not known, defaults hold: %s: %s", self._path, trouble)
        # no revision that any record may name already
        return State(revision=int(time.time()), trouble=_DAMAGED)

    def write(self, state: State) -> None:
        """Have it say this; raises OSError."""
        text = text_of(state)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path, 0o644) as file:
            file.write(orjson.dumps({"seal": _seal(text), "inputs": orjson.Fragment(text)}) + b"\n")


def _seal(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"
