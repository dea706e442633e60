"""What a request asks for, read strictly from its query and its form: digits are ASCII, and each stands once."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from workers.errors import InvalidParameter
from workers.pixels.pixel_format import PixelFormat, pixel_format
from workers.pool.job import MAX_CAMERA_BYTES, MAX_DATA_BYTES, MAX_PART_BYTES, ResponseType

if TYPE_CHECKING:
    import falcon

_NUMBER = re.compile(r"[0-9]{1,5}")
_WAIT = re.compile(r"[0-9]{1,3}")
_DEADLINE = re.compile(r"[0-9]{1,7}")
_YES = frozenset({"", "1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})
_RESPONSE_TYPES = {kind.name.lower(): kind for kind in ResponseType if kind is not ResponseType.PREVIEW}
_OURS = frozenset(
    {
        "width",
        "height",
        "bayer",
        "pixel_format",
        "response_type",
        "context_in_body",
        "data",
        "deadline_ms",
        "camera",
        "part",
        "api_key",
        "name",
        "key",
        "accept",
        "wait_s",
    }
)
_SPELLED_STRICTLY = _OURS - {"api_key", "name", "key", "accept"}  # without one of these nothing is done anyway


@dataclass(frozen=True, slots=True)
class Asked:
    """How the answer shall look, what the flow is told, and when the answer is due, in milliseconds (0: as set).

    `camera` is which camera sent the frame, `part` which part it shows, as the client says it.
    """

    response: ResponseType
    context_in_body: bool
    data: str
    deadline_ms: int = 0
    camera: str = ""
    part: str = ""


def query_values(req: falcon.Request) -> Mapping[str, str]:
    """Return our parameters of the query, decoded; unknown ones are ignored.

    Raises:
        InvalidParameter: one of ours stands twice, or in another spelling (`Width`, `width[]`).
    """
    return _values(req.query_string)


@functools.lru_cache(256)  # a camera asks the same with each frame
def _values(query: str) -> Mapping[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return MappingProxyType(once((name, value) for name, value in pairs if is_parameter(name)))


def is_parameter(name: str) -> bool:
    """Whether `name` is a parameter of ours; raises InvalidParameter where it is one in another spelling."""
    if name in _OURS:
        return True
    if (meant := name.partition("[")[0].strip().lower()) in _SPELLED_STRICTLY:
        # passed over it would leave a default in its place, and nobody would know
        raise InvalidParameter(f"{name[:40]!r} is not a parameter; expected {meant}")
    return False


def once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters by name; raises InvalidParameter where one stands twice."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidParameter(f"{name} is given twice; it was expected once")
        values[name] = value
    return values


def with_fields(values: Mapping[str, str], fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return the parameters of a query and of a form together; raises InvalidParameter where one is in both."""
    for name in values.keys() & fields.keys():
        raise InvalidParameter(f"{name} is given in the query and in the form; it was expected once")
    return {**values, **fields}


def flag(values: Mapping[str, str], name: str) -> bool:
    """Read a flag: bare, =1 and =true are on, absent, =0 and =false are off."""
    value = values.get(name, "0").lower()
    if value in _YES:
        return True
    if value in _NO:
        return False
    raise InvalidParameter(f"{name}={values[name]!r} is not a flag; expected {name}, {name}=true or {name}=false")


def asked(values: Mapping[str, str]) -> Asked:
    """Read `response_type`, `context_in_body`, `data`, `deadline_ms`, `camera` and `part`; raises InvalidParameter."""
    kind = values.get("response_type", "context")
    if kind not in _RESPONSE_TYPES:
        expected = ", ".join(_RESPONSE_TYPES)
        raise InvalidParameter(f"response_type={kind!r} is unknown; expected one of {expected}")
    data, camera = _text(values, "data", MAX_DATA_BYTES), _text(values, "camera", MAX_CAMERA_BYTES)
    part = _text(values, "part", MAX_PART_BYTES)
    return Asked(_RESPONSE_TYPES[kind], flag(values, "context_in_body"), data, _deadline_ms(values), camera, part)


def _text(values: Mapping[str, str], name: str, most_bytes: int) -> str:
    text = values.get(name, "")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        # no JSON could give it back as it came
        raise InvalidParameter(f"{name} is not UTF-8") from None
    if size > most_bytes:
        raise InvalidParameter(f"{name} has {size} bytes, at most {most_bytes} are accepted")
    return text


def _deadline_ms(values: Mapping[str, str]) -> int:
    text = values.get("deadline_ms")
    if text is None:
        return 0
    if not _DEADLINE.fullmatch(text) or int(text) == 0:
        raise InvalidParameter(f"deadline_ms={text[:40]!r} is no time; expected an integer from 1 to 9999999")
    return int(text)


def wait_s(values: Mapping[str, str]) -> int:
    """Read `wait_s`, how long the outcome of a change is waited for, in seconds; 0 where it is not."""
    text = values.get("wait_s", "0")
    if not _WAIT.fullmatch(text):
        raise InvalidParameter(f"wait_s={text[:40]!r} is no time; expected an integer from 0 to 999")
    return int(text)


def dimension(values: Mapping[str, str], name: str) -> int:
    """Read `width` or `height` in pixels, 1 to 65535."""
    text = values.get(name)
    if text is None:
        raise InvalidParameter(f"{name} is missing; raw pixels need width and height")
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise InvalidParameter(f"{name}={text[:40]!r} is not a size; expected an integer from 1 to 65535")
    return int(text)


def raw_format(values: Mapping[str, str]) -> PixelFormat | None:
    """Read `bayer` and `pixel_format`; None where the number of bytes is to tell grey, BGR and BGRA apart."""
    named = values.get("pixel_format")
    bayer = values.get("bayer", "0")
    if bayer.lower() in _YES:
        by_flag: PixelFormat | None = pixel_format("BayerRG8")
    elif bayer.lower() in _NO:
        by_flag = None
    else:
        by_flag = pixel_format(bayer)
    if named is None:
        return by_flag
    by_name = pixel_format(named)
    if by_flag is not None and by_flag != by_name:
        raise InvalidParameter(f"pixel_format={named} and bayer={bayer} contradict each other; give one of them")
    return by_name
