"""What operators set, over HTTP: `GET` tells, `PUT` sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.access.keyring import Scope
from service.access.route import Route
from service.changes.asker import asker
from service.intake.checked import checked_body
from service.json_answer import answer_with
from service.results.documents import time_text
from workers.flow.inputs import MOST_INPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import falcon

    from service.changes.log import Changes
    from service.inputs.declared import Declared
    from service.inputs.operator_inputs import Changed, OperatorInputs


class InputsChange(BaseModel):
    """The body of a change."""

    model_config = ConfigDict(strict=True, extra="forbid")

    values: Annotated[
        dict[str, str | bool | int | float | None],
        Field(max_length=MOST_INPUTS, description="inputs to set, by name; null is back to the default"),
    ]
    revision: Annotated[
        int | None, Field(ge=0, description="the one that who asks has seen: where it is another by now, that is 409")
    ] = None


class InputsTable:
    """What operators can set, for the API and the page; `changes` is the log of who changed what."""

    def __init__(self, inputs: OperatorInputs, declared: Declared, changes: Changes) -> None:
        self._inputs = inputs
        self._declared = declared
        self._changes = changes

    def document(self) -> dict[str, Any]:
        """Return all of it, as JSON has it."""
        state, declared = self._inputs.state, self._declared.inputs
        last = {"who": state.who, "time": time_text(state.time_ns)} if state.time_ns else None
        found = []
        for one in declared:
            known = one.model_dump(exclude_none=True) | {"label": one.title, "default": one.initial()}
            try:
                value, is_set = one.taken(state.values[one.name]), True
            except (KeyError, ValueError):
                value, is_set = one.initial(), False
            found.append({**known, "value": value, "isSet": is_set, "revision": state.changed.get(one.name, 0)})
        return {
            "revision": state.revision,
            "flowVersion": self._declared.version,
            "inputs": found,
            "lastChange": last,
            "trouble": state.trouble,
        }

    @property
    def changed_ns(self) -> int:
        """When they were set last, CLOCK_REALTIME."""
        return self._inputs.state.time_ns

    def of_form(self, fields: Mapping[str, str]) -> dict[str, object]:
        """Return what a form of the page would change; a switch that is off is not in a form."""
        now = {one["name"]: one["value"] for one in self.document()["inputs"]}
        typed = {one.name: one.of_text(fields.get(f"input.{one.name}", "")) for one in self._declared.inputs}
        return {name: value for name, value in typed.items() if value != now.get(name)}

    def set(self, req: falcon.Request, values: Mapping[str, object], seen: int | None) -> Changed:
        """Set `values` for who asks, and note it; raises as OperatorInputs.change does."""
        who, address = asker(req)
        changed = self._inputs.change(values, self._declared.inputs, seen=seen, who=who, address=address)
        if changed.inputs:
            told = {name: f"{was} -> {now}" for name, (was, now) in changed.inputs.items()}
            self._changes.note(who, address, "inputs_changed", {"revision": changed.state.revision, **told})
        return changed


class InputsResource:
    """`/api/v1/inputs`."""

    def __init__(self, table: InputsTable) -> None:
        self._table = table

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Tell what can be set, what is, and the revision."""
        answer_with(resp, self._table.document())

    on_head = on_get

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set some of them, for the next frame on; all or nothing."""
        asked = checked_body(req, InputsChange)
        self._table.set(req, asked.values, asked.revision)
        self.on_get(req, resp)


def routes(table: InputsTable) -> Iterable[Route]:
    """Yield what this room answers."""
    yield Route("/api/v1/inputs", InputsResource(table), changes=Scope.OPERATE, for_page=True)
