"""A threshold is changed: asked of the supervisor, proved there as a reload is, and noted with its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from service.changes.asker import asker
from workers.errors import ChangeRefused, InvalidParameter, NotReady
from workers.flow.overrides import as_text
from workers.pool.to_supervisor import Message

if TYPE_CHECKING:
    import falcon

    from service.changes.log import Changes
    from service.thresholds.adjustable import Adjustable, Number, Running, Threshold
    from workers.pool.to_supervisor import Outcome, SupervisorLink


class Done(NamedTuple):
    """What became of a change; `outcome` is None where that was not known in time."""

    outcome: Outcome | None
    version: str


class ThresholdDesk:
    """Changes thresholds of the version that runs."""

    def __init__(self, adjustable: Adjustable, link: SupervisorLink, changes: Changes) -> None:
        self._adjustable = adjustable
        self._link = link
        self._changes = changes

    @property
    def running(self) -> Running:
        """The version that runs."""
        return self._adjustable.running

    def change(
        self, req: falcon.Request, running: Running, wanted: Mapping[Threshold, Number | None], wait_s: float
    ) -> Done:
        """Have `running` run on with these thresholds, None for the project's own; wait so long at most.

        Raises:
            InvalidParameter: a value is none that its option takes.
            ChangeRefused: nothing has changed: another version runs, another change is on its way, the proof fails.
            NotReady: the server ends.
        """
        wanted = {one: None if value is None else _fitting(one, value) for one, value in wanted.items()}
        overrides = running.with_changes(wanted)
        who, address = asker(req)
        by = f"{who or 'a client without a key'}, {address}"
        content = f"{running.version}\n".encode() + as_text(overrides)
        try:
            with self._link.ask(Message.OVERRIDE, by, content) as waiting:
                outcome = waiting.outcome(wait_s) if wait_s else None
        except ConnectionError:
            raise NotReady("the server ends; what became of the change is not known") from None
        except OSError:
            raise InvalidParameter("there are too many thresholds that were changed") from None
        self._note(who, address, wanted, outcome)
        if outcome is not None and not outcome.done:
            raise ChangeRefused(f"version {outcome.version} goes on: {outcome.words}")
        return Done(outcome, outcome.version if outcome else running.version)

    def _note(self, who: str, address: str, wanted: Mapping[Threshold, Number | None], outcome: Outcome | None) -> None:
        what = "threshold_asked" if outcome is None else "threshold_changed" if outcome.done else "threshold_refused"
        told = {} if outcome is None else {"version": outcome.version, "why": outcome.words}
        for threshold, value in wanted.items():
            now = f"{'-' if threshold.own is None else threshold.own} (of the project)" if value is None else value
            detail = {"module": threshold.name, "option": threshold.option, "was": threshold.value, "now": now}
            self._changes.note(who, address, what, {**detail, **told})


def _fitting(threshold: Threshold, value: Number) -> Number:
    """Return the value as its option has it."""
    where = f"{threshold.option} of {threshold.name}"
    if threshold.is_whole and value != int(value):
        raise InvalidParameter(f"{where}: is {value:.12g}, expected a whole number")
    if threshold.least is not None and value < threshold.least:
        raise InvalidParameter(f"{where}: is {value:.12g}, expected at least {threshold.least:.12g}")
    if threshold.most is not None and value > threshold.most:
        raise InvalidParameter(f"{where}: is {value:.12g}, expected at most {threshold.most:.12g}")
    return int(value) if threshold.is_whole else value
