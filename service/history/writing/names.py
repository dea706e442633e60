"""Which cameras, labels and series of a day have sums of their own: a client or a flow may make up any number of them.

The first that come in a day have; what comes beyond them is counted together as OTHERS, and of series not at all:
values of two are no sum. So a flow whose labels are the texts that it read makes some hundred rows a quarter, not one a
frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from service.history.schema.quarter_tables import BY_DAYS
from service.history.schema.times import DAY_NS

if TYPE_CHECKING:
    from sqlalchemy import Select, Table

OTHERS = "\N{HORIZONTAL ELLIPSIS}"
MOST_CAMERAS = 200
MOST_LABELS = 200  # of a camera
MOST_SERIES = 300
_MOST_CHARS = 200
_DAYS_KEPT = 2


class Names:
    """What has sums of its own, of the days that frames come from now; asked of the database first."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._labels: dict[int, dict[str, set[str]]] = {}  # of each camera of a day
        self._series: dict[int, dict[str, set[int]]] = {}

    def forget(self) -> None:
        """Be told that a transaction came to nothing, and what was new in it neither."""
        self._labels.clear()
        self._series.clear()

    def begin(self) -> None:
        """Be told that a batch begins."""
        if len(self._labels) > _DAYS_KEPT:
            self.forget()

    def camera(self, connection: Connection, begin_ns: int, camera: str) -> str:
        """Return under which name a camera's frames are counted in a quarter."""
        cameras = self._cameras(connection, begin_ns)
        camera = camera[:_MOST_CHARS]
        if camera not in cameras and len(cameras) >= MOST_CAMERAS:
            camera = OTHERS
        cameras.setdefault(camera, set())
        return camera

    def label(self, connection: Connection, begin_ns: int, camera: str, label: str) -> str:
        """Return under which name a label is counted; `camera` as it is counted."""
        labels = self._cameras(connection, begin_ns)[camera]
        label = label[:_MOST_CHARS]
        if label not in labels and len(labels) >= MOST_LABELS:
            return OTHERS
        labels.add(label)
        return label

    def has_series(self, connection: Connection, begin_ns: int, camera: str, series: int) -> bool:
        """Whether a series of a camera has sums."""
        day_ns = begin_ns - begin_ns % DAY_NS
        of_day = self._series.get(day_ns)
        if of_day is None:
            of_day = self._series[day_ns] = {}
            columns = BY_DAYS.measured.c
            for name, number in connection.execute(
                self._of_day(BY_DAYS.measured, day_ns, columns.camera, columns.series)
            ):
                of_day.setdefault(name, set()).add(number)
        known = of_day.setdefault(camera, set())
        if series not in known and len(known) < MOST_SERIES:
            known.add(series)
        return series in known

    def _cameras(self, connection: Connection, begin_ns: int) -> dict[str, set[str]]:
        day_ns = begin_ns - begin_ns % DAY_NS
        found = self._labels.get(day_ns)
        if found is None:
            cameras = connection.execute(self._of_day(BY_DAYS.counts, day_ns, BY_DAYS.counts.c.camera))
            found = self._labels[day_ns] = {camera: set() for camera in cameras.scalars()}
            labels = BY_DAYS.labels.c
            for camera, label in connection.execute(self._of_day(BY_DAYS.labels, day_ns, labels.camera, labels.label)):
                found.setdefault(camera, set()).add(label)
        return found

    def _of_day(self, table: Table, day_ns: int, *columns: Any) -> Select[Any]:
        return select(*columns).where(table.c.begin_ns == day_ns, table.c.server == self._server)
