"""How each alert stands: whether it is on, since when, what was sent of it; where it asks so, the line is held."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from service.alerts.judges import Facts, Frame, Why, judge_of, sentence
from service.alerts.webhook import Message

if TYPE_CHECKING:
    from service.alert_settings import AnyAlert
    from service.alerts.holds import Holds

_log = logging.getLogger(__name__)


@dataclass
class Standing:
    """How an alert stands. Times are CLOCK_REALTIME in ns, but `sent_s`, which is CLOCK_MONOTONIC.

    `times` is how often it has begun, `untold` how often since somebody was told; `why` is why it is on, or was last.
    """

    is_on: bool = False
    since_ns: int = 0
    ended_ns: int = 0
    times: int = 0
    why: Why | None = None
    sent_s: float | None = None
    untold: int = 0
    end_is_told: bool = True
    is_unsaved: bool = False


class Watched:
    """One alert, its judge, and how it stands."""

    def __init__(self, alert: AnyAlert, project: str, holds: Holds, tell: Callable[[Message], None]) -> None:
        self.alert = alert
        self.standing = Standing()
        self._judge = judge_of(alert)
        self._project = project
        self._holds = holds
        self._tell = tell

    @property
    def kept(self) -> dict[str, Any]:
        """All that is known, as JSON has it."""
        return {"judge": self._judge.kept, "standing": asdict(self.standing), "alert": self.alert.model_dump()}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on with what was known, where it was of this very alert."""
        if kept["alert"] == self.alert.model_dump():
            self._judge.kept = kept["judge"]
            self.standing = Standing(**kept["standing"])

    def see(self, frame: Frame, now_s: float) -> None:
        """Take a frame into account."""
        self._judge.see(frame, now_s)

    def forget(self) -> None:
        """Somebody has acknowledged it."""
        self._judge.forget()

    def judge(self, facts: Facts, now_s: float, now_ns: int) -> bool:
        """See whether it is on; whether anything has changed."""
        why, now = self._judge.why(facts, now_s), self.standing
        was = (now.is_on, now.why, now.is_unsaved)
        if now.is_unsaved:
            now.is_unsaved = not self._holds.hold(self.alert.name, self.text)
        if why is not None:
            now.why = why
        if why is not None and not now.is_on:
            self._begin(now_s, now_ns)
        elif why is None and now.is_on:
            self._end(now_ns)
        return was != (now.is_on, now.why, now.is_unsaved)

    @property
    def text(self) -> str:
        """Why it is on, or was."""
        return sentence(self.alert.when, self.standing.why) if self.standing.why else ""

    def _begin(self, now_s: float, now_ns: int) -> None:
        now, alert = self.standing, self.alert
        now.is_on, now.since_ns, now.times = True, now_ns, now.times + 1
        _log.warning("alert %s: %s%s", alert.name, self.text, "; the line is held" if alert.hold else "")
        if alert.hold:  # before anything else: what is told can wait, the next part cannot
            now.is_unsaved = not self._holds.hold(alert.name, self.text)
        if now.sent_s is not None and now_s - now.sent_s < alert.at_most_every_s:
            now.untold += 1
            return
        self._tell(self._message("alert.began", now_ns))
        now.sent_s, now.untold, now.end_is_told = now_s, 0, False

    def _end(self, now_ns: int) -> None:
        now = self.standing
        now.is_on, now.ended_ns = False, now_ns
        _log.info("alert %s is over", self.alert.name)
        if not now.end_is_told:
            self._tell(self._message("alert.ended", now_ns))
            now.end_is_told = True

    def _message(self, kind: str, now_ns: int) -> Message:
        now, alert = self.standing, self.alert
        data = {
            "project": self._project,
            "name": alert.name,
            "when": alert.when,
            "text": self.text,
            "values": now.why,
            "hold": alert.hold,
            "since": utc(now.since_ns),
            "beganBefore": now.untold,
        }
        document = {"type": kind, "timestamp": utc(now_ns), "data": data}
        return Message(f"msg_{secrets.token_urlsafe(18)}", orjson.dumps(document).decode())

    def document(self) -> dict[str, Any]:
        """Return it as fronts read it."""
        now, alert = self.standing, self.alert
        return {
            "name": alert.name,
            "when": alert.when,
            "hold": alert.hold,
            "active": now.is_on,
            "text": self.text,
            "values": now.why,
            "since_ns": now.since_ns,
            "ended_ns": now.ended_ns,
            "times": now.times,
        }


def utc(at_ns: int) -> str:
    """Return a time as documents have it."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
