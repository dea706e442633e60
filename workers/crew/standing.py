"""Whether a version has proved itself, and how long to wait before it is tried again.

A version whose worker has been ready once is proven: no failure of it ends the server any more. It is tried again,
after a pause that doubles up to ten seconds, and the workers that there are go on. Where none is left, frames wait for
the next ones for as long as it `is_hopeful`.
"""

from __future__ import annotations

import logging
import time

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_NO_HOPE_S = 1.0  # after the fourth death in a row there is a reason
_DIED = "workers die while they load the project, without a message of their own"


class BootFailed(Exception):
    """A version could not be loaded; the message is its own."""


class Standing:
    """How one version has done; `tries` is how often a new one may die without a word before it is given up."""

    def __init__(self, tries: int) -> None:
        self.proven = False
        self._tries = tries
        self._has_failed = False
        self._pause_s = 0.0
        self._due_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether something may be asked of it now."""
        return time.monotonic() >= self._due_s

    @property
    def is_hopeful(self) -> bool:
        """Whether missing workers of it are likely to be there soon: nothing has failed since one was ready."""
        return self.proven and not self._has_failed and self._pause_s < _NO_HOPE_S

    def worked(self) -> None:
        """One of its workers is ready."""
        self.proven = True
        self._has_failed = False
        self._pause_s = 0.0

    def failed(self, why: str) -> None:
        """It could not be loaded, or a worker of it not be made; raises BootFailed for a version that is new."""
        if not self.proven:
            raise BootFailed(why)
        self._has_failed = True
        self._try_again(why)

    def died(self) -> None:
        """The same where a process ended before it could say why."""
        self._tries -= 1
        if self.proven:
            self._try_again(_DIED)
        elif self._tries <= 0:
            raise BootFailed(_DIED)

    def _try_again(self, why: str) -> None:
        _log.error("a worker cannot be replaced, the others go on; it is tried again in %.1f s: %s", self.pause(), why)

    def pause(self) -> float:
        """Ask nothing of it for a while; returns how long that is, in seconds."""
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S) or _FIRST_PAUSE_S
        self._due_s = time.monotonic() + self._pause_s
        return self._pause_s
