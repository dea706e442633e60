"""What is kept in the state folder, and goes along with the version that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.api.switch import ProcessSwitch
    from service.changes.log import Changes
    from service.inputs.operator_inputs import OperatorInputs
    from workers.flow.project import Project


class Lasting:
    """In the supervisor."""

    def __init__(self, switch: ProcessSwitch, inputs: OperatorInputs, changes: Changes) -> None:
        self._switch = switch
        self._inputs = inputs
        self._changes = changes

    def settle(self) -> None:
        """See to what somebody left half done. Called again and again."""
        self._switch.settle()
        self._inputs.settle()

    def goes_on_with(self, project: Project) -> None:
        """Be told that this version runs now."""
        for name, (value, why) in self._inputs.adopt(project.inputs).items():
            self._changes.note("", "", "input_dropped", {"input": name, "value": value, "why": why})
