"""The state of the server in numbers: for the page, for `/api/v1/status`, and for `/metrics`."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import falcon
import orjson

from service.history.plan import NAME
from service.history.told import PicturesTold, Told
from service.parts.counts import Counts
from service.wire.unsent import unread_bytes
from workers.admission.pace import Pace
from workers.memory.control import Control, FrontRow, WorkerRow
from workers.memory.counters import totals

if TYPE_CHECKING:
    from service.api.switch import ProcessSwitch
    from service.results.files import ResultsPlan
    from workers.pool.pool import Pool
    from workers.versions.on_disk import Comparison


class Status:
    """Takes snapshots; all numbers are sums over all fronts."""

    def __init__(
        self,
        pool: Pool,
        switch: ProcessSwitch,
        project_name: str,
        on_disk: Comparison,
        results: ResultsPlan | None = None,
        *,
        pages: tuple[int, int | None],
        keeps_pictures: bool = False,
    ) -> None:
        self._keeps_pictures = keeps_pictures
        self._parts_fd, self._recorder_fd = pages  # that of the part desk, and that of the recorder if there is one
        self._results = results
        self._pool = pool
        self._switch = switch
        self.project_name = project_name
        self._pace = Pace(pool.control.words)
        self._on_disk = on_disk
        self._version = version("framemill")

    def snapshot(self) -> dict[str, Any]:
        """Return the numbers of now, ready for JSON."""
        control = self._pool.control
        words = control.words
        running = f"{words[Control.FLOW_VERSION]:016x}"
        on_disk = self._on_disk.of(running)
        places = [row for row in control.workers if row[WorkerRow.PID]]
        snapshot: dict[str, Any] = {
            "version": self._version,
            "project": self.project_name,
            "flowVersion": running,
            "projectOnDisk": on_disk.state,
            "changedFiles": on_disk.files,
            "projectMistakes": on_disk.mistakes,
            "process": self._switch.is_on,
            "stopping": control.stopping,
            "uptime_s": round((time.monotonic_ns() - words[Control.STARTED_NS]) / 1e9, 1),
            "workers": {
                "wanted": words[Control.WORKERS_WANTED],
                "ready": control.workers_ready,
                "busy": sum(1 for row in places if row[WorkerRow.BUSY]),
                "deaths": words[Control.WORKER_DEATHS],
                "recycled": words[Control.RECYCLED],
                "killed_for_time": words[Control.OVERDUE_KILLS],
            },
            "flow_lately_ms": round(self._pace.lately(time.monotonic_ns())[0] / 1e6, 1),
            "slots": {"per_front": self._pool.slots, "free_here": self._pool.free_slots},
            "reloads": words[Control.RELOADS],
            "failed_reloads": words[Control.FAILURES],
            "reload_failure": control.reload_failure,
            "connections": {
                "per_front": [row[FrontRow.CONNECTIONS] for row in control.fronts],
                "unread_bytes_here": unread_bytes(),
            },
        }
        for counter, total in totals(control):
            snapshot.setdefault(counter.group, {})[counter.key] = total
        by_module = [(module, frames) for module, frames in self._pool.modules.errors() if module.id or frames]
        snapshot["frames"]["with_error"] = sum(frames for _, frames in by_module)
        snapshot["errors_by_module"] = [
            {"module": module.id, "name": module.name, "frames": frames} for module, frames in by_module
        ]
        snapshot["followers"] = [one._asdict() for one in self._results.followers()] if self._results else []
        snapshot["parts"] = Counts.read(self._parts_fd)._asdict()
        snapshot["history"] = self._history(snapshot["followers"])
        return snapshot

    def _history(self, followers: list[dict[str, Any]]) -> dict[str, Any]:
        if self._recorder_fd is None:
            return {"state": "off"}
        is_there = any(one["name"] == NAME and one["is_there"] for one in followers)
        found = Told.read(self._recorder_fd).document(is_there=is_there)
        if self._keeps_pictures:
            found["pictures"] = PicturesTold.read(self._recorder_fd).document()
        return found


class StatusResource:
    """`GET /api/v1/status`."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer with a snapshot."""
        resp.data = orjson.dumps(self._status.snapshot())
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get
