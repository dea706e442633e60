"""The work of the process of alerts: it reads results as they come, judges, tells; no front is slower for it.

It looks for new results twenty times a second and is never woken by a front. What it knows lies on pages in memory of
the supervisor's, so that the process that follows one that was killed goes on where that one was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from service.alerts.courier import Courier
from service.alerts.judges import Facts, Frame
from service.alerts.pages import read_page, write_page
from service.alerts.plan import NAME
from service.alerts.standing import Watched
from service.alerts.webhook import Message, NotDelivered, Webhook
from service.results.record import Kind, Record
from workers.memory.control import Control

if TYPE_CHECKING:
    from pathlib import Path

    from service.alerts.holds import Holds
    from service.alerts.plan import AlertsPlan
    from service.results.files import ResultsPlan
    from service.results.follow import Follower

_TURN_S = 0.05
_JUDGED_EVERY_S = 0.5
_END_S = 1.0
_WORD_BYTES = 8


class Watching:
    """Watches for as long as there is a server."""

    def __init__(self, plan: AlertsPlan, follower: Follower, holds: Holds) -> None:
        self._plan = plan
        self._follower = follower
        self._holds = holds
        kept = read_page(plan.kept_fd) or {"alerts": [], "seen": {}, "waiting": [], "told": {}, "acknowledged": {}}
        self._seen: dict[int, int] = {int(front): sequence for front, sequence in kept["seen"].items()}
        self._acknowledged: dict[str, int] = kept["acknowledged"] or _acknowledged(holds)
        send = _webhook(plan, plan.webhook).send if plan.webhook else _nobody
        self._courier = Courier(send, [Message(*one) for one in kept["waiting"]], kept["told"])
        tell: Callable[[Message], None] = self._courier.take if plan.webhook else lambda _: None
        self._watched = [Watched(alert, plan.project, holds, tell) for alert in plan.alerts]
        for one, before in zip(self._watched, kept["alerts"], strict=False):
            one.resume(before)
        self._told_at = -1

    def run(self, must_end: Callable[[float], bool]) -> None:
        """Watch until the server has ended; `must_end` waits for so many seconds, and says whether it has."""
        judged_s = 0.0
        while not self._follower.is_over:
            records = self._follower.read()
            now_s = time.monotonic()
            changed = self._heed_acknowledged(now_s)  # before what came since then is seen
            for record in records:
                self._see(record, now_s)
            if records or now_s - judged_s >= _JUDGED_EVERY_S:
                judged_s = now_s
                changed |= self._judge(now_s)
            if records or changed or self._courier.changes != self._told_at:
                self._keep()
                self._follower.done()
            if records:
                continue
            self._follower.wait(0)
            if must_end(_TURN_S):
                break
        self._courier.end(_END_S)

    def _see(self, record: Record, now_s: float) -> None:
        if record.sequence <= self._seen.get(record.front, -1):
            return  # who was here before has seen it
        self._seen[record.front] = record.sequence
        frame = frame_of(record) if record.head.kind is Kind.FRAME else None
        if frame is not None:
            for one in self._watched:
                one.see(frame, now_s)

    def _heed_acknowledged(self, now_s: float) -> bool:
        """Have those begin anew that were acknowledged: what made them be on is over, where it is over by that."""
        acknowledged = _acknowledged(self._holds)
        if acknowledged == self._acknowledged:
            return False
        for one in self._watched:
            if acknowledged.get(one.alert.name, 0) > self._acknowledged.get(one.alert.name, 0):
                one.forget()
        self._acknowledged = acknowledged
        self._judge(now_s)
        return True

    def _judge(self, now_s: float) -> bool:
        facts = facts_of(self._plan.state_dir, self._plan.frames_fd, self._plan.results)
        changed = [one.judge(facts, now_s, time.time_ns()) for one in self._watched]
        return any(changed)

    def _keep(self) -> None:
        self._told_at = self._courier.changes
        told = self._courier.told
        kept = {
            "alerts": [one.kept for one in self._watched],
            "seen": self._seen,
            "waiting": [[*one] for one in self._courier.waiting],
            "told": {key: value for key, value in told.items() if key != "waiting"},
            "acknowledged": self._acknowledged,
        }
        write_page(self._plan.kept_fd, kept)
        write_page(self._plan.told_fd, {"alerts": [one.document() for one in self._watched], "webhook": told})


def frame_of(record: Record) -> Frame:
    """Return what judges look at; a frame that was held says that one came, and nothing else."""
    essence = record.essence
    camera = str(record.about.get("camera", ""))
    if record.held is not None:
        return Frame(camera, None, has_verdict=False)
    word = record.word
    labels: Sequence[str] = essence.get("labels", ()) if word == "NOK" else ()
    if word == "ERROR":  # a part that was not inspected is none that is OK; what its client did wrong says nothing
        return Frame(camera, False if record.head.status >= 500 else None, has_verdict=False)
    return Frame(camera, {"OK": True, "NOK": False}.get(word), has_verdict=word in {"OK", "NOK"}, labels=labels)


def facts_of(folder: Path, frames_fd: int, results: ResultsPlan) -> Facts:
    """Look at the disk, at the count of workers that died, and at who follows."""
    try:
        disk = os.statvfs(folder)
        free_bytes = disk.f_bavail * disk.f_frsize
    except OSError:
        free_bytes = None
    deaths = os.pread(frames_fd, _WORD_BYTES, _WORD_BYTES * Control.WORKER_DEATHS)
    others = tuple(one for one in results.followers() if one.name != NAME)
    return Facts(free_bytes, int.from_bytes(deaths, "little"), others)


def _acknowledged(holds: Holds) -> dict[str, int]:
    return {name: by.at_ns for name, by in holds.known.acknowledged.items()}


def _webhook(plan: AlertsPlan, url: str) -> Webhook:
    return Webhook(url, plan.webhook_key or "", plan.webhook_ca_file, plan.webhook_proxy)


def _nobody(_: Message, __: float) -> Any:
    raise NotDelivered("there is no alert_webhook any more", is_unwanted=True)
