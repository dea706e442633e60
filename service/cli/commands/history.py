"""`framemill history`: what became of frames, from the database; also when no server runs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from service.cli.client import UNREACHABLE, fail
from service.cli.commands.results import part_words
from service.cli.history.others import OrAnother
from service.cli.history.pictures import KNOWN, FolderTaken, copy_pictures
from service.cli.history.place import Time, history_place, place_options, state_dir_of
from workers.text import printable, shown_on_terminal

if TYPE_CHECKING:
    from service.history.lookup import Entry

_VERDICTS = ("OK", "NOK", "OFF", "ERROR")
_LINES = 50
_FAILED = 1
_COLUMNS = (
    "id",
    "time",
    "server",
    "client",
    "camera",
    "part",
    "data",
    "flowVersion",
    "status",
    "verdict",
    "held",
    "score",
)
_WHY = {
    "missed": "gone before they could be recorded",
    "killed": "the server was killed, or its machine was",
    "damaged": "in a database that was damaged, and set aside",
    "fault": "could not be recorded",
}


@click.command(cls=OrAnother)
@place_options
@click.option("--since", type=Time(), help="what came then or later, as 2026-11-28T14:00, or 2h ago")
@click.option("--until", type=Time(), help="what came before")
@click.option("--verdict", "verdicts", multiple=True, type=click.Choice(_VERDICTS, case_sensitive=False))
@click.option("--held/--not-held", default=None, help="frames that are NOK because the line was held; all others")
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
    held: bool | None,
    **named: tuple[str, ...],
) -> None:
    """Print what became of frames that the server of PROJECT answered, newest first.

    It reads the database alone: whether the server runs does not matter. The server writes one where `record` is set.
    `framemill history statistics` adds up a shift or any time, `framemill history export` writes what people decided:
    see their --help.

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

    place = history_place(project, state_dir, history_url_file)
    try:
        engine = open_to_read(place)
        with_context = context and (form == "jsonl" or pictures is not None)
        found = entries(engine, Wanted(since, until, held=held, **named), with_context=with_context)
        if pictures is not None:
            _copy(islice(found, count), state_dir_of(project, state_dir), pictures)
        else:
            _PRINT[form](islice(found, count or (None if form else _LINES)))
        engine.dispose()
    except (SQLAlchemyError, AnotherForm) as error:
        fail(UNREACHABLE, f"the history cannot be read: {told_of(error)}")


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
    if told["kind"] == "part":
        yield from part_words(told)
        return
    yield f"{told['timings']['took_ms']:7.1f} ms"
    yield told["camera"]
    if told["held"] is not None:
        yield f"held by {told['held']}"
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
