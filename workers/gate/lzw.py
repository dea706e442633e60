"""How many bytes the codes of a TIFF's LZW strip stand for (TIFF 6.0, section 13), without unpacking one of them.

The width of a code follows from how many came before it since the table was cleared, so all of a table's codes are read
at once. A code above 257 stands for one byte more than the code at whose place its entry was begun: lengths are depths
in a forest, found by going twice as far at each step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CLEAR, _END, _FIRST_ENTRY = 256, 257, 258
_WIDEST = 12
_MOST_CODES = 5119 - _FIRST_ENTRY  # since a clear; libtiff gives up there, others at 3,837
_WIDTHS = np.array([min((_FIRST_ENTRY + n).bit_length(), _WIDEST) for n in range(_MOST_CODES)])
_PLACES = np.concatenate([[0], np.cumsum(_WIDTHS)])  # in bits since the clear
_Codes = NDArray[np.int64]


def unpacked_bytes(strip: memoryview, most_tables: int) -> tuple[int, int]:
    """Return how many bytes the codes of `strip` make up to the one for the end, and how many tables that took.

    Raises ValueError where a code is not in its table yet, where there is no end, or more tables than `most_tables`.
    """
    packed = np.frombuffer(bytes(strip) + bytes(3), np.uint8)
    at, made = 0, 0  # in bits, in bytes
    for tables in range(1, most_tables + 1):
        codes = _codes(packed, at, 8 * len(strip))
        stops = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        if not stops.size:
            msg = "has no code for the end, or too many for one table"
            raise ValueError(msg)
        stop = int(stops[0])
        made += _bytes_of(codes[:stop])
        if codes[stop] == _END:
            return made, tables
        at += int(_PLACES[stop + 1])
    msg = "clears its table too often"
    raise ValueError(msg)


def _codes(packed: NDArray[np.uint8], at: int, end: int) -> _Codes:
    """Return the codes from bit `at` on, as if none of them cleared the table."""
    count = int(np.searchsorted(_PLACES, end - at, "right")) - 1
    places, widths = at + _PLACES[:count], _WIDTHS[:count]
    first = places >> 3
    high, middle, low = (packed[first + n].astype(np.int64) for n in range(3))
    three_bytes = high << 16 | middle << 8 | low
    codes: _Codes = three_bytes >> (24 - (places & 7) - widths) & ((1 << widths) - 1)
    return codes


def _bytes_of(codes: _Codes) -> int:
    own = np.arange(len(codes))
    is_entry = codes >= _FIRST_ENTRY
    above = np.where(is_entry, codes - _FIRST_ENTRY, own)
    if (above[is_entry] >= own[is_entry]).any():
        msg = "uses a code that is not in its table yet"
        raise ValueError(msg)
    steps = is_entry.astype(np.int64)
    while True:
        further = steps[above]
        if not further.any():
            return int(steps.sum()) + len(codes)
        steps += further
        above = above[above]
