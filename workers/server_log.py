"""The server's own log: lines on standard error, with their priorities where systemd's journal reads them.

Only loggers of ours (`workers`, `service`) are set up, and the root has no handler: so user code in a worker may set up
logging as in any program (`logging.basicConfig`). Where it does not, its lines go to the log all the same, with the
names of their loggers. What a worker says goes through the supervisor (containment/log.py): there each line has its
priority in front, as sd-daemon(3) has it (`<4>` is a warning), and the supervisor keeps it or takes it off.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

_OURS = ("workers", "service")
_OUR_FORMAT = "framemill %(levelname)s: %(message)s"
_USERS_FORMAT = "%(levelname)s %(name)s: %(message)s"
_STDERR = 2


class _Lines(logging.Formatter):
    """Lines as they are, or each with its priority in front."""

    def __init__(self, form: str, *, marked: bool) -> None:
        super().__init__(form)
        self._marked = marked

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines where it has a traceback."""
        text = super().format(record)
        if not self._marked:
            return text
        mark = f"<{_priority(record.levelno)}>"
        return "\n".join(f"{mark}{line}" for line in text.splitlines())


def _priority(level: int) -> int:
    """What syslog calls it: 2 critical, 3 error, 4 warning, 6 information, 7 for who looks for a fault."""
    limits = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((priority for limit, priority in limits if level >= limit), 7)


def log_to(stream: TextIO | None = None, *, marked: bool | None = None) -> None:
    """Have our lines, and those of loggers that nobody has set up, go to `stream`, by default standard error.

    They are `marked` with their priorities, by default where the journal reads that.
    """
    stream = sys.stderr if stream is None else stream
    marked = is_read_by_journal() if marked is None else marked
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines(_OUR_FORMAT, marked=marked))
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    fallback = logging.StreamHandler(stream)
    fallback.setFormatter(_Lines(_USERS_FORMAT, marked=marked))
    logging.lastResort = fallback
    logging.getLogger().setLevel(logging.INFO)


def is_set_up() -> bool:
    """Whether this process, or the one that it is a fork of, has set up its log."""
    return bool(logging.getLogger(_OURS[0]).handlers)


def is_read_by_journal() -> bool:
    """Whether standard error is the journal's; see systemd.exec(5), JOURNAL_STREAM."""
    with suppress(OSError):
        status = os.fstat(_STDERR)
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False
