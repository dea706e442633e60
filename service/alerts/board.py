"""All that is known of alerts in a front: what their process tells, what holds, who has acknowledged what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.alerts.pages import read_page, writes_of
from service.alerts.standing import utc
from service.own_errors import NotFound

if TYPE_CHECKING:
    from service.alerts.holds import Acknowledged, Holds

_NOTHING: dict[str, Any] = {"alerts": [], "webhook": None}


class Board:
    """What fronts show and answer; `told_fd` is the page of the process of alerts, None where there is none."""

    def __init__(self, holds: Holds, told_fd: int | None, *, sends: bool) -> None:
        self.holds = holds
        self._told_fd = told_fd
        self._sends = sends
        self._read_at: tuple[int, dict[str, Any]] = (0, _NOTHING)

    def document(self) -> dict[str, Any]:
        """Return it as the API has it: alerts that hold or are on first."""
        alerts = [{key: value for key, value in one.items() if key != "since_ns"} for one in self._all()]
        webhook = self._told()["webhook"] if self._sends else None
        return {"held": self.holds.name or None, "alerts": alerts, "webhook": webhook}

    def trouble(self) -> str:
        """Return why what was to be sent could not be, as long as that is so; '' where all goes well."""
        told = self._told()["webhook"] if self._sends else None
        return str(told["error"]) if told else ""

    def open(self) -> list[dict[str, Any]]:
        """Return those that somebody should see to."""
        return [one for one in self._all() if one["open"]]

    def _all(self) -> list[dict[str, Any]]:
        told, known = self._told(), self.holds.known
        alerts = {one["name"]: _of_told(one) for one in told["alerts"]}
        held = {name: (hold.since_ns, hold.why) for name, hold in known.held.items()}
        if (first := self.holds.name) and first not in held:  # its file could not be written
            held[first] = (0, "")
        for name, (since_ns, why) in held.items():
            one = alerts.setdefault(name, _only_held(name))
            one["held"] = True
            one["heldSince"] = utc(since_ns) if since_ns else None
            one["text"] = one["text"] or why
            one["since_ns"] = one["since_ns"] or since_ns
        for name, one in alerts.items():
            one["acknowledged"] = _acknowledged(known.acknowledged.get(name))
            is_seen_to = name in known.acknowledged and known.acknowledged[name].at_ns >= one["since_ns"]
            one["open"] = one["held"] or (one["active"] and not is_seen_to)
        return sorted(alerts.values(), key=lambda one: (not one["held"], not one["active"]))

    def acknowledge(self, name: str, who: str, address: str) -> dict[str, Any]:
        """Note that somebody has seen to an alert: it holds no more. Returns it; raises NotFound, HoldNotKept."""
        if self._find(name) is None:
            raise NotFound("there is no alert of this name")
        self.holds.acknowledge(name, who, address)
        return self._find(name) or {"name": name, "held": False, "active": False}

    def _find(self, name: str) -> dict[str, Any] | None:
        return next((one for one in self.document()["alerts"] if one["name"] == name), None)

    def _told(self) -> dict[str, Any]:
        if self._told_fd is None:
            return _NOTHING
        writes = writes_of(self._told_fd)
        if writes != self._read_at[0] and (told := read_page(self._told_fd)) is not None:
            self._read_at = (writes, told)
        return self._read_at[1]


def _of_told(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": told["name"],
        "when": told["when"],
        "hold": told["hold"],
        "active": told["active"],
        "held": False,
        "text": told["text"],
        "values": told["values"],
        "since": utc(told["since_ns"]) if told["since_ns"] else None,
        "ended": utc(told["ended_ns"]) if told["ended_ns"] and not told["active"] else None,
        "times": told["times"],
        "heldSince": None,
        "since_ns": told["since_ns"],
    }


def _only_held(name: str) -> dict[str, Any]:
    """One that holds, and is none of this server's settings any more, or whose file is damaged."""
    told = {"name": name, "when": None, "hold": True, "active": False, "text": "", "values": None}
    return _of_told({**told, "since_ns": 0, "ended_ns": 0, "times": 0})


def _acknowledged(by: Acknowledged | None) -> dict[str, Any] | None:
    return {"time": utc(by.at_ns), "who": by.who, "address": by.address} if by else None
