"""What no answer and no line of the log may hold (I6): keys, paths, tracebacks, and words of the frame memory."""

from __future__ import annotations

import re

API_KEY = "soak-api-key-7f3a9c1e5b"
STOP_KEY = "soak-stop-key-e81d20b4"
_KEYS = re.compile(f"{API_KEY}|{STOP_KEY}")
_NEVER_ANSWERED = re.compile(
    rf"{_KEYS.pattern}|Traceback|File \"|/proc/|/dev/shm|/tmp/|site-packages|memfd|\bslot \d|\bpsm_|FMSLOT|\.py\b"
)
# a path that an operator has to mend may stand in the log; a traceback is a fault of ours, and keys are never due
_NEVER_LOGGED = re.compile(rf"{_KEYS.pattern}|Traceback|memfd|\bslot \d|\bpsm_")


def secrets_in(answer: str) -> str:
    """The first thing in an answer, head and text, that should not be there; empty where there is none."""
    found = _NEVER_ANSWERED.search(answer)
    return found.group(0) if found else ""


def secrets_in_log(log: list[str]) -> list[str]:
    """The lines of the log that hold what they should not."""
    return [line for line in log if _NEVER_LOGGED.search(line)]
