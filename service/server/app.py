"""The WSGI application, and every route in one table: its path, its resource, who may ask.

It is put together from its collaborators: no reading of files or environment here.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from service.errors import on_any_error, on_framemill_error, on_http_error
from service.intake.sources import EncodedFrame, RawFrame, SegmentFrame
from service.logs.traced import Traced
from service.panel.overview import Panel, PanelSwitch
from workers.errors import FramemillError

if TYPE_CHECKING:
    from pathlib import Path

    from service.analysis.counters import Counters
    from service.analysis.views import Views
    from service.api.status import Status
    from service.api.switch import ProcessSwitch
    from service.parts.resource import PartResource
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
    state_dir: Path,
    link: SupervisorLink,
    status: Status,
    publisher: Publisher,
    views: Views,
    parts: PartResource,
) -> falcon.App[falcon.Request, falcon.Response]:
    """Make the application of one front."""
    answering = Answering(counters, pool.is_needed)
    desk = Desk(pool, settings, answering, counters, Quarantine(state_dir / "quarantine"), switch, publisher, views)
    routes = [*_for_cameras(desk, settings), *_for_machines(pool, switch, status, link), *_for_people(desk, status)]
    routes.append(Route("/api/v1/parts/{part:path}", parts))
    if settings.stop_key is not None:
        routes.append(Route("/stop", Stop(settings, access, link), acts=True, is_open=True))  # it has a key of its own
    first_to_last: list[Any] = [Traced(), KeyCheck(access, Routes(routes))]
    app = falcon.App(middleware=first_to_last)
    app.add_error_handler(Exception, on_any_error)
    app.add_error_handler(falcon.HTTPError, on_http_error)
    app.add_error_handler(FramemillError, on_framemill_error)
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


def _for_machines(pool: Pool, switch: ProcessSwitch, status: Status, link: SupervisorLink) -> Iterable[Route]:
    yield Route("/livez", Live(), is_open=True)
    yield Route("/readyz", Ready(pool, switch), is_open=True)
    yield Route("/metrics", Metrics(status))
    yield Route("/api/v1/process", ProcessResource(switch), changes=Scope.OPERATE)
    yield Route("/api/v1/status", StatusResource(status))
    yield Route("/api/v1/reload", ReloadResource(link), changes=Scope.ADMIN)
    yield Route("/api/v1/rollback", RollbackResource(link), changes=Scope.ADMIN)


def _for_people(desk: Desk, status: Status) -> Iterable[Route]:
    yield Route("/", Panel(desk, status), for_page=True)
    yield Route("/process", PanelSwitch(desk.switch), changes=Scope.OPERATE, for_page=True)
