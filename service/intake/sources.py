"""How a frame comes in: encoded, as raw pixels, or in a shared-memory segment of a client on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from service.intake.body import Bring, Received
from service.intake.params import dimension, raw_format
from service.intake.segment import copy_segment, segment_name
from service.local_client import is_local
from workers.errors import Forbidden, FrameSizeMismatch, IncompleteBody
from workers.pixels.pixel_format import PixelFormat, check_length, format_of_length
from workers.pool.job import Encoding, Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    import falcon


class Source(Protocol):
    """One way in. `values` are the parameters, of query and form; areas are the start of a slot's request area.

    `part` is the part of a form that holds the frame; None where the frame comes in another way.
    """

    part: ClassVar[str | None]

    def check(self, req: falcon.Request, values: Mapping[str, str], length: int | None) -> None:
        """Refuse what can be refused before a slot is taken, and a plain body read; of `length` bytes if known."""

    def takes(self, values: Mapping[str, str], length: int, largest_bytes: int) -> bool:
        """Whether a request that was checked once may also bring a plain body of `length` bytes."""

    def fill(self, bring: Bring, values: Mapping[str, str], area: memoryview) -> Received:
        """Put the frame into `area`; `bring` gets a request's body."""

    def describe(self, values: Mapping[str, str], length: int) -> Job:
        """Say what the `length` bytes are."""


class EncodedFrame:
    """`/analyze_image`: a JPEG, PNG or another format that the settings name."""

    part: ClassVar[str | None] = "file"

    def check(self, req: falcon.Request, values: Mapping[str, str], length: int | None) -> None:
        """Refuse nothing at all."""
        del req, values
        _refuse_nothing(length)

    def takes(self, values: Mapping[str, str], length: int, largest_bytes: int) -> bool:
        """See Source."""
        del values
        return 0 < length <= largest_bytes

    def fill(self, bring: Bring, values: Mapping[str, str], area: memoryview) -> Received:
        """Receive the body, or the form's part `file`."""
        del values
        return bring.into(area)

    def describe(self, values: Mapping[str, str], length: int) -> Job:
        """Leave the rest to the gate in the worker: no pixel is looked at here."""
        del values, length
        return Job(encoding=Encoding.ENCODED)


class RawFrame:
    """`/analyze_raw_image`: pixels whose size and format the query names, or the form."""

    part: ClassVar[str | None] = "array"

    def check(self, req: falcon.Request, values: Mapping[str, str], length: int | None) -> None:
        """Refuse sizes and lengths that do not fit each other."""
        del req
        _refuse_nothing(length)
        _raw_format(values, length)

    def takes(self, values: Mapping[str, str], length: int, largest_bytes: int) -> bool:
        """See Source."""
        try:
            _raw_format(values, length)
        except FrameSizeMismatch:
            return False
        return 0 < length <= largest_bytes

    def fill(self, bring: Bring, values: Mapping[str, str], area: memoryview) -> Received:
        """Receive the body, or the form's part `array`."""
        del values
        return bring.into(area)

    def describe(self, values: Mapping[str, str], length: int) -> Job:
        """Name the size and the pixel format; raises FrameSizeMismatch."""
        return _raw_job(values, length)


class SegmentFrame:
    """`/analyze_image_shared_memory`: raw pixels in a POSIX segment that the client made."""

    part: ClassVar[str | None] = None

    def __init__(self, *, allowed: bool) -> None:
        self._allowed = allowed

    def check(self, req: falcon.Request, values: Mapping[str, str], length: int | None) -> None:
        """Refuse callers from elsewhere and names that no client of the vendor makes."""
        del length
        if not self._allowed:
            raise Forbidden("frames in shared memory are switched off on this server (shared_memory)")
        if not is_local(req.env):
            raise Forbidden("frames in shared memory are accepted from this host only")
        segment_name(values)
        _raw_format(values, None)

    def takes(self, values: Mapping[str, str], length: int, largest_bytes: int) -> bool:
        """See Source; a body that is not looked at is best not sent."""
        del values, largest_bytes
        return length == 0

    def fill(self, bring: Bring, values: Mapping[str, str], area: memoryview) -> Received:
        """Copy the frame out of the segment."""
        del bring
        width, height = dimension(values, "width"), dimension(values, "height")
        return Received(copy_segment(segment_name(values), width, height, raw_format(values), area))

    def describe(self, values: Mapping[str, str], length: int) -> Job:
        """Name the size and the pixel format."""
        return _raw_job(values, length)


def _refuse_nothing(length: int | None) -> None:
    if length == 0:
        raise IncompleteBody("the body is empty; an image was expected")


def _raw_format(values: Mapping[str, str], length: int | None) -> PixelFormat | None:
    """Check the parameters against each other and, where it is known, the length; returns the format if known."""
    width, height = dimension(values, "width"), dimension(values, "height")
    named = raw_format(values)
    if length is None:
        return named
    if named is None:
        return format_of_length(length, width, height)
    check_length(named, length, width, height)
    return named


def _raw_job(values: Mapping[str, str], length: int) -> Job:
    width, height = dimension(values, "width"), dimension(values, "height")
    found = _raw_format(values, length)
    assert found is not None
    return Job(encoding=Encoding.RAW, width=width, height=height, pixel_format=found.name)
