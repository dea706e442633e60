"""`GET /statistics`: the page. It asks the history once, and draws what it says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from service.access.route import Route
from service.intake.checked import checked_query
from service.own_errors import NoHistory
from service.statistics.asked import StatisticsQuery, Wanted
from service.statistics.shifts import local_time, zone_of
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.history.stored import Stored
    from service.panel.pages import Pages
    from service.settings import Settings

PERIODS = ("shift", "last_shift", "today", "yesterday", "7d", "30d", "90d")


class StatisticsPage:
    """The page, as a report where it is printed."""

    def __init__(self, pages: Pages, stored: Stored, settings: Settings) -> None:
        self._pages = pages
        self._stored = stored
        self._settings = settings

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show it; what is asked for wrongly is said above the present shift."""
        now_ns = time.time_ns()
        asked, mistake = StatisticsQuery(), ""
        try:
            asked = checked_query(req, StatisticsQuery)
            wanted = asked.wanted(self._settings, now_ns)
        except InvalidParameter as error:
            asked, mistake = StatisticsQuery(), error.message
            wanted = asked.wanted(self._settings, now_ns)
        values = {**self._choice(asked, wanted, now_ns), "mistake": mistake}
        try:
            values["known"] = self._known(req, wanted, now_ns)
        except NoHistory:
            values["known"] = None
        self._pages.show(req, resp, "statistics.html", "statistics", **values)

    on_head = on_get

    def _known(self, req: falcon.Request, wanted: Wanted, now_ns: int) -> dict[str, Any]:
        # imported here: a front that nobody asks loads no database
        from service.panel.statistics.view import view  # noqa: PLC0415
        from service.statistics.found import find  # noqa: PLC0415
        from service.statistics.picture import last_picture  # noqa: PLC0415

        with self._stored.read() as connection:
            found = find(connection, self._settings, wanted)
            picture = last_picture(connection, wanted)
        return view(found, picture, self._pages.language(req), self._settings, now_ns)

    def _choice(self, asked: StatisticsQuery, wanted: Wanted, now_ns: int) -> dict[str, Any]:
        """What can be chosen, and what is."""
        settings = self._settings
        begin, end = local_time(settings, wanted.since_ns), local_time(settings, wanted.until_ns)
        others = {name: value for name in ("camera", "server", "label") if (value := getattr(asked, name))}
        chosen = {name: value for name, value in asked.model_dump(mode="json").items() if value}
        is_plain = not (asked.day or asked.since or asked.until)
        return {
            "asked": asked,
            "wanted": wanted,
            "periods": [
                (name, urlencode({"period": name, **others}), is_plain and (asked.period or "shift") == name)
                for name in PERIODS
            ],
            "shift_names": [begin.name for begin in settings.shift_begins],
            "day": (asked.day or begin.date()).isoformat(),
            "since_value": begin.strftime("%Y-%m-%dT%H:%M"),
            "until_value": end.strftime("%Y-%m-%dT%H:%M"),
            "zone": str(zone_of(settings)),
            "query": urlencode(chosen),
            "without_label": urlencode({name: value for name, value in chosen.items() if name != "label"}),
            "now_ns": now_ns,
            "choices": _choices,
        }


def statistics_page_routes(pages: Pages, stored: Stored, settings: Settings) -> Iterator[Route]:
    """Yield the routes of the page."""
    yield Route("/statistics", StatisticsPage(pages, stored, settings), for_page=True)


def _choices(known: Iterable[tuple[str, object]], chosen: str | None) -> list[str]:
    """Return names to choose from; the one that is chosen is among them."""
    names = [name for name, _ in known]
    return names if chosen is None or chosen in names else [*names, chosen]
