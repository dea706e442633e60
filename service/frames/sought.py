"""Which frames somebody looks for, as a query of an address has it, and where a page of them begins."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal, NamedTuple, get_args
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.history.schema.times import time_of
from workers.errors import InvalidParameter

Verdict = Literal["OK", "NOK", "OFF", "ERROR"]
DecidedAs = Literal["no", "yes", "confirmed", "false_call", "escape", "label"]
HeldAs = Literal["no", "yes"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
DECIDED_AS: tuple[str, ...] = get_args(DecidedAs)
HELD_AS: tuple[str, ...] = get_args(HeldAs)
_CURSOR = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})")
_MOST = (1 << 63) - 1
_MOST_CHARS = 10_000


def _time(text: str | None) -> str | None:
    if text:
        time_of(text, time.time_ns())  # raises ValueError
    return text


def _plain(value: Any) -> Any:
    """What a form leaves empty is not asked for; the history has no NUL (see rows.py)."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") or None if isinstance(value, str) else value


Time = Annotated[str | None, Field(max_length=64), BeforeValidator(_plain), AfterValidator(_time)]
Text = Annotated[str | None, Field(max_length=_MOST_CHARS), BeforeValidator(_plain)]


class Cursor(NamedTuple):
    """A frame's place among all, in time."""

    came_ns: int
    number: int

    def __str__(self) -> str:
        return f"{self.came_ns:x}-{self.number:x}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read it; raises InvalidParameter."""
        found = _CURSOR.fullmatch(text)
        if not found or max(values := [int(found[1], 16), int(found[2], 16)]) > _MOST:
            raise InvalidParameter(f"cursor={text[:40]!r} is none that this server gave")
        return cls(*values)


class Sought(BaseModel):
    """Frames that came from `since` on and before `until`, and have each thing that is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Annotated[Time, Field(description="came then or later: 2026-11-28T14:00, or 8h ago")] = None
    until: Annotated[Time, Field(description="came before")] = None
    verdict: Annotated[Verdict | None, BeforeValidator(_plain), Field(description="what the machine said")] = None
    held: Annotated[
        HeldAs | None, BeforeValidator(_plain), Field(description="yes: NOK because the line was held; no: all others")
    ] = None
    camera: Annotated[Text, Field(description="the camera's name")] = None
    server: Annotated[Text, Field(description="the server's name, where several write one history")] = None
    part: Annotated[Text, Field(description="the part's name")] = None
    label: Annotated[Text, Field(description="a label that the machine gave it")] = None
    data: Annotated[Text, Field(description="a piece of the text that came with it, in any case")] = None
    decided: Annotated[
        DecidedAs | None,
        BeforeValidator(_plain),
        Field(description="no, yes, or as what: confirmed, false_call, escape, label"),
    ] = None

    @property
    def since_ns(self) -> int | None:
        """The first moment, as it is now where it was said as so long ago."""
        return time_of(self.since, time.time_ns()) if self.since else None

    @property
    def until_ns(self) -> int | None:
        """The moment behind the last."""
        return time_of(self.until, time.time_ns()) if self.until else None

    @property
    def query(self) -> str:
        """Return what is asked for as a query of an address, without what is not."""
        asked = {name: getattr(self, name) for name in Sought.model_fields}
        return urlencode({name: value for name, value in asked.items() if value is not None})


class FramesQuery(Sought):
    """A page of frames."""

    cursor: Annotated[str | None, BeforeValidator(_plain), Field(description="where a page before has ended")] = None
    count: Annotated[int, Field(ge=1, le=500, description="at most so many frames")] = 50

    @property
    def start(self) -> Cursor | None:
        """Where the page begins; raises InvalidParameter."""
        return None if self.cursor is None else Cursor.read(self.cursor)
