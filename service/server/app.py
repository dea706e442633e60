"""The WSGI application, and every route in one table: its path, its resource, who may ask.

It is put together from its collaborators: no reading of files or environment here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from service.api.alerts import AcknowledgeResource, AlertsResource
from service.api.health import Live, Ping, Ready, Version
from service.api.metrics import Metrics
from service.api.operate import ReloadResource, RollbackResource, Stop
from service.api.process import ProcessResource
from service.api.status import StatusResource
from service.changes.log import Changes
from service.decisions.resource import DecisionsDesk, decision_routes
from service.errors import on_any_error, on_framemill_error, on_http_error
from service.frames.resource import frame_routes
from service.inputs.resource import InputsTable
from service.inputs.resource import routes as routes_of_inputs
from service.intake.sources import EncodedFrame, RawFrame, SegmentFrame
from service.kept_pictures.resource import picture_routes
from service.live.events import Events
from service.live.shown import LastFrame, LivePicture
from service.live.stream import Streams
from service.live.watching import Watching
from service.logs.traced import Traced
from service.openapi.document import OpenApi
from service.panel.alerts_form import AlertsForm
from service.panel.api_page import ApiPage
from service.panel.language_switch import LanguageSwitch
from service.panel.live.page import LiveEvents, LivePage, PanelSwitch
from service.panel.live.since_shift import SinceShift
from service.panel.live.strip import PICTURES, Strip
from service.panel.live.view import LiveView
from service.panel.log_page import LogPage, SessionEnd
from service.panel.operating.threshold_page import routes as operating_routes
from service.panel.pages import Pages
from service.panel.parts.decide_forms import part_pages
from service.panel.sign_in import SignIn, SignOut
from service.panel.static_files import Favicon, StaticFiles
from service.panel.statistics.page import statistics_page_routes
from service.panel.trouble import as_page
from service.statistics.resource import statistics_routes
from service.statistics.shifts import shift_at
from service.thresholds.adjustable import Adjustable
from service.thresholds.changing import ThresholdDesk
from service.thresholds.resource import routes as routes_of_thresholds
from workers.errors import FramemillError

if TYPE_CHECKING:
    from pathlib import Path

    from service.alerts.board import Board
    from service.analysis.counters import Counters
    from service.analysis.views import Views
    from service.api.status import Status
    from service.api.switch import ProcessSwitch
    from service.history.stored import Stored
    from service.inputs.declared import Declared
    from service.inputs.operator_inputs import OperatorInputs
    from service.live.feed import Feed
    from service.panel.parts.golden import Golden
    from service.parts.resource import PartResource
    from service.results.publish import Publisher
    from service.settings import Settings
    from workers.pool.pool import Pool
    from workers.pool.to_supervisor import SupervisorLink


@dataclass(frozen=True, slots=True)
class Colleagues:
    """What the application of a front is put together from."""

    pool: Pool
    counters: Counters
    settings: Settings
    access: Access
    switch: ProcessSwitch
    state_dir: Path
    link: SupervisorLink
    status: Status
    publisher: Publisher
    feed: Feed
    stored: Stored
    golden: Golden
    views: Views
    parts: PartResource
    inputs: OperatorInputs
    declared: Declared
    version_places: Sequence[Path]
    board: Board


def create_app(known: Colleagues) -> falcon.App[falcon.Request, falcon.Response]:
    """Make the application of one front."""
    answering = Answering(known.counters, known.pool.is_needed)
    desk = Desk(
        known.pool,
        known.settings,
        answering,
        known.counters,
        Quarantine(known.state_dir / "quarantine"),
        known.switch,
        known.board.holds,
        known.publisher,
        known.views,
        known.inputs,
    )
    changes = Changes(known.state_dir)
    threshold_desk = ThresholdDesk(Adjustable(known.pool.control, known.version_places), known.link, changes)
    decisions = DecisionsDesk(known.stored, changes)
    inputs_table = InputsTable(known.inputs, known.declared, changes)
    static = StaticFiles()
    pages = Pages(known.status.project_name, static, keys_are_set=known.access.keys is not None)
    routes = [
        *_for_cameras(desk, known.settings),
        *_for_machines(known.pool, known.switch, known.status, known.link, changes, known.board),
        *routes_of_inputs(inputs_table),
        *routes_of_thresholds(threshold_desk),
        *frame_routes(known.stored),
        *picture_routes(known.stored, desk, known.state_dir),
        *decision_routes(known.stored, decisions),
        Route("/api/v1/parts/{part:path}", known.parts),
        *statistics_routes(known.stored, known.settings),
        *_of_all_pages(pages, static, known.settings),
        *_live(pages, desk, known),
        *_alerts(known.board, changes),
        *operating_routes(pages, inputs_table, threshold_desk, known.stored),
        *_of_sessions(pages, known.access, changes),
        *statistics_page_routes(pages, known.stored, known.settings),
        Route("/process", PanelSwitch(desk, changes), changes=Scope.OPERATE, for_page=True),
        *part_pages(pages, known.stored, decisions, known.golden),
    ]
    routes.append(Route("/openapi.json", OpenApi(routes, keys_are_set=known.access.keys is not None), for_page=True))
    pages.begin(route.path for route in routes)
    if known.settings.stop_key is not None:
        routes.append(
            Route("/stop", Stop(known.settings, known.access, known.link), acts=True, is_open=True)
        )  # it has a key of its own
    first_to_last: list[Any] = [Traced(), KeyCheck(known.access, Routes(routes))]
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


def _for_machines(  # noqa: PLR0917 - each collaborator is what it is called
    pool: Pool, switch: ProcessSwitch, status: Status, link: SupervisorLink, changes: Changes, board: Board
) -> Iterable[Route]:
    yield Route("/livez", Live(), is_open=True)
    yield Route("/readyz", Ready(pool, switch), is_open=True)
    yield Route("/metrics", Metrics(status, board))
    yield Route("/api/v1/process", ProcessResource(switch, changes), changes=Scope.OPERATE)
    yield Route("/api/v1/status", StatusResource(status))
    yield Route("/api/v1/reload", ReloadResource(link, changes), changes=Scope.ADMIN)
    yield Route("/api/v1/rollback", RollbackResource(link, changes), changes=Scope.ADMIN)


def _of_all_pages(pages: Pages, static: StaticFiles, settings: Settings) -> Iterable[Route]:
    """What a browser asks for on any page, before there is a key, too."""
    yield Route("/api/docs", ApiPage(pages), for_page=True)
    yield Route("/static/{name}", static, is_open=True)
    yield Route("/favicon.ico", Favicon(static), is_open=True)
    yield Route("/language", LanguageSwitch(pages, secure=settings.certfile is not None), is_open=True)


def _alerts(board: Board, changes: Changes) -> Iterable[Route]:
    acts = partial(Route, changes=Scope.OPERATE, for_page=True)
    yield Route("/api/v1/alerts", AlertsResource(board), for_page=True)
    yield acts("/api/v1/alerts/{name}/acknowledge", AcknowledgeResource(board, changes))
    yield acts("/alerts", AlertsForm(board, changes))


def _live(pages: Pages, desk: Desk, known: Colleagues) -> Iterable[Route]:
    """What happens now, for people and for machines."""
    frames, status, stored, feed, access = LastFrame(desk), known.status, known.stored, known.feed, known.access
    counts = SinceShift(stored, lambda now_ns: shift_at(desk.settings, now_ns).begin_ns)
    strip = Strip(stored, lambda: pages.has(PICTURES))
    view = LiveView(
        pages,
        desk,
        status,
        frames,
        strip=strip,
        counts=counts,
        more={"alerts": known.board.open, "not_sent": known.board.trouble},
    )
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
