"""Which of the last rejected parts have a kept picture, for the strip of the page Live."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from service.results.documents import id_text
from workers.errors import FramemillError

if TYPE_CHECKING:
    from service.history.stored import Stored
    from service.live.seen import Rejected

PICTURES = "/api/v1/frames/{frame_id}/picture"
_PAUSE_S = 0.5
_GIVE_UP_NS = 10_000_000_000  # what is not kept by then is not kept
_REMEMBERED = 100


class Strip:
    """Asks the history twice a second at most; `is_served` says whether this server hands out kept pictures."""

    def __init__(self, stored: Stored, is_served: Callable[[], bool]) -> None:
        self._stored = stored
        self._is_served = is_served
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._ask_from_s = 0.0

    @property
    def has_parts(self) -> bool:
        """Whether there is a history, in which each of them has a page of its own."""
        return self._stored.is_kept

    def addresses(self, rejected: Sequence[Rejected], now_ns: int) -> dict[str, str]:
        """Return the addresses of pictures, from the server's root, by the ids of frames."""
        if not self._is_served() or not self._stored.is_kept:
            return {}
        new = [one for one in rejected if one.id not in self._kept and now_ns - one.came_ns < _GIVE_UP_NS]
        # after a start of this thread they are older, and nobody has asked yet
        first = [] if self._ask_from_s else [*rejected]
        if (wanted := first or new) and time.monotonic() >= self._ask_from_s:
            try:
                self._ask(wanted)
            except FramemillError:
                pass
            finally:
                self._ask_from_s = time.monotonic() + _PAUSE_S
        found = [one.id for one in rejected if one.id in self._kept]
        return {frame: PICTURES[1:].format(frame_id=frame) for frame in found}

    def _ask(self, wanted: Sequence[Rejected]) -> None:
        # imported here: a front that nobody asks does without
        from sqlalchemy import select  # noqa: PLC0415

        from service.history.schema.tables import PICTURES as KEPT  # noqa: PLC0415
        from service.history.schema.tables import RECORDS  # noqa: PLC0415

        query = select(RECORDS.c.came_ns, RECORDS.c.slot).join(KEPT, KEPT.c.record == RECORDS.c.number)
        came = [one.came_ns for one in wanted]
        with self._stored.read() as connection:
            rows = connection.execute(query.where(RECORDS.c.came_ns.in_(came), KEPT.c.file.is_not(None))).all()
        for row in rows:
            self._kept[id_text(row.came_ns, row.slot)] = None
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
