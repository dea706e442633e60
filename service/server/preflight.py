"""Everything that a server would refuse to start with, found without starting one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from service.access.startup_check import check_entrance
from service.server.listener import check_address
from service.settings import Settings, load_settings
from workers.errors import FramemillError, NotEnoughMemory, ProjectInvalid, SettingsInvalid
from workers.flow.overrides import FILE, read_overrides
from workers.flow.project import Project, load_project
from workers.machine import memory_mib
from workers.memory.layout import Geometry
from workers.programs.rehearsal import rehearse
from workers.settings import MIB
from workers.versions.listing import STATE_FOLDER

_Found = TypeVar("_Found")


def mistakes_of(folder: Path, options: dict[str, Any]) -> tuple[str, list[str]]:
    """Return a project's name, and all that is wrong with it or with the settings that it would be served with.

    Its code is imported in a process of its own, and only where nothing else is wrong.
    """
    mistakes: list[str] = []
    project = _tried(lambda: load_project(folder), mistakes)
    settings = _tried(lambda: load_settings(project.server if project else {}, options), mistakes)
    if settings:
        _tried(lambda: check_entrance(settings), mistakes)
        _tried(lambda: check_address(settings), mistakes)
        _tried(lambda: _check_memory(settings), mistakes)
        _tried(lambda: _check_state_dir(settings), mistakes)
    if project and settings and not mistakes:
        state_dir = chosen_state_dir(settings, project)
        project = _tried(lambda: load_project(folder, overrides=read_overrides(state_dir / FILE)), mistakes) or project
    if project and settings:
        _tried(lambda: refuse_code(project, settings), mistakes)
    if project and settings and not mistakes and (why := rehearse(project, settings)):
        mistakes.append(why)
    return project.name if project else "", mistakes


def _tried(check: Callable[[], _Found], mistakes: list[str]) -> _Found | None:
    try:
        return check()
    except FramemillError as error:
        mistakes.append(error.message)
        return None


def chosen_state_dir(settings: Settings, project: Project) -> Path:
    """Return the setting, systemd's StateDirectory, or a hidden folder in the project."""
    from_systemd = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return settings.state_dir or (Path(from_systemd) if from_systemd else project.folder / STATE_FOLDER)


def refuse_code(project: Project, settings: Settings) -> None:
    """Raise ProjectInvalid where a project has code that the settings do not allow."""
    if settings.disable_code and project.has_code:
        raise ProjectInvalid("the project has code modules, and the server was started with disable_code")


def _check_memory(settings: Settings) -> None:
    needed_mib = Geometry.of(settings).total_bytes // MIB
    if needed_mib > memory_mib():
        raise NotEnoughMemory(
            f"the frame memory needs {needed_mib} MiB, and this machine has {memory_mib()}: "
            "lower slots, max_frame_mib or max_reply_mib"
        )


def _check_state_dir(settings: Settings) -> None:
    """Whether the folder can be had; it is not made here."""
    if settings.state_dir is None:
        return
    there = settings.state_dir.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        tempfile.TemporaryDirectory(dir=there).cleanup()
    except OSError as error:
        raise SettingsInvalid(f"state_dir: {settings.state_dir} cannot be used: {there}: {error.strerror}") from None
