"""Settings of what people see: the page, and streams of events."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.settings import PoolSettings


class PageSettings(PoolSettings):
    """What the page shows, and to how many at once."""

    takt_ms: Annotated[
        float, Field(ge=0, le=3_600_000, description="time from part to part, to compare answers with; 0: not known")
    ] = 0
    live_streams: Annotated[
        int, Field(ge=0, le=64, description="pages and programs of a front that are sent events; others ask for them")
    ] = 8  # a thread each; a line has some three screens, and the rest comes every two seconds
