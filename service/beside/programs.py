"""Which programs a server has beside its fronts, and what the fronts are handed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.beside.alerts_start import AlertsStart
from service.beside.part_desk import PartDeskStart
from service.beside.recorder_start import RecorderStart
from workers.supervisor.program import Ends, ProgramPlan

if TYPE_CHECKING:
    from pathlib import Path

    from service.access.heirloom import Heirloom
    from service.parts.handed import PartsHandedOn
    from service.results.door import Door
    from service.results.files import ResultsFiles
    from service.settings import Settings
    from workers.flow.project import Project


class Programs:
    """The supervisor's. `results` and `door` are None where no results are kept; then only parts are joined."""

    def __init__(
        self,
        settings: Settings,
        project: Project,
        state_dir: Path,
        *,
        results: ResultsFiles | None,
        door: Door | None,
        heirloom: Heirloom,
        history_url: str | None,
        parts_before: PartsHandedOn | None,
    ) -> None:
        """Raises SettingsInvalid where alerts are to be signed and cannot be, OSError."""
        self._part_desk = PartDeskStart(settings.fronts, results and results.plan, parts_before)
        self._recorder: RecorderStart | None = None
        self._alerts: AlertsStart | None = None
        if door and settings.record != "off":
            self._recorder = RecorderStart(door, settings, state_dir, history_url)
        if door and results and settings.alerts:
            self._alerts = AlertsStart(
                door, results.plan, settings, heirloom=heirloom, state_dir=state_dir, project=project.name
            )

    def enter(self, project: Project, running: Project) -> None:
        """Hear of a version before it sees a frame, and of the one that runs."""
        self._part_desk.enter(project, running)
        if self._recorder:
            self._recorder.enter(project, running)

    @property
    def parts_for_next(self) -> PartsHandedOn | None:
        """What a server that is to follow is handed of parts."""
        return self._part_desk.for_next

    def followed_by(self, pid: int) -> None:
        """Hear which server answers in place of this one."""
        self._part_desk.followed_by(pid)

    @property
    def plans(self) -> list[ProgramPlan]:
        """The programs, in the order in which they are started."""
        found = [ProgramPlan("the part desk", self._part_desk, Ends.BEHIND_FRONTS, is_wanted=self._part_desk.is_wanted)]
        found += [ProgramPlan("the recorder", self._recorder)] if self._recorder else []
        return found + ([ProgramPlan("what judges alerts", self._alerts)] if self._alerts else [])

    def for_fronts(self) -> dict[str, Any]:
        """What a front's plan says of them."""
        recorder, alerts = self._recorder, self._alerts
        return {
            "parts": self._part_desk.plan,
            "recorder_fd": recorder.told_fd if recorder else None,
            "asking_fds": recorder.asking_fds if recorder else (),
            "alerts_fd": alerts.told_fd if alerts else None,
        }

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that a front inherits."""
        recorder, alerts = self._recorder, self._alerts
        of_recorder = (recorder.told_fd, *recorder.asking_fds) if recorder else ()
        return (*self._part_desk.plan.fds, *of_recorder, *((alerts.told_fd,) if alerts else ()))
