"""Settings of results and of the history; those of what is made of them stand here, too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from service.page_settings import PageSettings


class HistorySettings(PageSettings):
    """What is kept of what became of frames, where, and for how long."""

    results_mib: Annotated[
        int, Field(ge=0, le=1024, description="memory of a front for what became of its last frames, in MiB; 0: none")
    ] = 8  # some 5,000 frames: whoever follows may be away for as long as these take
    record: Annotated[
        Literal["off", "async"],
        Field(description="whether what became of each frame is kept in a database; async: within a second"),
    ] = "off"  # nobody's disk fills before somebody decides so
    history_days: Annotated[
        int,
        Field(ge=0, le=36_500, description="how long the history keeps a frame, in days; 0: for good"),
    ] = 90
    history_records: Annotated[
        int, Field(ge=0, le=1_000_000_000, description="frames that the history keeps, the last ones; 0: any number")
    ] = 1_000_000  # some 2.3 GB

    @field_validator("record")
    @classmethod
    def _has_results(cls, record: str, others: ValidationInfo) -> str:
        if record != "off" and others.data.get("results_mib") == 0:
            raise ValueError("it is written from what results_mib keeps, and that is 0")
        return record
