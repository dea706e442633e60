"""Thresholds over HTTP: `GET` tells of them, `PUT` changes some, `DELETE` takes all back to what the project says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.access.keyring import Scope
from service.access.route import Route
from service.intake.checked import checked_body
from service.intake.params import query_values, wait_s
from service.json_answer import answer_with
from workers.errors import ChangeRefused, InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.thresholds.adjustable import Number, Running, Threshold
    from service.thresholds.changing import ThresholdDesk

_WAIT_S = 60


class OverrideWanted(BaseModel):
    """One threshold."""

    model_config = ConfigDict(strict=True, extra="forbid")

    module: Annotated[int | str, Field(description="its name, or its number as the flow counts")]
    option: Annotated[str, Field(max_length=100, description="which of its thresholds")]
    value: Annotated[
        int | float | None, Field(allow_inf_nan=False, description="null takes it back to what the project says")
    ]


class OverridesChange(BaseModel):
    """The body of a change."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    overrides: Annotated[list[OverrideWanted], Field(min_length=1, max_length=100, description="what is to change")]
    flow_version: Annotated[
        str | None,
        Field(alias="flowVersion", description="the one that was seen: where another runs by now, that is 409"),
    ] = None


class OverridesResource:
    """`/api/v1/overrides`."""

    def __init__(self, desk: ThresholdDesk) -> None:
        self._desk = desk

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Tell of all thresholds: what they are, what the project says, and what was changed."""
        answer_with(resp, _document(self._desk.running))

    on_head = on_get

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Change some; the others stay."""
        asked = checked_body(req, OverridesChange)
        running = self._desk.running
        if asked.flow_version not in {None, running.version}:
            raise ChangeRefused(f"version {running.version} runs by now, {asked.flow_version} was seen; look again")
        wanted = {_named(running, one): one.value for one in asked.overrides}
        self._change(req, resp, running, wanted)

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take all back."""
        running = self._desk.running
        self._change(req, resp, running, dict.fromkeys([one for one in running.thresholds if one.is_changed]))

    def _change(
        self, req: falcon.Request, resp: falcon.Response, running: Running, wanted: dict[Threshold, Number | None]
    ) -> None:
        if running.with_changes(wanted) == tuple(running.overrides):
            self.on_get(req, resp)
            return
        patience_s = wait_s(query_values(req)) or _WAIT_S
        done = self._desk.change(req, running, wanted, patience_s)
        if done.outcome is None:
            resp.status = 202
            answer_with(resp, {"overrides": "asked for"})
            return
        told = {"flowVersion": done.outcome.version, "before": done.outcome.before}
        answer_with(resp, {"overrides": "done", **told})


def _named(running: Running, wanted: OverrideWanted) -> Threshold:
    found = [one for one in running.thresholds if wanted.module in (one.module, one.name)]
    modules = {one.module for one in found}
    where = f"{wanted.option} of module {wanted.module!r}"
    if not modules:
        known = ", ".join(dict.fromkeys(f"{one.name} ({one.module})" for one in running.thresholds)) or "none"
        raise InvalidParameter(f"{where}: no such module has thresholds; those that have: {known}")
    if len(modules) > 1:
        raise InvalidParameter(
            f"{where}: modules {' and '.join(map(str, sorted(modules)))} are called so; name a number"
        )
    for one in found:
        if one.option == wanted.option:
            return one
    raise InvalidParameter(f"{where}: is no threshold; its thresholds are {', '.join(one.option for one in found)}")


def _document(running: Running) -> dict[str, Any]:
    return {
        "flowVersion": running.version,
        "thresholds": [
            {
                "module": one.module,
                "name": one.name,
                "kind": one.kind,
                "option": one.option,
                "description": one.description,
                "value": one.value,
                "own": one.own,
                "min": one.least,
                "max": one.most,
                "isChanged": one.is_changed,
                "isOfScore": one.line is not None,
            }
            for one in running.thresholds
        ],
        "overrides": [one.model_dump(exclude_none=True) for one in running.overrides],
    }


def routes(desk: ThresholdDesk) -> Iterable[Route]:
    """Yield what this room answers."""
    yield Route("/api/v1/overrides", OverridesResource(desk), changes=Scope.OPERATE, for_page=True)
