"""When an alert is on: a judge for each, told of every frame and of the state of the server. Pure: no I/O, no clock.

All that a judge knows lies in `kept`, which is JSON: a process that follows one that was killed goes on with it. Times
are seconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from service.alert_settings import (
    AnyAlert,
    DiskAlert,
    FollowerAlert,
    InARowAlert,
    SilenceAlert,
    WorkersAlert,
    YieldAlert,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from service.results.seats import Follows

_PARTS = 60  # of the time that a yield is of: it moves on by one at a time
_MOST_CAMERAS = 64
_MISSED_S = 60.0  # for so long a follower that has missed some is told of
_MIB = 1 << 20

Why = Mapping[str, Any]
"""What speaks for an alert: values of its sentence, see `sentence`."""


class Frame(NamedTuple):
    """What judges look at of a frame."""

    camera: str
    is_ok: bool | None  # None where it was not inspected, and where an error is its client's
    has_verdict: bool
    labels: Collection[str] = ()


class Facts(NamedTuple):
    """What is known of the server beside its frames; None and nothing where it is not known."""

    free_bytes: int | None = None
    worker_deaths: int = 0
    followers: tuple[Follows, ...] = ()


class Judge(Protocol):
    """Says whether an alert is on."""

    kept: dict[str, Any]

    def see(self, frame: Frame, now_s: float, /) -> None:
        """Take a frame into account."""

    def why(self, facts: Facts, now_s: float, /) -> Why | None:
        """Return what speaks for the alert; None where it is not on."""

    def forget(self) -> None:
        """Begin anew: somebody has seen to it."""


class _Yield:
    def __init__(self, alert: YieldAlert) -> None:
        self._alert = alert
        self._width_s = alert.within_min * 60 / _PARTS
        self.kept: dict[str, Any] = {}
        self.forget()

    def see(self, frame: Frame, now_s: float) -> None:
        if frame.is_ok is None:
            return
        parts, at = self.kept["parts"], int(now_s / self._width_s)
        if not parts or parts[-1][0] != at:
            parts.append([at, 0, 0])
            del parts[: -_PARTS - 1]
        parts[-1][1 if frame.is_ok else 2] += 1

    def why(self, _: Facts, now_s: float) -> Why | None:
        since = int(now_s / self._width_s) - _PARTS
        parts = [part for part in self.kept["parts"] if part[0] >= since]
        self.kept["parts"] = parts
        ok, nok = sum(part[1] for part in parts), sum(part[2] for part in parts)
        if ok + nok < self._alert.at_least_frames or 100 * ok >= self._alert.percent * (ok + nok):
            return None
        percent = round(100 * ok / (ok + nok), 1)
        return {"percent": percent, "limit": self._alert.percent, "frames": ok + nok, "min": self._alert.within_min}

    def forget(self) -> None:
        self.kept = {"parts": []}


class _InARow:
    def __init__(self, alert: InARowAlert) -> None:
        self._alert = alert
        self.kept: dict[str, Any] = {}
        self.forget()

    def see(self, frame: Frame, _: float) -> None:
        alert, rows = self._alert, self.kept["rows"]
        if not frame.has_verdict or (alert.camera is not None and frame.camera != alert.camera):
            return
        row = rows.pop(frame.camera, 0)
        if frame.is_ok is False and (alert.label is None or alert.label in frame.labels):
            rows[frame.camera] = row + 1
            if len(rows) > _MOST_CAMERAS:
                del rows[next(iter(rows))]

    def why(self, _: Facts, __: float) -> Why | None:
        rows: dict[str, int] = self.kept["rows"]
        camera = max(rows, key=lambda one: rows[one], default="")
        if not rows or rows[camera] < self._alert.frames:
            return None
        return {"frames": rows[camera], "label": self._alert.label or "", "camera": camera}

    def forget(self) -> None:
        self.kept = {"rows": {}}


class _Silence:
    def __init__(self, alert: SilenceAlert) -> None:
        self._alert = alert
        self.kept: dict[str, Any] = {"last_s": None}

    def see(self, frame: Frame, now_s: float) -> None:
        if self._alert.camera in {None, frame.camera}:
            self.kept["last_s"] = now_s

    def why(self, _: Facts, now_s: float) -> Why | None:
        if self.kept["last_s"] is None:
            self.kept["last_s"] = now_s
        silent_s = now_s - self.kept["last_s"]
        if silent_s <= self._alert.for_s:
            return None
        return {"s": int(silent_s), "camera": self._alert.camera or ""}

    def forget(self) -> None:
        """It is over when a frame comes, and not before."""


class _Disk:
    def __init__(self, alert: DiskAlert) -> None:
        self._alert = alert
        self.kept: dict[str, Any] = {"on": False}

    def see(self, _: Frame, __: float) -> None:
        """Frames do not matter."""

    def why(self, facts: Facts, _: float) -> Why | None:
        if facts.free_bytes is None:
            return None
        floor = self._alert.free_mib * _MIB
        # one that is on ends a twentieth above: else it would come and go with each file
        self.kept["on"] = facts.free_bytes < floor + (floor // 20 if self.kept["on"] else 0)
        return {"mib": facts.free_bytes // _MIB, "limit": self._alert.free_mib} if self.kept["on"] else None

    def forget(self) -> None:
        """It is over when there is room, and not before."""


class _Workers:
    def __init__(self, alert: WorkersAlert) -> None:
        self._alert = alert
        self.kept: dict[str, Any] = {"known": None, "deaths": []}

    def see(self, _: Frame, __: float) -> None:
        """Frames do not matter."""

    def why(self, facts: Facts, now_s: float) -> Why | None:
        kept, alert = self.kept, self._alert
        known = 0 if kept["known"] is None else kept["known"]
        if facts.worker_deaths > known:
            kept["deaths"].append([now_s, facts.worker_deaths - known])
        kept["known"] = facts.worker_deaths
        kept["deaths"] = [one for one in kept["deaths"] if one[0] > now_s - 60 * alert.within_min][
            -alert.more_than - 1 :
        ]
        deaths = sum(count for _, count in kept["deaths"])
        return {"deaths": deaths, "min": alert.within_min} if deaths > alert.more_than else None

    def forget(self) -> None:
        self.kept["deaths"] = []


class _Followers:
    def __init__(self, alert: FollowerAlert) -> None:
        self._alert = alert
        self.kept: dict[str, Any] = {"missed": {}, "until_s": {}}

    def see(self, _: Frame, __: float) -> None:
        """Frames do not matter."""

    def why(self, facts: Facts, now_s: float) -> Why | None:
        alert, until_s = self._alert, self.kept["until_s"]
        watched = [one for one in facts.followers if alert.follower in {None, one.name}]
        for one in watched:
            if one.missed > self.kept["missed"].get(one.name, 0):
                until_s[one.name] = now_s + _MISSED_S
        self.kept["missed"] = {one.name: one.missed for one in watched}
        for one in watched:
            missed = until_s.get(one.name, 0) > now_s
            if one.behind > alert.records or missed:
                return {"follower": one.name, "behind": one.behind, "missed": one.missed}
        if alert.follower is not None and not any(one.is_there for one in watched):
            return {"follower": alert.follower, "behind": 0, "missed": 0}
        return None

    def forget(self) -> None:
        self.kept["until_s"] = {}


def judge_of(alert: AnyAlert) -> Judge:
    """Return the judge of an alert."""
    match alert:
        case YieldAlert():
            return _Yield(alert)
        case InARowAlert():
            return _InARow(alert)
        case SilenceAlert():
            return _Silence(alert)
        case DiskAlert():
            return _Disk(alert)
        case WorkersAlert():
            return _Workers(alert)
    return _Followers(alert)


def sentence(when: str, why: Why) -> str:
    """Say in a sentence what speaks for an alert."""
    of_camera = f" from {why['camera']}" if why.get("camera") else ""
    match when:
        case "yield_below":
            frames = f"{why['frames']} frames of the last {why['min']:g} min"
            said = f"{why['percent']:g} % of {frames} are OK, less than {why['limit']:g} %"
        case "nok_in_a_row":
            label = f" with {why['label']}" if why["label"] else ""
            said = f"{why['frames']} frames in a row{of_camera} are NOK{label}"
        case "no_frame":
            said = f"no frame has come{of_camera} for {why['s']} s"
        case "disk_below":
            said = f"{why['mib']} MiB are free on the disk, less than {why['limit']}"
        case "worker_deaths":
            said = f"{why['deaths']} workers have died within {why['min']:g} min"
        case _ if why["behind"] or why["missed"]:
            said = f"{why['follower']} is {why['behind']} results behind and has missed {why['missed']}"
        case _:
            said = f"{why['follower']} does not follow results"
    return said
