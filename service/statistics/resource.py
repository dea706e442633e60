"""`/api/v1/statistics`: all that is known of a time, as JSON or CSV; `/api/v1/shifts`: the calendar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import falcon
import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.access.route import Route
from service.intake.checked import checked_query
from service.results.documents import time_text
from service.statistics.asked import StatisticsQuery
from service.statistics.csv_form import Table, as_csv
from service.statistics.shifts import local_time, shift_at, shifts_of, zone_of

if TYPE_CHECKING:
    from service.history.stored import Stored
    from service.settings import Settings

_CSV = "text/csv; charset=utf-8"


class StatisticsForm(StatisticsQuery):
    """Which time, and in which form."""

    form: Annotated[
        Literal["json", "csv"] | None,
        BeforeValidator(lambda value: value or None),
        Field(description="json, or csv; else what Accept asks for"),
    ] = None
    table: Annotated[Table, Field(description="of CSV: which table")] = "bins"


class ShiftsQuery(BaseModel):
    """Which days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Annotated[date | None, Field(description="the first local day, as 2026-11-27; today where none is")] = None
    days: Annotated[int, Field(ge=1, le=100, description="how many days")] = 1


class StatisticsResource:
    """`GET`: what is known of a time."""

    def __init__(self, stored: Stored, settings: Settings) -> None:
        self._stored = stored
        self._settings = settings

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add up."""
        from service.statistics.found import document, find  # noqa: PLC0415 - a front that nobody asks loads no database

        asked = checked_query(req, StatisticsForm)
        wanted = asked.wanted(self._settings, time.time_ns())
        with self._stored.read() as connection:
            known = document(find(connection, self._settings, wanted), str(zone_of(self._settings)))
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("Vary", "Accept")
        if asked.form == "csv" or (asked.form is None and _prefers_csv(req)):
            resp.content_type = _CSV
            resp.set_header("Content-Disposition", f'attachment; filename="{asked.table}-{known["since"][:10]}.csv"')
            resp.text = as_csv(known, asked.table)
        else:
            resp.content_type = falcon.MEDIA_JSON
            resp.data = orjson.dumps(known)

    on_head = on_get


class ShiftsResource:
    """`GET`: the shifts of some days, and the present one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List them."""
        asked, now_ns = checked_query(req, ShiftsQuery), time.time_ns()
        first = asked.since or local_time(self._settings, now_ns).date()
        now = shift_at(self._settings, now_ns)
        listed = [
            shift
            for offset in range(asked.days)
            for shift in shifts_of(self._settings, min(first, date(9000, 1, 1)) + timedelta(days=offset))
        ]
        resp.content_type = falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "no-store")
        resp.data = orjson.dumps(
            {
                "timeZone": str(zone_of(self._settings)),
                "now": {"day": now.day.isoformat(), "name": now.name},
                "shifts": [
                    {
                        "day": shift.day.isoformat(),
                        "name": shift.name,
                        "begin": time_text(shift.begin_ns),
                        "end": time_text(shift.end_ns),
                    }
                    for shift in listed
                ],
            }
        )

    on_head = on_get


def statistics_routes(stored: Stored, settings: Settings) -> Iterator[Route]:
    """Yield the routes of statistics."""
    yield Route("/api/v1/statistics", StatisticsResource(stored, settings), for_page=True)
    yield Route("/api/v1/shifts", ShiftsResource(settings), for_page=True)


def _prefers_csv(req: falcon.Request) -> bool:
    return req.client_prefers([falcon.MEDIA_JSON, "text/csv"]) == "text/csv"
