"""A frame that is a view of a part: its part hears of it once it is on record, and its answer may bring the part's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from service.errors import STATUS
from service.parts.joining import DESK_AWAY, ERROR, NOK, OFF, OK
from service.parts.link import DeskAway
from service.parts.messages import Kind, Said
from workers.errors import FramemillError, InvalidParameter
from workers.memory.control import Control

if TYPE_CHECKING:
    from service.analysis.wish import Wish
    from service.parts.link import DeskLink
    from service.parts.plans import PartPlan, Plans
    from service.results.story import Story
    from workers.pool.reply import Reply

MOST_RESULT_BYTES = 8 << 10  # of what an answer tells of a part
_WORDS = {True: OK, False: NOK, None: OFF}
# the flow may have seen such a frame: whoever sends it once more does not make that undone
_DOUBTFUL = frozenset({500, 504})


class Views:
    """Of one front; `control` are the words of the control page."""

    def __init__(self, link: DeskLink, plans: Plans, control: memoryview) -> None:
        self._link = link
        self._plans = plans
        self._control = control

    def may_have_part(self, wish: Wish) -> bool:
        """Whether it may belong to a part: a version without any does not end those of the version before."""
        return bool(wish.asked.part) and self._plans.may_be_open(self._control[Control.FLOW_VERSION])

    def takes(self, wish: Wish) -> bool:
        """Whether it is a view of a part, or need not be one."""
        plan = self._plan_of(wish)
        return plan is None or wish.view in plan.views

    def check(self, wish: Wish) -> None:
        """Raise InvalidParameter where a frame of a part is none of its views."""
        plan = self._plan_of(wish)
        if plan is not None and wish.view not in plan.views:
            said = "view" if wish.asked.view else "camera" if wish.asked.camera else "there is no view, and client"
            expected = ", ".join(plan.views)
            raise InvalidParameter(f"{said}={wish.view[:80]!r} is no view of a part; expected one of {expected}")

    def answered(self, wish: Wish, story: Story, reply: Reply) -> bytes:
        """Tell of a frame that has its answer and is on record; returns what its part became, if it ended by that."""
        if not self.may_have_part(wish):
            return b""
        # a frame with an error is NOK, but that is none of the part
        result = self._tell(wish, story, ERROR if reply.failed_in else _WORDS[reply.verdict])
        return b"" if reply.verdict is None else result  # with the Process switch off an answer has its own keys only

    def failed(self, wish: Wish | None, story: Story, error: Exception) -> None:
        """Tell of a frame that has an error instead, which bears then what its part became.

        One that no flow has seen is as if it had not come: its client may send it once more.
        """
        if wish is None or not self.may_have_part(wish) or story.slot < 0:
            return
        known = error if isinstance(error, FramemillError) else None
        if known is None or STATUS.get(known.code, 500) in _DOUBTFUL:
            result = self._tell(wish, story, ERROR)
            if known is not None:
                known.part_result = result

    def _plan_of(self, wish: Wish) -> PartPlan | None:
        """Return what the project says about the part of this frame; None where it is by itself."""
        return self._plans.of(self._control[Control.FLOW_VERSION]) if wish.asked.part else None

    def _tell(self, wish: Wish, story: Story, word: str) -> bytes:
        part, flow = wish.asked.part, self._control[Control.FLOW_VERSION]
        try:
            return self._link.tell(Said(Kind.FRAME, part, 0, 0, word, wish.view, story.came_ns, story.slot, flow))
        except DeskAway:
            return orjson.dumps({"kind": "part", "part": part, "verdict": ERROR, "result": False, "why": DESK_AWAY})


def with_part(document: bytes, result: bytes) -> bytes:
    """Add what became of a part to an object of JSON, which is not read for that."""
    if not result or not document.endswith(b"}"):
        return document
    return b'%b,"partResult":%b}' % (document[:-1], result)
