"""What is kept in the state folder, and goes along with the version that runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from service.safe_files import replacing
from workers.flow.overrides import FILE, as_text

if TYPE_CHECKING:
    from pathlib import Path

    from service.alerts.holds import Holds
    from service.api.switch import ProcessSwitch
    from service.changes.log import Changes
    from service.inputs.operator_inputs import OperatorInputs
    from workers.flow.project import Project


_log = logging.getLogger(__name__)


class Lasting:
    """In the supervisor."""

    def __init__(
        self, state_dir: Path, switch: ProcessSwitch, holds: Holds, inputs: OperatorInputs, changes: Changes
    ) -> None:
        self._overrides = state_dir / FILE
        self._switch = switch
        self._holds = holds
        self._inputs = inputs
        self._changes = changes

    def settle(self) -> None:
        """See to what somebody left half done. Called again and again."""
        self._switch.settle()
        self._holds.settle()
        self._inputs.settle()

    def goes_over_to(self, project: Project, is_from_disk: bool) -> None:
        """Be told that this version has taken the place of another: a start is to begin with its thresholds, too."""
        if not is_from_disk:
            self._keep(as_text(project.overrides))
        self.goes_on_with(project)

    def _keep(self, overrides: bytes) -> None:
        try:
            if overrides:
                with replacing(self._overrides, 0o644) as file:
                    file.write(overrides)
            else:
                self._overrides.unlink(missing_ok=True)
        except OSError as error:
            _log.error(
                "the thresholds that hold now are not kept, a start or reload has others: %s: %s",
                self._overrides,
                error.strerror or error,
            )

    def goes_on_with(self, project: Project) -> None:
        """Be told that this version runs now."""
        for name, (value, why) in self._inputs.adopt(project.inputs).items():
            self._changes.note("", "", "input_dropped", {"input": name, "value": value, "why": why})
