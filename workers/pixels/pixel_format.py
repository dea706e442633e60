"""Raw pixel formats by their PFNC names. Pure: this file knows bytes, not arrays, so that a front can use it.

Names and layouts are those of the GenICam Pixel Format Naming Convention (PFNC 2, EMVA); the ones on
"Packed" are older, from GigE Vision 1, and have another bit order. How pixels P0, P1, ... lie in bytes,
high bits first::

                  byte 0      byte 1                 byte 2            byte 3            byte 4
    Mono10/12/16  P0[7:0]     P0[15:8]               P1[7:0]           P1[15:8]          (unused bits are 0)
    Mono10p       P0[7:0]     P1[5:0] P0[9:8]        P2[3:0] P1[9:6]   P3[1:0] P2[9:4]   P3[9:2]
    Mono12p       P0[7:0]     P1[3:0] P0[11:8]       P1[11:4]
    Mono10Packed  P0[9:2]     -- P1[1:0] -- P0[1:0]  P1[9:2]
    Mono12Packed  P0[11:4]    P1[3:0] P0[3:0]        P1[11:4]

and the same for Bayer. There is no padding: where a line ends inside a byte or between the two pixels of a
group, the next line goes on there (GigE Vision says so for odd widths). Only the end of the frame is rounded
up to a whole byte.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from workers.errors import FrameSizeMismatch, InvalidParameter

# below this OpenCV 5.0 has no full neighbourhood and gives a black frame without an error
MIN_BAYER_SIDE_PX = 3
_MAX_ECHO = 40  # characters of a wrong name that a message repeats


class Layout(enum.Enum):
    """What samples mean. A Bayer layout is named by the first two pixels of the first line.

    `channels` is how many samples a pixel has: 1, 3 or 4; in one that `is_bayer` each has only one of three colours.
    """

    GREY = "Mono"
    BAYER_RG = "BayerRG"
    BAYER_GR = "BayerGR"
    BAYER_GB = "BayerGB"
    BAYER_BG = "BayerBG"
    RGB = "RGB"
    BGR = "BGR"
    BGRA = "BGRa"

    def __init__(self, name: str) -> None:
        self.channels = {"RGB": 3, "BGR": 3, "BGRa": 4}.get(name, 1)
        self.is_bayer = name.startswith("Bayer")


class Packing(enum.Enum):
    """How samples lie in bytes."""

    BYTES = enum.auto()  # one byte each
    WORDS_LE = enum.auto()  # one little-endian 16-bit word each, the value in the low bits
    LSB = enum.auto()  # a stream of bits, low bits first: "p"
    GIGE = enum.auto()  # two samples in three bytes, the low bits of both in the middle one: "Packed"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """One format. `name` is PFNC's; `bits` (8, 10, 12 or 16) is what counts of a sample.

    `pixel_bits` is what a pixel takes in the frame, all its samples together.
    """

    name: str
    layout: Layout
    bits: int
    packing: Packing
    pixel_bits: int = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what every frame asks for."""
        stored = {Packing.BYTES: 8, Packing.WORDS_LE: 16, Packing.LSB: self.bits, Packing.GIGE: 12}
        object.__setattr__(self, "pixel_bits", self.layout.channels * stored[self.packing])

    def frame_bytes(self, width: int, height: int) -> int:
        """Return the bytes of a frame of `width` x `height` px: all its bits, rounded up once, at the end.

        In a "Packed" format a sample takes 12 bits, also the last one of an odd number.
        """
        return (width * height * self.pixel_bits + 7) // 8


_COLOUR = {"RGB8": Layout.RGB, "BGR8": Layout.BGR, "BGRa8": Layout.BGRA}
_ONE_SAMPLE = [layout for layout in Layout if layout.channels == 1]
_DEPTHS = {
    "8": (8, Packing.BYTES),
    "10": (10, Packing.WORDS_LE),
    "12": (12, Packing.WORDS_LE),
    "16": (16, Packing.WORDS_LE),
    "10p": (10, Packing.LSB),
    "12p": (12, Packing.LSB),
    "10Packed": (10, Packing.GIGE),
    "12Packed": (12, Packing.GIGE),
}


def _all_formats() -> dict[str, PixelFormat]:
    colour = {name: PixelFormat(name, layout, 8, Packing.BYTES) for name, layout in _COLOUR.items()}
    one_sample = {
        layout.value + depth: PixelFormat(layout.value + depth, layout, bits, packing)
        for layout in _ONE_SAMPLE
        for depth, (bits, packing) in _DEPTHS.items()
    }
    # GigE Vision 1 cameras give these names to PFNC's numbers 0x02180014, 0x02180015 and 0x02200017
    gige = {f"{name.upper()}Packed": colour[name] for name in colour}
    return colour | one_sample | gige


FORMATS: Mapping[str, PixelFormat] = MappingProxyType(_all_formats())
"""Every format by its PFNC name; the colour ones by their GigE Vision 1 name too (`BGR8Packed` is BGR8)."""

_BY_CHANNELS = {1: FORMATS["Mono8"], 3: FORMATS["BGR8"], 4: FORMATS["BGRa8"]}
# as ROS, V4L2 and cameras' menus call them: by the four pixels of the pattern, line by line, or its first two
_OTHER_BAYER = re.compile(r"s?(bayer)?[ _-]?(?P<order>rggb|grbg|gbrg|bggr|rg|gr|gb|bg)[ _-]?(?P<depth>8|10|12|16)?")
_OTHER_NAMES = {
    **dict.fromkeys(("gray", "grey", "mono", "gray8", "grey8", "y8", "y800", "l", "l8", "8uc1"), "Mono8"),
    **dict.fromkeys(("gray16", "grey16", "y16", "16uc1"), "Mono16"),
    **dict.fromkeys(("rgb", "rgb24", "rgb888"), "RGB8"),
    **dict.fromkeys(("bgr", "bgr24", "bgr888", "8uc3"), "BGR8"),
    **dict.fromkeys(("bgra", "bgra32", "8uc4"), "BGRa8"),
}
_BY_LOWER_NAME = {name.lower(): known for name, known in FORMATS.items()}


def pixel_format(name: str) -> PixelFormat:
    """Find a format by name. Upper and lower case do not matter: SDKs differ (`Mono12packed`, `BGRA8`).

    Raises:
        InvalidParameter: there is no such format; the message names the closest ones and all groups.
    """
    found = _BY_LOWER_NAME.get(name.lower())
    if found is not None:
        return found
    close = _meant(name[:_MAX_ECHO].lower())
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise InvalidParameter(
        f"unknown pixel format {name[:_MAX_ECHO]!r}: {hint}known are {', '.join(_COLOUR)}, "
        f"and {', '.join(layout.value for layout in _ONE_SAMPLE)} followed by one of {', '.join(_DEPTHS)}"
    )


def _meant(name: str) -> list[str]:
    """Return the formats that `name`, in small letters, may stand for: by what others call them, else by its look."""
    bayer = _OTHER_BAYER.fullmatch(name)
    if bayer is not None:
        return [f"Bayer{bayer['order'][:2].upper()}{bayer['depth'] or '8'}"]
    if name in _OTHER_NAMES:
        return [_OTHER_NAMES[name]]
    return [_BY_LOWER_NAME[key].name for key in difflib.get_close_matches(name, _BY_LOWER_NAME, n=3)]


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise FrameSizeMismatch(f"width and height must be at least 1 pixel, got {width}x{height}")


def format_of_length(length_bytes: int, width: int, height: int) -> PixelFormat:
    """Tell Mono8, BGR8 and BGRa8 apart by the number of bytes of a frame of `width` x `height` px.

    Raises:
        FrameSizeMismatch: it is none of the three.
    """
    _check_size(width, height)
    grey = width * height
    found = _BY_CHANNELS.get(length_bytes // grey) if length_bytes % grey == 0 else None
    if found is None:
        raise FrameSizeMismatch(
            f"expected {grey} (grey), {3 * grey} (BGR) or {4 * grey} (BGRA) bytes for {width}x{height}, "
            f"got {length_bytes}"
        )
    return found


def check_length(fmt: PixelFormat, length_bytes: int, width: int, height: int) -> None:
    """Check that `length_bytes` is exactly one frame of `width` x `height` px, and one that can become BGR.

    Odd widths and heights are fine for every format, Bayer and packed ones included.

    Raises:
        FrameSizeMismatch: another number of bytes, no pixels, or a Bayer frame with a side under 3 px.
    """
    _check_size(width, height)
    if fmt.layout.is_bayer and min(width, height) < MIN_BAYER_SIDE_PX:
        least = f"{MIN_BAYER_SIDE_PX}x{MIN_BAYER_SIDE_PX}"
        raise FrameSizeMismatch(f"{fmt.name} needs at least {least} pixels to find colours, got {width}x{height}")
    expected = fmt.frame_bytes(width, height)
    if length_bytes != expected:
        raise FrameSizeMismatch(f"expected {expected} bytes for {width}x{height} {fmt.name}, got {length_bytes}")
