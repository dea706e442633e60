"""A version's template as the supervisor knows it: started, heard, asked for workers, made again, given up."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.containment.orphans import end_group
from workers.crew.fork import Birth, how_it_ended
from workers.versions import wire
from workers.versions.template import Charge, run_template

if TYPE_CHECKING:
    import socket

    from workers.containment.log import Outputs
    from workers.crew.standing import Standing
    from workers.flow.project import Project
    from workers.memory.arena import ArenaFile
    from workers.pool.channel import Channel
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_SLOW_NS = 30_000_000  # below this a fork is about as fast as a spare


@dataclass(frozen=True, slots=True)
class Household:
    """What all templates of a supervisor have in common."""

    settings: PoolSettings
    arena: ArenaFile
    channel: Channel
    selector: selectors.BaseSelector
    outputs: Outputs


class TemplateProcess:
    """The template of one version, whether there is a process of it at the moment or not.

    It `loads` the version, or its workers do. Where that takes long, one more worker is wanted as a spare: it is there
    at once when another dies, where a fork of a large process takes some frames' time. `on_loaded` is called whenever
    it can be asked for workers.
    """

    def __init__(self, project: Project, house: Household, standing: Standing, on_loaded: Callable[[], None]) -> None:
        self.project = project
        self.standing = standing
        alone = project.with_provider(house.settings.model_provider).alone
        self.loads = not alone
        self.wants_spare = False
        self.pid = 0
        self.house = house
        self._on_loaded = on_loaded
        self._link: socket.socket | None = None
        self._pidfd = -1
        self._begun_ns = 0
        self._loaded = False
        self._said_why = False
        self._given_up = False
        if alone:
            _log.info("each worker loads the project by itself: %s", alone)

    @property
    def takes_orders(self) -> bool:
        """Whether it may be asked for a worker now."""
        return self._loaded and self._link is not None and self.standing.is_due

    @property
    def is_missing(self) -> bool:
        """Whether there is no process and one may be made now."""
        return not self.pid and not self._given_up and self.standing.is_due

    @property
    def is_over(self) -> bool:
        """Whether it was given up and its process has ended."""
        return self._given_up and not self.pid

    def start(self) -> None:
        """Make the process; raises OSError where there is none to be had."""
        house = self.house
        with Birth() as birth:
            output_read, output_write = birth.pipe_from(house.outputs.pipe)
            link, theirs = birth.sockets(wire.pair)
            charge = Charge(theirs, output_write, house.arena, house.channel, self.project, house.settings, self.loads)
            self.pid, self._pidfd = birth.fork(lambda parent: run_template(charge, parent))
        self._link = link
        self._begun_ns = time.monotonic_ns()
        self._loaded = self._said_why = False
        house.outputs.follow(self.pid, output_read, "template")
        house.selector.register(self._pidfd, selectors.EVENT_READ, self._on_death)
        house.selector.register(link, selectors.EVENT_READ, self._on_told)

    def has_loaded(self, in_ns: int) -> None:
        """Hear how long it took to load the version, here or in a worker."""
        self.wants_spare = self.wants_spare or in_ns > _SLOW_NS

    def order(self, row: int, fds: Sequence[int]) -> bool:
        """Ask for a worker; False where that does not reach it."""
        return self._link is not None and wire.order(self._link, row, fds)

    def watch(self, now_ns: int) -> None:
        """End it where loading takes too long; raises BootFailed for a version that is new."""
        boot_ms = self.house.settings.boot_ms
        if self.pid and not self._loaded and not self._said_why and now_ns - self._begun_ns > boot_ms * 1_000_000:
            self._said_why = True
            self.kill()
            if not self._given_up:
                self.standing.failed(f"its template did not load the project within {boot_ms} ms (boot_ms)")

    def kill(self) -> None:
        """End the process at once; another is made unless this was given up."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def give_up(self) -> None:
        """Ask the process to end; no other is made."""
        self._given_up = True
        if not self._loaded:
            self.kill()  # it looks at nothing while it loads
        self._close_link()

    def _close_link(self) -> None:
        if self._link is not None:
            self.house.selector.unregister(self._link)
            self._link.close()
            self._link = None

    def _on_told(self) -> None:
        assert self._link is not None
        told = wire.hear(self._link)
        if not told:  # its end; what that means is said once it is reaped
            self._close_link()
        elif "loaded" in told:
            self._loaded = True
            self.has_loaded(told["loaded"])
            self._on_loaded()
        elif "unborn" in told:
            self.standing.failed(f"no process can be made: {told['unborn']}")
        else:
            self._said_why, self._loaded = True, False
            self._act_on_end(told)

    def _act_on_end(self, told: dict[str, Any]) -> None:
        if "failed" in told:
            self.standing.failed(told["failed"])
        elif "alone" in told:
            self.loads = False
            _log.warning(
                "each worker loads the project by itself, for what has loaded it cannot be forked: %s", told["alone"]
            )

    def _on_death(self) -> None:
        while self._link is not None:  # what it said last
            self._on_told()
        end_group(self.pid)
        _, status = os.waitpid(self.pid, 0)
        self.house.outputs.end(self.pid)
        self.house.selector.unregister(self._pidfd)
        os.close(self._pidfd)
        pid, self.pid = self.pid, 0
        was_loading, self._loaded = not self._loaded, False
        if self._said_why or self._given_up:
            return
        _log.warning("the template %d ended by %s; another is made from the copy", pid, how_it_ended(status))
        if was_loading:
            self.standing.died()
        else:
            self.standing.pause()
