"""The WSGI application, and every route in one table: its path, its resource, who may ask.

It is put together from its collaborators: no reading of files or environment here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import falcon

from service.access.key_check import Access, KeyCheck
from service.access.keyring import Scope
from service.access.route import Route, Routes
from service.analysis.analyze import Analyze, AnalyzeUpload, Desk
from service.analysis.answer import Answering
from service.analysis.last_image import LastImage
from service.analysis.quarantine import Quarantine
from service.api.health import Live, Ping, Ready, Version
from service.api.metrics import Metrics
from service.api.operate import ReloadResource, RollbackResource, Stop
from service.api.process import ProcessResource
from service.api.status import StatusResource
from service.changes.log import Changes
from service.errors import on_any_error, on_framemill_error, on_http_error
from service.history.stored import Stored
from service.inputs.resource import InputsTable
from service.inputs.resource import routes as routes_of_inputs
from service.intake.sources import EncodedFrame, RawFrame, SegmentFrame
from service.live.events import Events
from service.live.shown import LastFrame, LivePicture
from service.live.stream import Streams
from service.live.watching import Watching
from service.logs.traced import Traced
from service.panel.language_switch import LanguageSwitch
from service.panel.live_page import LiveEvents, LivePage, PanelSwitch
from service.panel.live_view import LiveView
from service.panel.log_page import LogPage, SessionEnd
from service.panel.operating.threshold_page import routes as operating_routes
from service.panel.pages import Pages
from service.panel.sign_in import SignIn, SignOut
from service.panel.since_shift import SinceShift, midnight_ns
from service.panel.static_files import Favicon, StaticFiles
from service.panel.trouble import as_page
from service.thresholds.adjustable import Adjustable
from service.thresholds.changing import ThresholdDesk
from service.thresholds.resource import routes as routes_of_thresholds
from workers.errors import FramemillError

if TYPE_CHECKING:
    from pathlib import Path

    from service.analysis.counters import Counters
    from service.api.status import Status
    from service.api.switch import ProcessSwitch
    from service.inputs.declared import Declared
    from service.inputs.operator_inputs import OperatorInputs
    from service.live.feed import Feed
    from service.results.publish import Publisher
    from service.settings import Settings
    from workers.pool.pool import Pool
    from workers.pool.to_supervisor import SupervisorLink


def create_app(  # noqa: PLR0917 - each collaborator is what it is called
    pool: Pool,
    counters: Counters,
    settings: Settings,
    access: Access,
    switch: ProcessSwitch,
    inputs: OperatorInputs,
    state_dir: Path,
    link: SupervisorLink,
    status: Status,
    publisher: Publisher,
    feed: Feed,
    declared: Declared,
    places: Sequence[Path],
) -> falcon.App[falcon.Request, falcon.Response]:
    """Make the application of one front."""
    answering = Answering(counters, pool.is_needed)
    desk = Desk(pool, settings, answering, counters, Quarantine(state_dir / "quarantine"), switch, publisher, inputs)
    changes = Changes(state_dir)
    threshold_desk = ThresholdDesk(Adjustable(pool.control, places), link, changes)
    inputs_table = InputsTable(inputs, declared, changes)
    static = StaticFiles()
    stored = Stored(state_dir / "history" / "history.sqlite" if settings.record != "off" else None)
    counts = SinceShift(stored, midnight_ns)
    pages = Pages(status.project_name, static, keys_are_set=access.keys is not None)
    routes = [
        *_for_cameras(desk, settings),
        *routes_of_inputs(inputs_table),
        *routes_of_thresholds(threshold_desk),
        *_for_machines(pool, switch, status, link, changes),
        *_of_all_pages(pages, static, settings),
        *_live(pages, desk, status, counts, feed=feed, access=access),
        *operating_routes(pages, inputs_table, threshold_desk, stored),
        *_of_sessions(pages, access, changes),
        Route("/process", PanelSwitch(desk, changes), changes=Scope.OPERATE, for_page=True),
    ]
    pages.begin(route.path for route in routes)
    if settings.stop_key is not None:
        routes.append(Route("/stop", Stop(settings, access, link), acts=True, is_open=True))  # it has a key of its own
    first_to_last: list[Any] = [Traced(), KeyCheck(access, Routes(routes))]
    app = falcon.App(middleware=first_to_last)
    app.add_error_handler(Exception, as_page(pages, on_any_error))
    app.add_error_handler(falcon.HTTPError, as_page(pages, on_http_error))
    app.add_error_handler(FramemillError, as_page(pages, on_framemill_error))
    for route in routes:
        app.add_route(route.path, route.resource)
    return app


def _for_cameras(desk: Desk, settings: Settings) -> Iterable[Route]:
    """The vendor's paths."""
    raw = AnalyzeUpload(desk, RawFrame())
    frames = partial(Route, acts=True, key_in_form=frozenset({"POST", "PUT", "GET"}))
    yield frames("/analyze_image", AnalyzeUpload(desk, EncodedFrame()))
    yield frames("/analyze_raw_image", raw)
    yield frames("/analyze_raw_Image", raw)  # as the API page spells it in one place
    segment = Analyze(desk, SegmentFrame(allowed=settings.shared_memory))
    yield Route("/analyze_image_shared_memory", segment, acts=True, key_in_form=frozenset({"POST"}))
    yield Route("/last_image", LastImage(desk), for_page=True)
    yield Route("/ping", Ping(), is_open=True)
    yield Route("/version", Version(shared_memory=settings.shared_memory), is_open=True)


def _for_machines(
    pool: Pool, switch: ProcessSwitch, status: Status, link: SupervisorLink, changes: Changes
) -> Iterable[Route]:
    yield Route("/livez", Live(), is_open=True)
    yield Route("/readyz", Ready(pool, switch), is_open=True)
    yield Route("/metrics", Metrics(status))
    yield Route("/api/v1/process", ProcessResource(switch, changes), changes=Scope.OPERATE)
    yield Route("/api/v1/status", StatusResource(status))
    yield Route("/api/v1/reload", ReloadResource(link, changes), changes=Scope.ADMIN)
    yield Route("/api/v1/rollback", RollbackResource(link, changes), changes=Scope.ADMIN)


def _of_all_pages(pages: Pages, static: StaticFiles, settings: Settings) -> Iterable[Route]:
    """What a browser asks for on any page, before there is a key, too."""
    yield Route("/static/{name}", static, is_open=True)
    yield Route("/favicon.ico", Favicon(static), is_open=True)
    yield Route("/language", LanguageSwitch(pages, secure=settings.certfile is not None), is_open=True)


def _live(
    pages: Pages, desk: Desk, status: Status, counts: SinceShift, feed: Feed, *, access: Access
) -> Iterable[Route]:
    """What happens now, for people and for machines."""
    frames = LastFrame(desk)
    view = LiveView(pages, desk, status, frames, counts=counts, more={})
    watching = Watching(feed.rings, view.of)
    streams = Streams(desk.settings.live_streams, feed.is_ending, desk.counters.count, access.is_still_in)
    yield Route("/", LivePage(pages, view, watching), for_page=True)
    yield Route("/live/events", LiveEvents(pages, watching, streams), for_page=True)
    yield Route("/live/picture", LivePicture(frames), for_page=True)
    yield Route("/api/v1/events", Events(feed.rings, streams, feed.started_ns), for_page=True)


def _of_sessions(pages: Pages, access: Access, changes: Changes) -> Iterable[Route]:
    yield Route("/sign_in", SignIn(pages, access, changes), is_open=True)
    yield Route("/sign_out", SignOut(access, changes), for_page=True)
    yield Route("/log", LogPage(pages, access, changes), reads=Scope.OPERATE, for_page=True)
    yield Route("/log/end", SessionEnd(access, changes), changes=Scope.OPERATE, for_page=True)
