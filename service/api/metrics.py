"""`/metrics` for Prometheus, from the counters in the frame memory: no files, and nothing lost when a front dies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from workers.memory.counters import TABLE

if TYPE_CHECKING:
    import falcon

    from service.alerts.board import Board
    from service.api.status import Status


class _Snapshot(Collector):
    """Turns a status snapshot into metric families."""

    def __init__(self, status: Status, board: Board) -> None:
        self._status = status
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Yield the families of now."""
        now = self._status.snapshot()
        families: dict[str, CounterMetricFamily] = {}
        for counter in TABLE:
            if not counter.metric:
                continue
            if counter.metric not in families:
                families[counter.metric] = CounterMetricFamily(
                    counter.metric, counter.about, labels=list(counter.labels)
                )
            families[counter.metric].add_metric(list(counter.labels.values()), now[counter.group][counter.key])
        yield from families.values()
        crashed = CounterMetricFamily(
            "framemill_frames_with_error",
            "Frames whose context has an error: their verdict NOK is none of the part",
            labels=["module", "name"],
        )
        for module in now["errors_by_module"]:
            crashed.add_metric([str(module["module"]), module["name"]], module["frames"])
        yield crashed
        workers = GaugeMetricFamily("framemill_workers", "Worker processes", labels=["state"])
        for state in ("wanted", "ready", "busy"):
            workers.add_metric([state], now["workers"][state])
        yield workers
        yield CounterMetricFamily("framemill_worker_deaths", "Workers that died", value=now["workers"]["deaths"])
        killed = now["workers"]["killed_for_time"]
        yield CounterMetricFamily("framemill_workers_killed_for_time", "Frames that ran beyond run_ms", value=killed)
        yield from _followers(now["followers"])
        yield from _history(now["history"])
        yield from _parts(now["parts"])
        yield from _alerts(self._board.document())
        flow = InfoMetricFamily("framemill_flow", "The version of the project that runs")
        flow.add_metric([], {"version": now["flowVersion"]})
        yield flow
        differs = int(now["projectOnDisk"] in {"differs", "invalid"})
        yield GaugeMetricFamily("framemill_project_differs", "1 while the project on disk is another", value=differs)
        yield GaugeMetricFamily("framemill_process", "1 while frames are inspected", value=int(now["process"]))


def _followers(now: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yield what followers of results have before them and what they missed; of several of one name the sum."""
    behind = GaugeMetricFamily("framemill_follower_behind", "Results that wait for a follower", labels=["follower"])
    missed = CounterMetricFamily(
        "framemill_follower_missed", "Results that were gone before a follower came to them", labels=["follower"]
    )
    for name in dict.fromkeys(one["name"] for one in now):
        behind.add_metric([name], sum(one["behind"] for one in now if one["name"] == name))
        missed.add_metric([name], sum(one["missed"] for one in now if one["name"] == name))
    yield behind
    yield missed


def _history(now: dict[str, Any]) -> Iterator[Metric]:
    """Yield what the recorder says, where there is one."""
    if now["state"] == "off":
        return
    yield GaugeMetricFamily(
        "framemill_history", "1 while the history is written", value=int(now["state"] == "recording")
    )
    yield CounterMetricFamily("framemill_history_recorded", "Frames that the history has", value=now["recorded"])
    missed = "Frames that were gone before the history had them"
    yield CounterMetricFamily("framemill_history_missed", missed, value=now["missed"])
    failures = "Times that the history could not be written"
    yield CounterMetricFamily("framemill_history_failures", failures, value=now["failures"])
    if (pictures := now.get("pictures")) is None:
        return
    yield CounterMetricFamily("framemill_pictures_kept", "Pictures that were kept", value=pictures["kept"])
    yield CounterMetricFamily("framemill_pictures_lost", "Pictures that were to be kept", value=pictures["lost"])
    made_room = "Kept pictures that went for others, or for their age"
    yield CounterMetricFamily("framemill_pictures_made_room", made_room, value=pictures["made_room"])
    yield GaugeMetricFamily("framemill_pictures_bytes", "Kept pictures together", value=pictures["bytes"])
    held = "Pictures that wait to be written"
    yield GaugeMetricFamily("framemill_pictures_held_bytes", held, value=pictures["held_bytes"])
    free = "What is free of the disk of pictures"
    yield GaugeMetricFamily("framemill_pictures_free_bytes", free, value=pictures["free_bytes"])


def _parts(now: dict[str, int]) -> Iterator[Metric]:
    """Yield what became of parts that several frames make."""
    ended = CounterMetricFamily("framemill_parts", "Parts of several views by what became of them", labels=["outcome"])
    for outcome in ("ok", "nok", "off", "error"):
        ended.add_metric([outcome], now[outcome])
    yield ended
    yield GaugeMetricFamily("framemill_parts_open", "Parts of which not all views are there yet", value=now["open"])
    missing = "Parts that are an error because a view did not come in time"
    yield CounterMetricFamily("framemill_parts_missing", missing, value=now["missing"])
    pushed_out = "Parts that are an error because too many were open"
    yield CounterMetricFamily("framemill_parts_pushed_out", pushed_out, value=now["pushed_out"])


def _alerts(now: dict[str, Any]) -> Iterator[Metric]:
    """Yield how alerts stand, where there are any, and what became of what was sent."""
    active = GaugeMetricFamily("framemill_alert_active", "1 while an alert is on", labels=["alert"])
    held = GaugeMetricFamily("framemill_alert_held", "1 while an alert holds the line", labels=["alert"])
    times = CounterMetricFamily("framemill_alert_times", "Times that an alert has begun", labels=["alert"])
    for one in now["alerts"]:
        active.add_metric([one["name"]], int(one["active"]))
        held.add_metric([one["name"]], int(one["held"]))
        times.add_metric([one["name"]], one["times"])
    yield from (active, held, times) if now["alerts"] else ()
    if (webhook := now["webhook"]) is not None:
        outcomes = CounterMetricFamily(
            "framemill_alert_deliveries", "Messages of alerts by what became of them", labels=["outcome"]
        )
        for outcome in ("sent", "failures", "given_up"):
            outcomes.add_metric([outcome], webhook[outcome])
        yield outcomes
        waiting = "Messages of alerts that wait for their receiver"
        yield GaugeMetricFamily("framemill_alert_deliveries_waiting", waiting, value=webhook["waiting"])


class Metrics:
    """The resource."""

    def __init__(self, status: Status, board: Board) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Snapshot(status, board))

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer in Prometheus's text format."""
        resp.data = generate_latest(self._registry)
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"

    on_head = on_get
