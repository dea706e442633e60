"""Where the history is that a command is about, and times as people say them on a command line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.cli.client import UNREACHABLE, fail
from service.history.places.place import PostgresUrl, read_url, sqlite_in
from service.history.schema.times import time_of
from service.settings import load_settings
from workers.errors import ProjectInvalid, SettingsInvalid
from workers.flow.project import load_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.history.places.place import Place
    from service.settings import Settings

MISTAKES = 3


class Time(click.ParamType[int]):
    """A date, a time, or how long ago, as nanoseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return it."""
        del param, ctx
        try:
            return time_of(value, time.time_ns())
        except ValueError as error:
            self.fail(str(error))


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add PROJECT, --state-dir and --history-url-file."""
    for option in (
        click.option(
            "--history-url-file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="file with the URL of a PostgreSQL that has the history, where the project's settings do not name it",
        ),
        click.option(
            "--state-dir", type=click.Path(path_type=Path, file_okay=False), help="where that server keeps its state"
        ),
        click.argument("project", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)),
    ):
        command = option(command)
    return command


def history_place(project: Path | None, state_dir: Path | None, history_url_file: Path | None) -> Place:
    """Return where the history is: as the command says, as the project's settings do, or in the state folder.

    Ends this process where it is nowhere.
    """
    try:
        given = {"history_url_file": history_url_file}
        settings = load_settings(load_project(project).server if project else {}, given)
        if (url := read_url(settings)) is not None:
            return PostgresUrl(url)
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(MISTAKES, error.message)
    path = sqlite_in(state_dir_of(project, state_dir))
    if not path.exists():
        fail(UNREACHABLE, f'there is no history in {path.parent}: its server has not run with record = "async"')
    return path


def settings_of(project: Path | None, given: Mapping[str, Any]) -> Settings:
    """Return the settings of a project with those that are given; ends this process where they have mistakes."""
    try:
        return load_settings(load_project(project).server if project else {}, dict(given))
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(MISTAKES, error.message)


def state_dir_of(project: Path | None, state_dir: Path | None) -> Path:
    """Return where the server of a project keeps its state; ends this process where nobody can say."""
    if state_dir is not None:
        return state_dir
    if project is None:
        raise click.UsageError("name the PROJECT that is served, or --state-dir")
    return settings_of(project, {}).state_dir or project / ".framemill"
