"""Whether a worker can be expected for a frame that comes now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.admission.flow_state import may_pass
from workers.errors import FlowBroken, NotReady

if TYPE_CHECKING:
    from service.settings import Settings
    from workers.pool.pool import Pool

_REPLACEMENT_S = 0.002


def await_worker(pool: Pool, settings: Settings) -> None:
    """See to it that a worker can be expected; for those on their way frames wait as they do for busy ones."""
    if not may_pass(pool.control):
        msg = "the project ended the workers that inspected its frames; it is tried again now and then"
        raise FlowBroken(msg, -(-settings.broken_flow_pause_ms // 1000))
    give_up = time.monotonic() + settings.queue_ms / 1000
    while not pool.control.workers_expected:
        if time.monotonic() > give_up:
            raise NotReady("no worker is ready to inspect a frame; the server is starting, stopping or in trouble")
        time.sleep(_REPLACEMENT_S)
