"""The WSGI application, put together from its collaborators: no reading of files or environment here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon

from service.access.key_check import Access, KeyCheck
from service.analysis.analyze import Analyze, AnalyzeUpload, Desk
from service.analysis.answer import Answering
from service.analysis.last_image import LastImage
from service.analysis.quarantine import Quarantine
from service.api.health import Live, Ping, Ready, Stop, Version
from service.api.metrics import Metrics
from service.api.status import ReloadResource, StatusResource
from service.api.switch import ProcessResource
from service.errors import on_any_error, on_framemill_error, on_http_error
from service.intake.sources import EncodedFrame, RawFrame, SegmentFrame
from service.panel.overview import Panel, PanelSwitch
from workers.errors import FramemillError

if TYPE_CHECKING:
    from pathlib import Path

    from service.analysis.counters import Counters
    from service.api.status import Status
    from service.api.switch import ProcessSwitch
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
) -> falcon.App[falcon.Request, falcon.Response]:
    """Make the application of one front."""
    app = falcon.App(middleware=[KeyCheck(access)])
    app.add_error_handler(Exception, on_any_error)
    app.add_error_handler(falcon.HTTPError, on_http_error)
    app.add_error_handler(FramemillError, on_framemill_error)
    answering = Answering(counters, pool.is_needed)
    desk = Desk(pool, settings, answering, counters, Quarantine(state_dir / "quarantine"), switch)
    _add_vendor_routes(app, desk, settings)
    if settings.stop_key is not None:
        app.add_route("/stop", Stop(settings, access, link))
    app.add_route("/livez", Live())
    app.add_route("/readyz", Ready(pool, switch))
    app.add_route("/metrics", Metrics(status))
    app.add_route("/api/v1/process", ProcessResource(switch))
    app.add_route("/api/v1/status", StatusResource(status))
    app.add_route("/api/v1/reload", ReloadResource(link))
    app.add_route("/", Panel(desk, status))
    app.add_route("/process", PanelSwitch(switch))
    return app


def _add_vendor_routes(app: falcon.App[falcon.Request, falcon.Response], desk: Desk, settings: Settings) -> None:
    raw = AnalyzeUpload(desk, RawFrame())
    app.add_route("/analyze_image", AnalyzeUpload(desk, EncodedFrame()))
    app.add_route("/analyze_raw_image", raw)
    app.add_route("/analyze_raw_Image", raw)  # as the API page spells it in one place
    segment = SegmentFrame(allowed=settings.shared_memory)
    app.add_route("/analyze_image_shared_memory", Analyze(desk, segment))
    app.add_route("/last_image", LastImage(desk))
    app.add_route("/ping", Ping())
    app.add_route("/version", Version(shared_memory=settings.shared_memory))
