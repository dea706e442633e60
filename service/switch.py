"""The Process switch: whether frames are inspected. It holds across restarts and reaches all fronts at once.

Every front reads the same word of the frame memory at every request; the file makes it last.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import falcon
import orjson

from service.body import small_body
from service.keyring import Scope
from service.keys import require
from service.new_file import replacing
from workers.control import Control
from workers.errors import InvalidParameter, SwitchNotKept

if TYPE_CHECKING:
    from pathlib import Path

    from workers.control import ControlPage

_FILE = "process.json"
_BODY_BYTES = 1000


def read_switch(state_dir: Path) -> bool:
    """Return how the switch was left; on, where that is not known."""
    try:
        return bool(orjson.loads((state_dir / _FILE).read_bytes())["process"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return True


class ProcessSwitch:
    """Reads and throws the switch."""

    def __init__(self, control: ControlPage, state_dir: Path) -> None:
        self._control = control
        self._file = state_dir / _FILE
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Whether frames are inspected now."""
        return self._control.process_is_on

    def throw(self, *, on: bool) -> None:
        """Write the file first, so that a switch that was thrown stays thrown; raises SwitchNotKept."""
        try:
            self._throw(on=on)
        except OSError as error:
            raise SwitchNotKept(f"the switch could not be saved, so it stays as it is: {error.strerror}") from None

    def _throw(self, *, on: bool) -> None:
        with self._lock:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file, 0o644) as file:
                file.write(orjson.dumps({"process": on}))
            self._control.words[Control.PROCESS] = int(on)


class ProcessResource:
    """`/api/v1/process`: GET tells, PUT `{"process": true}` throws."""

    def __init__(self, switch: ProcessSwitch) -> None:
        self._switch = switch

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Say how the switch stands."""
        resp.data = orjson.dumps({"process": self._switch.is_on})
        resp.content_type = falcon.MEDIA_JSON

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Throw the switch."""
        require(req, Scope.OPERATE)
        try:
            asked = orjson.loads(small_body(req, _BODY_BYTES))
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("process"), bool):
            raise InvalidParameter('the body was expected to be {"process": true} or {"process": false}')
        self._switch.throw(on=asked["process"])
        self.on_get(req, resp)
