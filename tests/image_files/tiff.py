"""TIFF files made byte by byte: any fields, any strips or tiles; what is packed without loss is packed here, too."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.image_files.encoded import pack

Samples = NDArray[np.uint16]
SHORT, LONG = 3, 4
MINISWHITE, MINISBLACK, RGB, PALETTE = range(4)
NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
LZW_CLEAR, LZW_END = 256, 257
_PLACE = -1  # of a strip, which is known when the directory's size is


@dataclass(frozen=True)
class Tiff:
    """What a TIFF says of itself; `fields` are further ones, or others in place of those that follow from the rest."""

    photometric: int = MINISBLACK
    samples: int = 1
    bits: int = 8
    compression: int = NONE
    rows_per_strip: int = 7
    predictor: int = 1
    orientation: int | None = None
    extra: tuple[int, ...] = ()
    planar: int = 1
    order: Literal["<", ">"] = "<"
    tile: tuple[int, int] | None = None  # width and height
    pages: int = 1
    fields: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)


def samples_for(tiff: Tiff, height: int, width: int, random: np.random.Generator) -> Samples:
    """Make (h, w, samples) of noise with smooth parts, so that packing has something to do."""
    noise = random.integers(0, 1 << tiff.bits, (height, width, tiff.samples), np.uint16)
    noise[height // 3 : height // 2] = noise[0, 0]
    return noise


def tiff_file(tiff: Tiff, samples: Samples) -> bytes:
    """Make the file; its directories come first, the strips or tiles of all pages behind them."""
    parts = [_packed(tiff, part) for part in _parts(tiff, samples)]
    directory = _directory(tiff, samples.shape[0], samples.shape[1], parts)
    order = tiff.order
    size = len(_page(order, directory, 0, [0] * len(parts), 0))
    data_at = 8 + size * tiff.pages
    places = [data_at + sum(map(len, parts[:index])) for index in range(len(parts))]
    pages = b""
    for number in range(1, tiff.pages + 1):
        following = 8 + size * number if number < tiff.pages else 0
        pages += _page(order, directory, 8 + size * (number - 1), places, following)
    return (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + pages + b"".join(parts)


def _directory(tiff: Tiff, height: int, width: int, parts: list[bytes]) -> dict[int, tuple[int, tuple[int, ...]]]:
    lengths = tuple(map(len, parts))
    places = (_PLACE,) * len(parts)
    fields: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (LONG, (width,)),
        257: (LONG, (height,)),
        258: (SHORT, (tiff.bits,) * tiff.samples),
        259: (SHORT, (tiff.compression,)),
        262: (SHORT, (tiff.photometric,)),
        277: (SHORT, (tiff.samples,)),
        284: (SHORT, (tiff.planar,)),
    }
    if tiff.tile:
        fields |= {322: (LONG, tiff.tile[:1]), 323: (LONG, tiff.tile[1:]), 324: (LONG, places), 325: (LONG, lengths)}
    else:
        fields |= {273: (LONG, places), 278: (LONG, (tiff.rows_per_strip,)), 279: (LONG, lengths)}
    if tiff.predictor != 1:
        fields[317] = (SHORT, (tiff.predictor,))
    if tiff.orientation is not None:
        fields[274] = (SHORT, (tiff.orientation,))
    if tiff.extra:
        fields[338] = (SHORT, tiff.extra)
    if tiff.photometric == PALETTE:
        fields[320] = (SHORT, tuple(range(3 << min(tiff.bits, 8))))
    return fields | tiff.fields


def _page(
    order: str, fields: dict[int, tuple[int, tuple[int, ...]]], at: int, places: list[int], following: int
) -> bytes:
    entries, values = b"", b""
    for tag, (kind, given) in sorted(fields.items()):
        numbers = tuple(places) if given[0] == _PLACE else given
        packed = struct.pack(f"{order}{len(numbers)}{'H' if kind == SHORT else 'I'}", *numbers)
        if len(packed) > 4:
            elsewhere = at + 2 + 12 * len(fields) + 4 + len(values)
            packed, values = struct.pack(f"{order}I", elsewhere), values + packed + bytes(len(packed) % 2)
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(fields)) + entries + struct.pack(f"{order}I", following) + values


def _parts(tiff: Tiff, samples: Samples) -> Iterator[Samples]:
    """Yield what lies in each strip or tile, plane after plane where these are apart."""
    height, width = samples.shape[:2]
    planes = [samples[..., n : n + 1] for n in range(tiff.samples)] if tiff.planar == 2 else [samples]
    for plane in planes:
        if tiff.tile is None:
            for top in range(0, height, tiff.rows_per_strip):
                yield plane[top : top + tiff.rows_per_strip]
            continue
        across, down = tiff.tile
        whole = np.pad(plane, ((0, -height % down), (0, -width % across), (0, 0)))
        for top in range(0, height, down):
            for left in range(0, width, across):
                yield whole[top : top + down, left : left + across]


def _packed(tiff: Tiff, part: Samples) -> bytes:
    if tiff.predictor == 2:
        before = np.concatenate([np.zeros_like(part[:, :1]), part[:, :-1]], axis=1)
        part = (part - before) & ((1 << tiff.bits) - 1)
    flat = part.reshape(len(part), -1)
    rows = flat.astype(f"{tiff.order}u2").view(np.uint8) if tiff.bits == 16 else pack(flat, tiff.bits)
    packers: dict[int, Callable[[NDArray[np.uint8]], bytes]] = {
        NONE: lambda rows: rows.tobytes(),
        LZW: lambda rows: lzw(rows.tobytes()),
        DEFLATE: lambda rows: zlib.compress(rows.tobytes()),
        OLD_DEFLATE: lambda rows: zlib.compress(rows.tobytes()),
        PACKBITS: lambda rows: b"".join(packbits(row.tobytes()) for row in rows),
    }
    return packers.get(tiff.compression, packers[NONE])(rows)


def lzw(data: bytes) -> bytes:
    """Pack as in TIFF 6.0, section 13: codes of 9 to 12 bits, the highest bit first."""
    single = {bytes((value,)): value for value in range(256)}
    table = dict(single)
    codes = [(LZW_CLEAR, 9)]
    free, known = 258, b""
    for at in range(len(data) + 1):
        longer = known + data[at : at + 1]
        if at < len(data) and longer in table:
            known = longer
            continue
        if known:
            codes.append((table[known], free.bit_length()))
            table[longer] = free
            free += 1
        if free == 4094:
            codes.append((LZW_CLEAR, 12))
            table, free = dict(single), 258
        known = longer[-1:]
    codes.append((LZW_END, free.bit_length()))
    text = "".join(f"{code:0{width}b}" for code, width in codes)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def packbits(row: bytes) -> bytes:
    """Pack as in TIFF 6.0, section 9: runs where three and more are alike, the others as they are."""
    packed, plain = bytearray(), bytearray()

    def flush() -> None:
        for at in range(0, len(plain), 128):
            piece = plain[at : at + 128]
            packed.extend((len(piece) - 1, *piece))
        plain.clear()

    at = 0
    while at < len(row):
        length = 1
        while length < 128 and row[at + length : at + length + 1] == row[at : at + 1]:
            length += 1
        if length >= 3:
            flush()
            packed.extend((257 - length, row[at]))
        else:
            plain.extend(row[at : at + length])
        at += length
    flush()
    return bytes(packed)


def expected_bgr(tiff: Tiff, samples: Samples) -> NDArray[np.uint8]:
    """Reduce to 8 bits, turn grey so that white is white, drop a fourth sample, turn RGB into BGR."""
    eight = samples >> 8 if tiff.bits == 16 else samples * (255 // ((1 << tiff.bits) - 1))
    if tiff.photometric == MINISWHITE:
        eight = 255 - eight
    plain = eight[..., :3][..., ::-1] if tiff.samples >= 3 else eight[..., :1].repeat(3, axis=2)
    return plain.astype(np.uint8)
