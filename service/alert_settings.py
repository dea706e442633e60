"""Settings of alerts: what is watched, what it does, and who is told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from service.history_settings import HistorySettings, in_utf8

MOST_NAME_CHARS = 40
MOST_ALERTS = 50
UNKNOWN = "unknown"
"""The name that a hold has where nobody knows which alerts hold: no alert is called so."""

_Label = Annotated[str, Field(min_length=1, max_length=200)]


TextPath = Annotated[Path, AfterValidator(in_utf8)] | None


class Alert(BaseModel):
    """What all alerts have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            max_length=MOST_NAME_CHARS,
            description="what it is called: letters, digits, _ . -",
        ),
    ]
    at_most_every_s: Annotated[
        float, Field(ge=0, le=604_800, description="it is sent at most so often, however often it begins")
    ] = 300
    hold: Annotated[bool, Field(description="every frame is NOK from then on, until somebody acknowledges it")] = False

    @field_validator("name")
    @classmethod
    def _is_no_word_of_ours(cls, name: str) -> str:
        if name == UNKNOWN:
            raise ValueError(f"{UNKNOWN} is what a hold is called whose alert is not known")
        return name


class YieldAlert(Alert):
    """Too few frames are OK."""

    when: Literal["yield_below"]
    percent: Annotated[float, Field(gt=0, le=100, description="it begins below so many percent of OK frames")]
    within_min: Annotated[float, Field(ge=0.1, le=1440, description="over the last so many minutes")]
    at_least_frames: Annotated[int, Field(ge=1, le=10_000_000, description="fewer frames in that time say nothing")] = (
        20  # of three parts one that is NOK is 67 %
    )


class InARowAlert(Alert):
    """The same goes wrong again and again."""

    when: Literal["nok_in_a_row"]
    frames: Annotated[int, Field(ge=1, le=1_000_000, description="it begins with so many NOK frames in a row")]
    label: Annotated[_Label | None, Field(description="that have this label; without it any NOK frames")] = None
    camera: Annotated[_Label | None, Field(description="of this camera; without it of all, each by itself")] = None


class SilenceAlert(Alert):
    """Nobody sends frames."""

    when: Literal["no_frame"]
    for_s: Annotated[float, Field(ge=0.1, le=604_800, description="it begins when no frame has come for so long")]
    camera: Annotated[_Label | None, Field(description="from this camera; without it from any")] = None


class DiskAlert(Alert):
    """The disk of the state folder fills."""

    when: Literal["disk_below"]
    free_mib: Annotated[int, Field(ge=1, le=1 << 40, description="it begins with less free space, in MiB")]


class WorkersAlert(Alert):
    """Workers die, one after another."""

    when: Literal["worker_deaths"]
    more_than: Annotated[int, Field(ge=0, le=10_000, description="it begins with more deaths of workers")]
    within_min: Annotated[float, Field(ge=0.1, le=1440, description="within so many minutes")]


class FollowerAlert(Alert):
    """Who follows results cannot keep up: the history, an output."""

    when: Literal["follower_behind"]
    records: Annotated[int, Field(ge=1, le=10_000_000, description="it begins beyond so many results that wait")]
    follower: Annotated[
        _Label | None, Field(description="of this follower, which must also be there; without it of any")
    ] = None


AnyAlert = Annotated[
    YieldAlert | InARowAlert | SilenceAlert | DiskAlert | WorkersAlert | FollowerAlert, Field(discriminator="when")
]


_ONE_TABLE = "a list of tables was expected, [[server.alerts]], and this is one table, [server.alerts]"


def _from_json(given: object) -> object:
    """Read what environment and command line hold, which is one text."""
    if isinstance(given, dict):
        raise ValueError(_ONE_TABLE)  # noqa: TRY004 - pydantic takes no other
    if not isinstance(given, str):
        return given
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"a list of alerts in JSON was expected: {error}") from None


def _url(given: str) -> str:
    try:
        parts = urlsplit(given)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError("an address was expected that begins with http:// or https://, in plain ASCII")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address without name and password was expected: what is sent is signed")
    return given


class AlertSettings(HistorySettings):
    """What is watched while the server works, and who is told."""

    alerts: Annotated[
        tuple[AnyAlert, ...],
        BeforeValidator(_from_json, json_schema_input_type=tuple[AnyAlert, ...]),
        Field(
            max_length=MOST_ALERTS, description="what is watched: tables [[server.alerts]]; elsewhere a list in JSON"
        ),
    ] = ()
    alert_webhook: Annotated[str | None, Field(description="http(s) address that alerts are sent to")] = None
    alert_webhook_key_file: Annotated[
        TextPath, Field(description="file whose first line is the key that what is sent is signed with")
    ] = None
    alert_webhook_ca_file: Annotated[
        TextPath, Field(description="certificates that the receiver's must come from, PEM; else the machine's")
    ] = None

    alert_webhook_proxy: Annotated[
        str | None, Field(description="http:// address of a proxy that what is sent goes through")
    ] = None

    @field_validator("alert_webhook")
    @classmethod
    def _can_be_sent_to(cls, url: str | None) -> str | None:
        return None if url is None else _url(url)

    @field_validator("alert_webhook_proxy")
    @classmethod
    def _can_be_gone_through(cls, url: str | None) -> str | None:
        if url is not None and (not _url(url).startswith("http:") or urlsplit(url).path.strip("/")):
            raise ValueError("an address was expected as http://proxy.example:3128: TLS goes through it, not to it")
        return url

    @field_validator("alerts")
    @classmethod
    def _can_be_told_apart(cls, alerts: tuple[Alert, ...], others: ValidationInfo) -> tuple[Alert, ...]:
        twice = _twice(alert.name for alert in alerts)
        if twice:
            raise ValueError(f"each alert needs a name of its own, and several are called {', '.join(twice)}")
        if alerts and others.data.get("results_mib") == 0:
            raise ValueError("they are judged by what results_mib keeps, and that is 0")
        return alerts


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [*dict.fromkeys(name for name in names if name in seen or seen.add(name))]  # type: ignore[func-returns-value]
