"""JPEG: marker by marker, as in ITU-T T.81, annex B.

Accepted are Huffman-coded baseline, extended and progressive images of 8 bits with one component (grey) or three
(YCbCr, or RGB where the Adobe marker says so). Four components are refused: whether CMYK is stored inverted is a
guess that programs make in different ways, and no camera sends it. Arithmetic coding, lossless, hierarchical and
12-bit images are refused as well.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from workers.errors import ImageInvalid, ImageUnsupported
from workers.gate.harmless import Edits, IccSegments, announced_images
from workers.gate.header import ImageHeader, ImageLimits, check_size
from workers.gate.jpeg_scan import end_of_scan

_LENGTH = struct.Struct(">H")
_FRAME = struct.Struct(">BHHB")
_MARK = 0xFF
_EOI, _SOS = 0xD9, 0xDA
_APP0, _APP2 = 0xE0, 0xE2
_PROGRESSIVE = 0xC2
_ACCEPTED_FRAMES = frozenset({0xC0, 0xC1, _PROGRESSIVE})
_REFUSED = {
    **dict.fromkeys((0xC3, 0xC7), "lossless coding"),
    **dict.fromkeys((0xC5, 0xC6, 0xDE, 0xDF), "hierarchical coding"),
    **dict.fromkeys((*range(0xC9, 0xD0),), "arithmetic coding"),
    **dict.fromkeys((0xF7, 0xF8), "JPEG-LS"),  # ITU-T T.87: its frame, and its parameters before it
    0xC8: "a coding that is reserved for extensions",
}
# DHT, DQT, DNL, DRI, APP0 to APP15, COM: they say how to decode, or are comments
_PASSED = frozenset({0xC4, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE})
_KNOWN = frozenset({_EOI, _SOS}) | _PASSED | _ACCEPTED_FRAMES | _REFUSED.keys()
_NOT_FILL = re.compile(rb"[^\xff]")
_ALL_COEFFICIENTS = frozenset(range(64))
# colour profiles take up to 255 segments, 64 scans with their tables some 300
_MAX_SEGMENTS = 4096


class _Segment(NamedTuple):
    marker: int
    at: int  # where its marker is, in bytes
    payload: memoryview


class _Frame(NamedTuple):
    width: int
    height: int
    components: bytes  # their numbers
    sampling: tuple[tuple[int, int], ...]
    progressive: bool


class _Scan(NamedTuple):
    components: bytes  # their numbers
    first: int  # of the coefficients 0 to 63 of a block
    last: int
    approximation: int  # how many bits are left for later scans in its low half


def inspect_jpeg(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the JPEG in `data`; raises ImageInvalid, ImageTooLarge or ImageUnsupported.

    What follows its end is for the caller to judge.
    """
    frame: _Frame | None = None
    scans: list[_Scan] = []
    edits = Edits()
    profile = IccSegments()
    announced: frozenset[int] = frozenset()
    end = 0
    for segment in _segments(data):
        if segment.marker == _EOI:
            end = segment.at + 2
        elif segment.marker == _SOS:
            scans.append(_read_scan(segment, frame))
            edits.correct_scan(segment.at, segment.payload, progressive=frame is not None and frame.progressive)
        elif segment.marker == _APP0:
            edits.correct_jfif(segment.at, segment.payload)
        elif segment.marker == _APP2:
            profile.add(segment.at, segment.payload)
            announced |= announced_images(segment.at, segment.payload)
        elif segment.marker not in _PASSED:
            if frame:
                msg = f"the JPEG has a second frame header at byte {segment.at}"
                raise ImageInvalid(msg)
            frame = _read_frame(segment, limits)
            _check_plausible(frame, len(data))
        if len(scans) > limits.max_jpeg_scans:
            msg = f"the JPEG has more than {limits.max_jpeg_scans} scans"
            raise ImageInvalid(msg)
    if frame is None:
        raise ImageInvalid("the JPEG has no frame header (SOF), so no size")
    _check_complete(frame, scans)
    profile.drop_if_broken(edits)
    return ImageHeader(
        "jpeg", frame.width, frame.height, frame.sampling, edits.kept(end), 0, end, announced, tuple(edits.notes)
    )


def whole_jpeg_bytes(data: memoryview) -> int:
    """Return how many bytes the JPEG has that `data` begins with; raises ImageInvalid where there is no whole one."""
    markers: set[int] = set()
    end = 0
    for segment in _segments(data):
        markers.add(segment.marker)
        end = segment.at + 2
    if _SOS not in markers or not markers & (_ACCEPTED_FRAMES | _REFUSED.keys()):
        raise ImageInvalid("the JPEG has no pixels")
    return end


def read_start(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check what comes before the first scan, and nothing behind it; raises as `inspect_jpeg` does."""
    for segment in _segments(data):
        if segment.marker in {_SOS, _EOI}:
            break
        if segment.marker not in _PASSED:
            frame = _read_frame(segment, limits)
            _check_plausible(frame, len(data))
            return ImageHeader("jpeg", frame.width, frame.height, sampling=frame.sampling)
    raise ImageInvalid("the JPEG has no frame header (SOF) before its pixels, so no size")


def _segments(data: memoryview) -> Iterator[_Segment]:
    """Yield the segments and EOI at last, which must come; the coded pixels of scans are stepped over."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        at = _marker_at(data, at)
        marker = data[at + 1]
        if marker == _EOI:
            yield _Segment(marker, at, data[at:at])
            return
        payload = _payload(data, at)
        yield _Segment(marker, at, payload)
        at += 4 + len(payload)
        if marker == _SOS:
            at = _end_of_scan(data, at)
    msg = f"the JPEG has more than {_MAX_SEGMENTS} segments"
    raise ImageInvalid(msg)


def _marker_at(data: memoryview, at: int) -> int:
    """Return where the marker at `at` begins, after any fill bytes before it."""
    if at + 1 < len(data) and data[at] == _MARK and data[at + 1] in _KNOWN:
        return at  # as nearly all do
    code = _NOT_FILL.search(data, at)
    if code is None:
        raise _truncated(data)
    marker = data[code.start()]
    if code.start() == at or marker not in _KNOWN:
        msg = f"the JPEG has no marker where one should be, at byte {at}: the file is damaged"
        raise ImageInvalid(msg)
    return code.start() - 1


def _payload(data: memoryview, at: int) -> memoryview:
    if at + 4 > len(data):
        raise _truncated(data)
    length: int = _LENGTH.unpack_from(data, at + 2)[0]
    if length < 2:
        msg = f"the JPEG's segment at byte {at} says that it has {length} bytes; 2 is the least"
        raise ImageInvalid(msg)
    if at + 2 + length > len(data):
        msg = (
            f"the JPEG ends inside segment FF{data[at + 1]:02X} at byte {len(data)}: the file is truncated"
            f" (the segment begins at byte {at} and says that it has {length} bytes)"
        )
        raise ImageInvalid(msg)
    return data[at + 4 : at + 2 + length]


def _end_of_scan(data: memoryview, at: int) -> int:
    end = end_of_scan(data, at)
    if end == len(data):
        raise _truncated(data)
    return end


def _truncated(data: memoryview) -> ImageInvalid:
    return ImageInvalid(f"the JPEG ends at byte {len(data)} without an end marker: the file is truncated")


def _read_frame(segment: _Segment, limits: ImageLimits) -> _Frame:
    if segment.marker in _REFUSED:
        msg = f"the JPEG uses {_REFUSED[segment.marker]}; baseline and progressive are accepted"
        raise ImageUnsupported(msg)
    payload = segment.payload
    if len(payload) < _FRAME.size or len(payload) != _FRAME.size + 3 * payload[5]:
        msg = f"the JPEG's frame header at byte {segment.at} has a wrong length"
        raise ImageInvalid(msg)
    bits, height, width, count = _FRAME.unpack_from(payload)
    if bits != 8 or count not in {1, 3}:
        msg = f"the JPEG has {count} components of {bits} bits; 1 (grey) or 3 (colour) of 8 bits are accepted"
        raise ImageUnsupported(msg)
    check_size("JPEG", width, height, limits)
    sampling = tuple((factors >> 4, factors & 15) for factors in payload[_FRAME.size + 1 :: 3])
    if any(not 1 <= factor <= 4 for pair in sampling for factor in pair):
        raise ImageInvalid("the JPEG's sampling factors are not all in 1 to 4")
    components = bytes(payload[_FRAME.size :: 3])
    if len(set(components)) < count:
        raise ImageInvalid("the JPEG gives the same number to two components")
    return _Frame(width, height, components, sampling, segment.marker == _PROGRESSIVE)


def _check_plausible(frame: _Frame, file_bytes: int) -> None:
    """Raise if the file has fewer bits than its blocks of 8 x 8 coefficients need.

    A Huffman code has one bit at least. A sequential block takes two (its DC difference and its end of block), a
    progressive one takes one, in its first DC scan. That no true file fails this is arithmetic; a flat grey one,
    the most extreme that an encoder makes, has 256 pixels a byte and just passes.
    """
    widest, tallest = (max(factors) for factors in zip(*frame.sampling, strict=True))
    blocks = sum(
        -(-frame.width * across // (8 * widest)) * -(-frame.height * down // (8 * tallest))
        for across, down in frame.sampling
    )
    if blocks * (1 if frame.progressive else 2) > 8 * file_bytes:
        msg = f"the JPEG claims {frame.width} x {frame.height} pixels, more than its {file_bytes} bytes can hold"
        raise ImageInvalid(msg)


def _read_scan(segment: _Segment, frame: _Frame | None) -> _Scan:
    if frame is None:
        msg = f"the JPEG has pixel data at byte {segment.at}, before its frame header"
        raise ImageInvalid(msg)
    payload = segment.payload
    components = bytes(payload[1 : 1 + 2 * payload[0] : 2]) if payload else b""
    if not components or len(payload) != 4 + 2 * len(components) or set(components) - set(frame.components):
        msg = f"the JPEG's scan header at byte {segment.at} does not fit its frame header"
        raise ImageInvalid(msg)
    return _Scan(components, *payload[-3:])


def _check_complete(frame: _Frame, scans: list[_Scan]) -> None:
    """Raise unless every component has scans up to the last bit of its last coefficient.

    A progressive file that was cut between two scans, or in which a byte turned into an end, is whole but blurred.
    """
    for component in frame.components:
        own = [scan for scan in scans if component in scan.components]
        if not own:
            msg = f"the JPEG has no pixel data for component {component}: the file is incomplete"
            raise ImageInvalid(msg)
        if not frame.progressive:
            continue
        done = set[int]().union(*(range(scan.first, scan.last + 1) for scan in own if not scan.approximation & 15))
        if len(done & _ALL_COEFFICIENTS) < len(_ALL_COEFFICIENTS):
            msg = f"the JPEG ends before the last scans of component {component}: the file is incomplete"
            raise ImageInvalid(msg)
