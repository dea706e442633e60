"""The service manager waits for longer than the server may take to end, whatever its settings."""

from __future__ import annotations

import re

from tests.support.running import CHECKOUT
from workers.settings import PoolSettings

UNIT = (CHECKOUT / "deploy" / "systemd" / "framemill.service").read_text()
LONGEST_MS = 600_000


def test_the_longest_setting_is_known_here() -> None:
    (limit,) = [rule.le for rule in PoolSettings.model_fields["deadline_ms"].metadata if hasattr(rule, "le")]
    assert limit == LONGEST_MS


def test_the_unit_kills_only_who_did_not_end_in_time() -> None:
    (given,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, flags=re.MULTILINE)
    longest = PoolSettings(deadline_ms=LONGEST_MS, run_ms=LONGEST_MS)
    assert longest.stop_s < int(given)
    assert longest.drain_s >= longest.deadline_ms / 1000  # a frame that was let in is answered
