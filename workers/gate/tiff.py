"""TIFF: its one directory, as in TIFF 6.0; anything that it says must be a thing that can be decoded in one way.

Accepted are strips of grey (1, 8 or 16 bits) or RGB (8 bits), uncompressed or packed without loss. Whatever else the
format knows is refused with its name: pages, tiles, planes, palettes, turned images, floats, lossy codings.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.errors import ImageInvalid, ImageTooLarge, ImageUnsupported
from workers.gate.header import ImageHeader, ImageLimits, check_size

# TIFF 6.0: tags of a directory
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 278, 279
_PREDICTOR, _TILE_WIDTH, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 317, 322, 338, 339
_SHORT, _LONG = 3, 4
_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)  # of a value, by the number of its type

UNCOMPRESSED, LZW, PACKBITS = 1, 5, 32773
DEFLATE = frozenset({8, 32946})
_COMPRESSIONS = frozenset({UNCOMPRESSED, LZW, PACKBITS}) | DEFLATE
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
# photometric, samples of a pixel, bits of a sample: what OpenCV decodes to the pixels that are stored (RGB of 16 bits
# is rounded there, not cut)
_DEPTHS = frozenset({(grey, 1, bits) for grey in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) for bits in (1, 8, 16)})
_LAYOUTS = _DEPTHS | {(_RGB, 3, 8), (_RGB, 4, 8)}
_UNSPECIFIED, _ASSOCIATED = 0, 1  # of extra samples: colours are stored as they are shown
# a tag, the only value that is accepted, and what another would mean
_PLAIN: tuple[tuple[int, int, str], ...] = (
    (254, 0, "a reduced image, a page or a mask"),  # NewSubfileType
    (255, 1, "a reduced image or a page"),  # SubfileType
    (266, 1, "bytes whose first pixel is in their lowest bit"),  # FillOrder
    (274, 1, "an orientation other than that of its rows"),
    (_SAMPLE_FORMAT, 1, "samples that are floats or have a sign"),
    (32995, 0, "alpha in the way of before TIFF 6.0"),  # Matteing
    (32996, 1, "samples that are floats or have a sign"),  # DataType
    (32997, 1, "more than one layer"),  # ImageDepth
)
_PLANAR = 284
_MOST_LZW_RATIO = 1366  # codes of 9 to 12 bits, each for one byte more than the one before, until the table is full


class _Field(NamedTuple):
    kind: int
    length: int  # how many values
    at: int  # where they are, in bytes


class Tiff(NamedTuple):
    """A TIFF that can be decoded. `strips` are start and end in bytes, `order` is struct's letter for its numbers."""

    order: Literal["<", ">"]
    width: int
    height: int
    bits: int  # of a sample
    samples: int  # of a pixel
    photometric: int
    compression: int
    predictor: int
    extra_sample: int  # what a fourth sample is, where there is one
    rows_per_strip: int
    strips: tuple[tuple[int, int], ...]

    def strip_bytes(self, index: int) -> int:
        """Return what strip `index` takes before compression."""
        rows = min(self.rows_per_strip, self.height - index * self.rows_per_strip)
        return rows * ((self.width * self.samples * self.bits + 7) // 8)


class _Directory:
    """The numbers in the one directory of a TIFF."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.order: Literal["<", ">"] = "<" if data[0] == ord("I") else ">"
        self._fields: dict[int, _Field] = {}
        (start,) = self._read("I", 4)
        (count,) = self._read("H", start)
        end = start + 2 + 12 * count
        for at in range(start + 2, end, 12):
            self._add(at)
        if self._read("I", end) != (0,):
            raise ImageUnsupported("the TIFF has more than one page; one image is expected")

    def _add(self, at: int) -> None:
        tag, kind, length, elsewhere = self._read("HHII", at)
        size = length * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
        field = _Field(kind, length, at + 8 if size <= 4 else elsewhere)
        if field.at + size > len(self._data):
            msg = f"the TIFF's field {tag} lies behind the end of the file: the file is truncated"
            raise ImageInvalid(msg)
        if tag in self._fields:
            msg = f"the TIFF has field {tag} twice"
            raise ImageInvalid(msg)
        self._fields[tag] = field

    def _read(self, layout: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + layout, self._data, at)

    def values(self, tag: int, default: int) -> NDArray[np.int64]:
        """Return a field's values, or the default if it is not there."""
        field = self._fields.get(tag)
        if field is None:
            return np.array([default], np.int64)
        if field.kind not in {_SHORT, _LONG} or not field.length:
            msg = f"the TIFF's field {tag} has a wrong type"
            raise ImageInvalid(msg)
        dtype = np.dtype(np.uint16 if field.kind == _SHORT else np.uint32).newbyteorder(self.order)
        return np.frombuffer(self._data, dtype, field.length, field.at).astype(np.int64)

    def value(self, tag: int, default: int) -> int:
        """Return a field's first value."""
        return int(self.values(tag, default)[0])

    def __contains__(self, tag: int) -> bool:
        return tag in self._fields


def inspect_tiff(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the TIFF in `data`; raises ImageInvalid, ImageTooLarge or ImageUnsupported."""
    try:
        directory = _Directory(data)
    except struct.error:
        raise ImageInvalid("the TIFF ends inside its directory: the file is truncated") from None
    check_size("TIFF", directory.value(_WIDTH, 0), directory.value(_HEIGHT, 0), limits)
    tiff = _described(directory)
    _check_strips(tiff, directory, data)
    return ImageHeader("tiff", tiff.width, tiff.height)


def read_tiff(data: memoryview) -> Tiff:
    """Return what the TIFF in `data` holds, which `inspect_tiff` has let pass."""
    return _described(_Directory(data))


def _described(directory: _Directory) -> Tiff:
    _refuse_oddities(directory)
    samples, photometric = directory.value(_SAMPLES, 1), directory.value(_PHOTOMETRIC, -1)
    depths = set(directory.values(_BITS, 1).tolist())
    if len(depths) > 1 or (photometric, samples, *depths) not in _LAYOUTS:
        bits = "/".join(map(str, sorted(depths)))
        msg = (
            f"the TIFF has {samples} samples of {bits} bits a pixel and photometric {photometric};"
            " grey of 1, 8 or 16 bits or RGB of 8 bits is accepted"
        )
        raise ImageUnsupported(msg)
    starts, lengths = directory.values(_STRIP_OFFSETS, 0), directory.values(_STRIP_BYTES, 0)
    if len(starts) != len(lengths):
        raise ImageInvalid("the TIFF has not as many lengths of strips as strips")
    return Tiff(
        directory.order,
        directory.value(_WIDTH, 0),
        directory.value(_HEIGHT, 0),
        depths.pop(),
        samples,
        photometric,
        _compression(directory),
        _predictor(directory),
        _extra_sample(directory, samples),
        min(directory.value(_ROWS_PER_STRIP, 2**32 - 1), directory.value(_HEIGHT, 0)),
        tuple(zip(starts.tolist(), (starts + lengths).tolist(), strict=True)),
    )


def _refuse_oddities(directory: _Directory) -> None:
    for tag, accepted, meaning in _PLAIN:
        found = directory.values(tag, accepted)
        if (found != accepted).any():
            msg = f"the TIFF has {meaning} (field {tag} is {found[found != accepted][0]}), which is not accepted"
            raise ImageUnsupported(msg)
    if _TILE_WIDTH in directory:
        raise ImageUnsupported("the TIFF is made of tiles; strips are accepted")
    if directory.value(_PLANAR, 1) != 1 and directory.value(_SAMPLES, 1) != 1:
        raise ImageUnsupported("the TIFF has each colour in a plane of its own; pixel by pixel is accepted")


def _compression(directory: _Directory) -> int:
    compression = directory.value(_COMPRESSION, UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        msg = f"the TIFF has compression {compression}; none, LZW, deflate and PackBits (1, 5, 8, 32773) are accepted"
        raise ImageUnsupported(msg)
    return compression


def _predictor(directory: _Directory) -> int:
    """Return 1, or 2 where samples are differences of neighbours."""
    predictor = directory.value(_PREDICTOR, 1)
    packed = _compression(directory) in DEFLATE | {LZW}
    if predictor != 1 and (predictor != 2 or not packed or directory.value(_BITS, 1) < 8):
        msg = f"the TIFF has predictor {predictor}, which its compression and depth do not know or which is for floats"
        raise ImageUnsupported(msg)
    return predictor


def _extra_sample(directory: _Directory, samples: int) -> int:
    """Return what a fourth sample is; OpenCV, among others, writes one and does not say."""
    if samples < 4:
        if _EXTRA_SAMPLES in directory:
            raise ImageInvalid("the TIFF names extra samples and has none")
        return _UNSPECIFIED
    found = directory.values(_EXTRA_SAMPLES, _UNSPECIFIED)
    if len(found) != 1 or found[0] not in {_UNSPECIFIED, _ASSOCIATED}:
        raise ImageUnsupported("the TIFF has alpha by which its colours are not multiplied, which is not accepted")
    return int(found[0])


def _check_strips(tiff: Tiff, directory: _Directory, data: memoryview) -> None:
    if _STRIP_OFFSETS not in directory or _STRIP_BYTES not in directory or not tiff.rows_per_strip:
        raise ImageInvalid("the TIFF does not say where its strips lie, or how large they are")
    expected = -(-tiff.height // tiff.rows_per_strip)
    if len(tiff.strips) != expected:
        msg = f"the TIFF has {len(tiff.strips)} strips; {tiff.height} rows by {tiff.rows_per_strip} need {expected}"
        raise ImageInvalid(msg)
    for index, (start, end) in enumerate(tiff.strips):
        if end > len(data) or start < 8:
            raise ImageInvalid("the TIFF's pixels lie behind the end of the file: the file is truncated")
        needed = tiff.strip_bytes(index)
        if tiff.compression == UNCOMPRESSED and end - start != needed:
            msg = f"the TIFF's strip {index} has {end - start} bytes, its rows have {needed}"
            raise ImageInvalid(msg)
        if needed > _MOST_LZW_RATIO * (end - start):
            msg = f"the TIFF claims {tiff.width} x {tiff.height} pixels, more than its strip {index} can hold"
            raise ImageTooLarge(msg)
