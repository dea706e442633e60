"""Stops sending frames to a flow that kills its workers: an answer at once instead of a storm of restarts.

::

    CLOSED --frames end workers, hardly any is answered--> OPEN --after a pause--> TRIAL --one frame is let in--> OPEN
       ^                                                     |
       '----- the flow came to its end, or the project was loaded anew

The supervisor moves the word in the control page; a front that lets a frame in to try moves it from TRIAL to OPEN
(admission/flow_state.py).
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from workers.admission.flow_state import FlowState
from workers.memory.control import Control, WorkerRow

if TYPE_CHECKING:
    from workers.memory.control import ControlPage

_log = logging.getLogger(__name__)

_CRASHES = 5
_WITHIN_NS = 10_000_000_000


class Breaker:
    """The supervisor's side."""

    def __init__(self, control: ControlPage, pause_ms: int) -> None:
        self._control = control
        self._pause_ns = pause_ms * 1_000_000
        self._crashes: deque[tuple[int, int]] = deque(maxlen=_CRASHES)  # when, and how many were answered
        self._done_when_opened = 0
        self._try_at_ns = 0

    def _answered(self) -> int:
        """Frames that no flow saw, a damaged file or the last image, say nothing about it."""
        return sum(row[WorkerRow.ANSWERED] for row in self._control.workers)

    def crashed(self, now_ns: int) -> None:
        """Hear that a frame is given up because its workers died."""
        done = self._answered()
        self._crashes.append((now_ns, done))
        if len(self._crashes) < _CRASHES:
            return
        since_ns, done_then = self._crashes[0]
        if now_ns - since_ns <= _WITHIN_NS and done - done_then <= _CRASHES:
            self._open(now_ns, done)

    def _open(self, now_ns: int, done: int) -> None:
        if self._control.words[Control.FLOW] == FlowState.CLOSED:
            _log.error("the flow ends its workers; frames are refused until one is answered, or a reload")
        self._control.words[Control.FLOW] = FlowState.OPEN
        self._done_when_opened = done
        self._try_at_ns = now_ns + self._pause_ns

    def tick(self, now_ns: int) -> None:
        """Let a frame through when it is time, and close when one was answered."""
        if self._control.words[Control.FLOW] == FlowState.CLOSED:
            return
        if self._answered() > self._done_when_opened:
            _log.warning("the flow answers frames again")
            self.reset()
        elif now_ns >= self._try_at_ns:
            self._control.words[Control.FLOW] = FlowState.TRIAL
            self._try_at_ns = now_ns + self._pause_ns

    def reset(self) -> None:
        """Begin anew: another project is at work."""
        self._crashes.clear()
        self._control.words[Control.FLOW] = FlowState.CLOSED
