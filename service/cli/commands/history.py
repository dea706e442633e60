"""`framemill history`: what became of frames, from the database; also when no server runs."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from service.cli.client import UNREACHABLE, fail
from service.cli.commands.results import MISTAKES, shown_on_terminal, state_dir_of
from service.cli.history_pictures import KNOWN, FolderTaken, copy_pictures
from service.history.places.place import PostgresUrl, read_url, sqlite_in
from service.history.times import time_of
from service.settings import load_settings
from workers.errors import ProjectInvalid, SettingsInvalid
from workers.flow.project import load_project
from workers.text import printable

if TYPE_CHECKING:
    from service.cli.history_pictures import KNOWN, FolderTaken, copy_pictures
    from service.history.lookup import Entry
from service.history.places.place import Place

_VERDICTS = ("OK", "NOK", "OFF", "ERROR")
_LINES = 50
_FAILED = 1
_COLUMNS = ("id", "time", "client", "camera", "part", "data", "flowVersion", "status", "verdict", "score")
_WHY = {
    "missed": "gone before they could be recorded",
    "killed": "the server was killed, or its machine was",
    "damaged": "in a database that was damaged, and set aside",
    "fault": "could not be recorded",
}


class _Time(click.ParamType[int]):
    """A date, a time, or how long ago, as nanoseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return it."""
        del param, ctx
        try:
            return time_of(value, time.time_ns())
        except ValueError as error:
            self.fail(str(error))


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="where that server keeps its state")
@click.option(
    "--history-url-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="file with the URL of a PostgreSQL that has the history, where the project's settings do not name it",
)
@click.option("--since", type=_Time(), help="what came then or later, as 2026-11-28T14:00, or 2h ago")
@click.option("--until", type=_Time(), help="what came before")
@click.option("--verdict", "verdicts", multiple=True, type=click.Choice(_VERDICTS, case_sensitive=False))
@click.option("--camera", "cameras", multiple=True)
@click.option("--part", "parts", multiple=True)
@click.option("--server", "servers", multiple=True, help="frames of this server, where several write one history")
@click.option("--label", "labels", multiple=True, help="frames that have this label; several: one of them")
@click.option("--count", type=click.IntRange(min=1), help=f"so many, the newest; default {_LINES} as a table, else all")
@click.option("--csv", "form", flag_value="csv", help="print frames as CSV")
@click.option("--jsonl", "form", flag_value="jsonl", help="print all that is known, one line of JSON each")
@click.option(
    "--pictures", type=click.Path(path_type=Path, file_okay=False), help="write kept pictures there, and frames.jsonl"
)
@click.option("--context/--no-context", default=True, show_default=True, help="with --jsonl: the contexts, too")
def history(
    project: Path | None,
    state_dir: Path | None,
    history_url_file: Path | None,
    count: int | None,
    form: str | None,
    context: bool,
    pictures: Path | None,
    since: int | None,
    until: int | None,
    **named: tuple[str, ...],
) -> None:
    """Print what became of frames that the server of PROJECT answered, newest first.

    It reads the database alone: whether the server runs does not matter. The server writes one where `record` is set.

    \b
    Example:
      framemill history deploy/projects/board
      framemill history deploy/projects/board --verdict NOK --since 8h --csv
      framemill history deploy/projects/board --verdict NOK --since 8h --pictures rejected

    Exit status 0, 1 when pictures cannot be written, 3 when the project or the settings have mistakes, 4 when there is
    no history, or it cannot be read.
    """
    # imported here: a database takes a while to load, and --help should not
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from service.history.database import AnotherForm, open_to_read, told_of  # noqa: PLC0415
    from service.history.lookup import Wanted, entries  # noqa: PLC0415

    place = _place(project, state_dir, history_url_file)
    if isinstance(place, Path) and not place.exists():
        fail(UNREACHABLE, f'there is no history in {place.parent}: its server has not run with record = "async"')
    try:
        engine = open_to_read(place)
        with_context = context and (form == "jsonl" or pictures is not None)
        found = entries(engine, Wanted(since, until, **named), with_context=with_context)
        if pictures is not None:
            _copy(islice(found, count), state_dir_of(project, state_dir), pictures)
        else:
            _PRINT[form](islice(found, count or (None if form else _LINES)))
        engine.dispose()
    except (SQLAlchemyError, AnotherForm) as error:
        fail(UNREACHABLE, f"the history cannot be read: {told_of(error)}")


def _place(project: Path | None, state_dir: Path | None, history_url_file: Path | None) -> Place:
    """Return where the history is: as the command says, as the project's settings do, or in the state folder."""
    try:
        given = {"history_url_file": history_url_file}
        settings = load_settings(load_project(project).server if project else {}, given)
        if (url := read_url(settings)) is not None:
            return PostgresUrl(url)
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(MISTAKES, error.message)
    return sqlite_in(state_dir_of(project, state_dir))


def _copy(found: Iterator[Entry], state_dir: Path, folder: Path) -> None:
    try:
        copied = copy_pictures(found, state_dir, folder)
    except FolderTaken as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        fail(_FAILED, f"the pictures cannot be written: {error}")
    print(f"{copied.pictures} pictures of {copied.frames} frames are in {printable(folder)}, what they are in {KNOWN}")


def _print_lines(found: Iterator[Entry]) -> None:
    for entry in found:
        print(shown_on_terminal("  ".join(_words(entry.document))))


def _words(told: dict[str, Any]) -> Iterator[str]:
    yield told["time"]
    if told["kind"] == "unknown":
        yield f"UNKNOWN  until {told['until']}"
        yield f"{told.get('count', 'some')} frames: {_WHY.get(told['why'], told['why'])}"
        return
    if told["kind"] == "refusals":
        yield "REFUSED"
        yield from (f"{one['client'] or 'others'}: {one['count']} ({one['status']})" for one in told["refused"])
        return
    yield f"{told['verdict']:5}"
    yield f"{told['timings']['took_ms']:7.1f} ms"
    yield told["camera"]
    if told["part"] is not None:
        yield f"part {told['part']}"
    if "error" in told:
        yield f"{told['status']} {told['error']['code']}: {told['error']['message']}"
        return
    if told["score"] is not None:
        yield f"score {told['score']:.2f}"
    yield from told["labels"]


def _print_csv(found: Iterator[Entry]) -> None:
    """Print frames; of what else there is there is one word on standard error."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow([*_COLUMNS, "labels", "measures", "error", "took_ms"])
    unknown = 0
    for _, told in found:
        unknown += told["kind"] == "unknown"
        if told["kind"] == "frame":
            measures = {name: one["value"] for name, one in told["measures"].items()}
            more = [" ".join(told["labels"]), orjson.dumps(measures).decode() if measures else ""]
            error = told["error"]["code"] if "error" in told else ""
            rows.writerow([*(told[key] for key in _COLUMNS), *more, error, told["timings"]["took_ms"]])
    if unknown:
        print(f"framemill: of {unknown} intervals not all frames are known: see --jsonl", file=sys.stderr)


def _print_json(found: Iterator[Entry]) -> None:
    for entry in found:
        print(orjson.dumps(entry.document).decode())


_PRINT = {None: _print_lines, "csv": _print_csv, "jsonl": _print_json}
