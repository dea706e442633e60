"""`framemill history statistics`: the sums of a time as a table, CSV or JSON, as `/api/v1/statistics` has them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, get_args

import click
import orjson

from service.cli.client import UNREACHABLE, fail
from service.cli.history.place import history_place, place_options, settings_of
from service.cli.history.statistics_words import lines_of
from service.cli.options import utf8
from service.intake.checked import checked
from service.statistics.asked import Period, StatisticsQuery
from service.statistics.csv_form import TABLES, Table, as_csv
from service.statistics.shifts import zone_of
from workers.errors import InvalidParameter


@click.command()
@place_options
@click.option(
    "--period", type=click.Choice(get_args(Period)), help="a time that moves on with the clock; default shift"
)
@click.option("--day", metavar="DATE", callback=utf8, help="a local day, as 2026-11-27")
@click.option("--shift", metavar="NAME", callback=utf8, help="with --day: a shift that begins on it")
@click.option("--since", metavar="TIME", callback=utf8, help="what came then or later, as 2026-11-28T14:00, or 8h ago")
@click.option("--until", metavar="TIME", callback=utf8, help="what came before")
@click.option("--camera", callback=utf8, help="of this camera")
@click.option("--server", callback=utf8, help="of this server, where several write one history")
@click.option("--label", callback=utf8, help="places and counts over time of this label")
@click.option("--csv", "form", flag_value="csv", help="print a table of them as CSV")
@click.option("--json", "form", flag_value="json", help="print all that is known as JSON")
@click.option("--table", type=click.Choice(TABLES), help="with --csv: which table; default bins")
@click.option("--shifts", metavar="TEXT", callback=utf8, help="when shifts begin, where the project does not say it")
@click.option(
    "--time-zone", metavar="ZONE", callback=utf8, help="zone of the shifts, where the project does not say it"
)
def statistics(
    project: Path | None,
    state_dir: Path | None,
    history_url_file: Path | None,
    form: str | None,
    table: Table | None,
    shifts: str | None,
    time_zone: str | None,
    **asked: str | None,
) -> None:
    """Print how many frames were OK and NOK, yield, labels, measured values and times, of a shift or any time.

    The present shift where nothing is said. Times are whole quarters of an hour, and what is not known is said. It
    reads the database alone: whether the server runs does not matter.

    \b
    Example:
      framemill history statistics deploy/projects/board --period last_shift
      framemill history statistics deploy/projects/board --day 2026-11-27 --shift early --csv --table labels
      framemill history statistics deploy/projects/board --since 7d --camera top --json

    Exit status 0, 2 when what is asked for is no time, 3 when the project or the settings have mistakes, 4 when there
    is no history, or it cannot be read.
    """
    # imported here: a database takes a while to load, and --help should not
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from service.history.database import AnotherForm, open_to_read, told_of  # noqa: PLC0415
    from service.statistics.found import document, find  # noqa: PLC0415

    if table is not None and form != "csv":
        raise click.UsageError("--table is of --csv")
    settings = settings_of(project, {"shifts": shifts, "time_zone": time_zone})
    try:
        query = checked({name: value for name, value in asked.items() if value is not None}, StatisticsQuery)
        wanted = query.wanted(settings, time.time_ns())
    except InvalidParameter as error:
        raise click.UsageError(error.message) from None
    place = history_place(project, state_dir, history_url_file)
    try:
        engine = open_to_read(place)
        with engine.begin() as connection:
            known = document(find(connection, settings, wanted), str(zone_of(settings)))
        engine.dispose()
    except (SQLAlchemyError, AnotherForm) as error:
        fail(UNREACHABLE, f"the history cannot be read: {told_of(error)}")
    sys.stdout.write(_PRINTED[form](known, table))


def _as_table(known: dict[str, Any], _: Table | None) -> str:
    return "".join(f"{line}\n" for line in lines_of(known))


def _as_json(known: dict[str, Any], _: Table | None) -> str:
    return f"{orjson.dumps(known).decode()}\n"


def _as_csv(known: dict[str, Any], table: Table | None) -> str:
    return as_csv(known, table or "bins")


_PRINTED = {None: _as_table, "csv": _as_csv, "json": _as_json}
