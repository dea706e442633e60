"""What a JPEG may have that is not as it should be and changes no pixel: it is told, and no decoder sees it.

The rule is that of docs/adr/0019: what can change a pixel is refused, the rest is noted.
"""

from __future__ import annotations

import struct

_HEAD_BYTES = 4  # marker and length of a segment
_SEQUENTIAL = bytes((0, 63, 0))  # coefficients 0 to 63, all bits: what sequential decoders read whatever stands there
_JFIF, _ICC, _MPF = b"JFIF\0", b"ICC_PROFILE\0", b"MPF\0"
_JFIF_BYTES, _JFIF_MAJOR = 14, 1
_MPF_ENTRIES = 0xB002  # CIPA DC-007: attribute, size, offset, and two numbers of dependent images
_MPF_ENTRY_BYTES = 16


class Edits:
    """Places of a file that decoders are not to see as they are; `notes` say why."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._places: list[tuple[int, int, bytes]] = []

    def replace(self, start: int, end: int, instead: bytes = b"") -> None:
        """Have the bytes from `start` to `end` decoded as if `instead` stood there."""
        self._places.append((start, end, instead))

    def kept(self, end: int) -> tuple[tuple[int, int] | bytes, ...]:
        """Return what to decode of a file that goes to `end`; empty where nothing is to be changed."""
        parts: list[tuple[int, int] | bytes] = []
        at = 0
        for start, behind, instead in sorted(self._places):
            parts += [(at, start), instead]
            at = behind
        return (*parts, (at, end)) if parts else ()

    def correct_scan(self, at: int, payload: memoryview, *, progressive: bool) -> None:
        """Note what a scan header at `at` says about coefficients, where they are all in one scan anyway."""
        if progressive or payload[-3:] == _SEQUENTIAL:
            return
        behind = at + _HEAD_BYTES + len(payload)
        self.replace(behind - len(_SEQUENTIAL), behind, _SEQUENTIAL)
        self.notes.append(
            f"the JPEG's scan header at byte {at} names coefficients {bytes(payload[-3:]).hex()}, not 003f00"
        )

    def correct_jfif(self, at: int, payload: memoryview) -> None:
        """Note a version of JFIF that does not exist; it says nothing about pixels."""
        version_at = len(_JFIF)
        if len(payload) < _JFIF_BYTES or payload[:version_at] != _JFIF or payload[version_at] == _JFIF_MAJOR:
            return
        start = at + _HEAD_BYTES + version_at
        self.replace(start, start + 1, bytes((_JFIF_MAJOR,)))
        self.notes.append(f"the JPEG says that it is JFIF of version {payload[version_at]}, which does not exist")


class IccSegments:
    """The pieces of a JPEG's colour profile, which is not applied; a decoder reads them all the same."""

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []
        self._numbers: list[tuple[int, int]] = []  # which piece of how many
        self._bytes = 0

    def add(self, at: int, payload: memoryview) -> None:
        """Take in a segment APP2 at `at`, which need not be one of them."""
        if len(payload) < len(_ICC) + 2 or payload[: len(_ICC)] != _ICC:
            return
        self._places.append((at, at + _HEAD_BYTES + len(payload)))
        self._numbers.append((payload[len(_ICC)], payload[len(_ICC) + 1]))
        self._bytes += len(payload) - len(_ICC) - 2

    def drop_if_broken(self, edits: Edits) -> None:
        """Have them left out unless each is there once, as libjpeg wants it."""
        count = len(self._numbers)
        if not count or (self._bytes and set(self._numbers) == {(number, count) for number in range(1, count + 1)}):
            return
        for start, end in self._places:
            edits.replace(start, end)
        edits.notes.append(f"the JPEG's ICC profile is broken: its {count} segments are not each there once")


def announced_images(at: int, payload: memoryview) -> frozenset[int]:
    """Return where further images begin, in bytes of the file, by the segment APP2 at `at`: the index of an MPO."""
    if payload[: len(_MPF)] != _MPF:
        return frozenset()
    index = payload[len(_MPF) :]
    order = "<" if bytes(index[:2]) == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, directory)
        fields = [struct.unpack_from(f"{order}HHII", index, directory + 2 + 12 * n) for n in range(count)]
    except struct.error:
        return frozenset()  # broken, so it announces nothing
    starts: list[int] = []
    for tag, _kind, length, entries in fields:
        if tag == _MPF_ENTRIES and entries + length <= len(index):
            places = range(entries, entries + length - _MPF_ENTRY_BYTES + 1, _MPF_ENTRY_BYTES)
            starts += [struct.unpack_from(f"{order}8xI", index, place)[0] for place in places]
    return frozenset(at + _HEAD_BYTES + len(_MPF) + start for start in starts if start)
