"""Settings of results and of the history; those of what is made of them stand here, too."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from service.page_settings import PageSettings
from service.shift_settings import ShiftSettings
from workers.text import is_utf8


def in_utf8(path: Path) -> Path:
    """Refuse what could not be told to other processes, written into a log, or read back from a file."""
    if not is_utf8(path.absolute()):
        raise ValueError("the path is not UTF-8")
    return path


_KEPT_SLOTS = 4  # the recorder copies a frame out of its slot in milliseconds
_KEPT_SLOTS_OF_MANY = 8  # 40 ms at 200 frames/s
_KEPT_SLOTS_OF_ALL = 16  # on a busy machine the recorder may be late by more


class HistorySettings(ShiftSettings, PageSettings):
    """What is kept of what became of frames, where, and for how long."""

    results_mib: Annotated[
        int, Field(ge=0, le=1024, description="memory of a front for what became of its last frames, in MiB; 0: none")
    ] = 8  # some 5,000 frames: whoever follows may be away for as long as these take
    record: Annotated[
        Literal["off", "async", "before_answer"],
        Field(
            description="whether what became of each frame is kept in a database; async: within a second;"
            " before_answer: its answer waits for that"
        ),
    ] = "off"  # nobody's disk fills before somebody decides so
    history_url_file: Annotated[
        Annotated[Path, AfterValidator(in_utf8)] | None,
        Field(description="file whose first line is the URL of a PostgreSQL that has the history; none: a file has it"),
    ] = None
    server_name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            pattern=r"^[!-~]+( [!-~]+)*$",
            description="what this server is called in a history that several write; none: as its machine",
        ),
    ] = None
    history_days: Annotated[
        int,
        Field(ge=0, le=36_500, description="how long the history keeps a frame, in days; 0: for good"),
    ] = 90
    history_records: Annotated[
        int, Field(ge=0, le=1_000_000_000, description="frames that the history keeps, the last ones; 0: any number")
    ] = 1_000_000  # some 2.3 GB
    pictures: Annotated[
        Literal["none", "nok", "all"],
        Field(description="whose pictures the history keeps; those that the flow asks for (save) are among nok"),
    ] = "none"  # frames may show people
    pictures_every: Annotated[
        int, Field(ge=0, le=1_000_000_000, description="of so many frames one's picture is kept besides; 0: none")
    ] = 0
    pictures_mib: Annotated[
        int, Field(ge=0, le=1 << 30, description="all kept pictures together, in MiB; 0: any number")
    ] = 10_240  # some 50,000 JPEGs of 2 megapixels
    pictures_days: Annotated[
        int, Field(ge=0, le=36_500, description="how long a picture is kept, in days; 0: as long as its frame")
    ] = 0
    free_disk_mib: Annotated[
        int, Field(ge=0, le=1 << 30, description="what pictures leave free of the disk that they are on, in MiB")
    ] = 2048  # the history itself, logs, an update of the machine
    pictures_format: Annotated[
        Literal["jpeg", "png"], Field(description="what a raw frame is kept as; a file stays as it came")
    ] = "jpeg"
    pictures_quality: Annotated[
        int, Field(ge=1, le=100, description="how close to the frame a JPEG is that is made of a raw one")
    ] = 90  # a third of the bytes of 97, and no edge that a flow would take for a defect

    @model_validator(mode="before")
    @classmethod
    def _slots_for_pictures(cls, given: Any) -> Any:
        """Where pictures are kept some frames stay in their slots, unless somebody has said how many."""
        if not isinstance(given, dict) or "kept_slots" in given or given.get("record", "off") == "off":
            return given
        every = str(given.get("pictures_every", "0")) != "0"
        kept = _KEPT_SLOTS_OF_MANY if every else _KEPT_SLOTS
        if given.get("pictures") == "all":
            kept = _KEPT_SLOTS_OF_ALL
        return {**given, "kept_slots": kept} if every or given.get("pictures", "none") != "none" else given

    @field_validator("pictures", "pictures_every")
    @classmethod
    def _are_recorded(cls, wanted: str | int, others: ValidationInfo) -> str | int:
        if wanted not in {"none", 0} and others.data.get("record", "off") == "off":
            raise ValueError('pictures are part of the history: set record = "async", too')
        return wanted

    @property
    def keeps_pictures(self) -> bool:
        """Whether any are kept."""
        return self.pictures != "none" or self.pictures_every > 0

    @field_validator("record")
    @classmethod
    def _has_results(cls, record: str, others: ValidationInfo) -> str:
        if record != "off" and others.data.get("results_mib") == 0:
            raise ValueError("it is written from what results_mib keeps, and that is 0")
        return record

    @property
    def server(self) -> str:
        """What this server is called in the history."""
        return self.server_name or socket.gethostname()
