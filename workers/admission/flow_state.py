"""Whether frames are sent to the flow at all: one that ends its workers gets none for a while (crew/breaker.py)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from workers.memory.control import Control

if TYPE_CHECKING:
    from workers.memory.control import ControlPage


class FlowState(enum.IntEnum):
    """What the control page says about the flow."""

    CLOSED = 0
    OPEN = 1
    TRIAL = 2


def may_pass(control: ControlPage) -> bool:
    """A front's side: whether a frame may be sent to the workers now; to try, only one may."""
    if control.words[Control.FLOW] == FlowState.CLOSED:
        return True
    if control.words[Control.FLOW] == FlowState.OPEN:
        return False
    control.words[Control.FLOW] = FlowState.OPEN
    return True
