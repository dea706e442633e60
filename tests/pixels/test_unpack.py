"""10, 12 and 16 bits to 8, or whole, against bytes that a slow packer made bit by bit from the written definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import InvalidParameter
from workers.pixels.pixel_format import FORMATS, Packing, PixelFormat
from workers.pixels.unpack import unpack_to_8bit, unpack_to_16bit

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEP = sorted(name for name, known in FORMATS.items() if known.bits > 8)
MONO = [name for name in DEEP if name.startswith("Mono")]


def _place_of_bit(known: PixelFormat, sample: int, bit: int) -> int:
    """Where bit `bit` of sample `sample` lies in the frame, counted from bit 0 of byte 0."""
    if known.packing is Packing.WORDS_LE:
        return sample * 16 + bit
    if known.packing is Packing.LSB:
        return sample * known.bits + bit
    pair, second = divmod(sample, 2)
    low_bits = known.bits - 8
    if bit < low_bits:  # in the middle byte: the first pixel's in the low half, the second one's in the high half
        return pair * 24 + 8 + 4 * second + bit
    return pair * 24 + 16 * second + bit - low_bits


def _packed(known: PixelFormat, samples: list[int]) -> bytes:
    frame = bytearray(known.frame_bytes(len(samples), 1))
    for index, sample in enumerate(samples):
        for bit in range(known.bits):
            if sample >> bit & 1:
                byte, within = divmod(_place_of_bit(known, index, bit), 8)
                frame[byte] |= 1 << within
    return bytes(frame)


def _unpacked(known: PixelFormat, frame: bytes, samples: int) -> list[int]:
    # between two guards: a write outside `out` would show
    guarded = np.full(samples + 2, 0xA5, np.uint8)
    unpack_to_8bit(np.frombuffer(frame, np.uint8), known, guarded[1:-1])
    assert guarded[0] == guarded[-1] == 0xA5
    values: list[int] = guarded[1:-1].tolist()
    return values


def _whole(known: PixelFormat, frame: bytes, samples: int) -> list[int]:
    guarded = np.full(samples + 2, 0xA5A5, np.uint16)
    unpack_to_16bit(np.frombuffer(frame, np.uint8), known, guarded[1:-1])
    assert guarded[0] == guarded[-1] == 0xA5A5
    values: list[int] = guarded[1:-1].tolist()
    return values


@pytest.mark.parametrize(
    ("name", "frame", "samples"),
    [
        # P0 = 0x2AB, P1 = 0x155
        ("Mono10Packed", "AA 13 55", [0x2AB, 0x155]),
        ("Mono12Packed", "AB 3C 12", [0xABC, 0x123]),
        ("Mono12p", "BC 3A 12", [0xABC, 0x123]),
        # 0b11_0000_0001, 0b00_1111_1110, 0b10_1010_1010, 0b01_0101_0101
        ("Mono10p", "01 FB A3 6A 55", [0x301, 0x0FE, 0x2AA, 0x155]),
        ("Mono10", "AB 02 55 01", [0x2AB, 0x155]),
        ("Mono12", "BC 0A 23 01", [0xABC, 0x123]),
        ("Mono16", "CD AB 34 12", [0xABCD, 0x1234]),
    ],
)
def test_frames_packed_by_hand_come_out_right(name: str, frame: str, samples: list[int]) -> None:
    known = FORMATS[name]
    assert _packed(known, samples) == bytes.fromhex(frame)
    top_bits = [sample >> (known.bits - 8) for sample in samples]
    assert _unpacked(known, bytes.fromhex(frame), len(samples)) == top_bits
    assert _whole(known, bytes.fromhex(frame), len(samples)) == samples


def test_the_two_packed_families_read_the_same_bytes_differently() -> None:
    frame = bytes.fromhex("BC 3A 12")
    assert _unpacked(FORMATS["Mono12p"], frame, 2) == [0xAB, 0x12]
    assert _unpacked(FORMATS["Mono12Packed"], frame, 2) == [0xBC, 0x12]


def _every_bit_alone(known: PixelFormat, samples: int) -> Iterator[list[int]]:
    for index in range(samples):
        for bit in range(known.bits):
            yield [1 << bit if place == index else 0 for place in range(samples)]


@pytest.mark.parametrize("name", MONO)
def test_each_single_bit_reaches_its_own_sample_and_no_other(name: str) -> None:
    known = FORMATS[name]
    for samples in _every_bit_alone(known, 9):
        top_bits = [sample >> (known.bits - 8) for sample in samples]
        assert _unpacked(known, _packed(known, samples), 9) == top_bits


@pytest.mark.parametrize("name", MONO)
def test_every_value_of_a_sample_keeps_its_top_bits(name: str) -> None:
    known = FORMATS[name]
    # an odd step: neighbours differ in every bit position, and each of the values comes by
    count = 1 << min(known.bits, 12)
    samples = [(index * 1237) % (1 << known.bits) for index in range(count)]
    top_bits = [sample >> (known.bits - 8) for sample in samples]
    assert _unpacked(known, _packed(known, samples), count) == top_bits


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(DEEP))
def test_frames_of_any_length_come_out_right(data: st.DataObject, name: str) -> None:
    known = FORMATS[name]
    sample = st.integers(0, (1 << known.bits) - 1)
    samples = data.draw(st.lists(sample, min_size=1, max_size=70))
    top_bits = [value >> (known.bits - 8) for value in samples]
    assert _unpacked(known, _packed(known, samples), len(samples)) == top_bits


@pytest.mark.parametrize("name", MONO)
def test_a_frame_need_not_start_on_an_even_address(name: str) -> None:
    known = FORMATS[name]
    samples = [(index * 77) % (1 << known.bits) for index in range(101)]
    shifted = np.frombuffer(b"\xff" + _packed(known, samples), np.uint8)[1:]
    out = np.empty(101, np.uint8)
    unpack_to_8bit(shifted, known, out)
    assert out.tolist() == [sample >> (known.bits - 8) for sample in samples]


@pytest.mark.parametrize(("name", "largest"), [("Mono10", 1023), ("BayerGR10", 1023), ("BayerRG12", 4095)])
def test_a_word_with_more_bits_than_the_format_has_is_refused(name: str, largest: int) -> None:
    known = FORMATS[name]
    words = np.zeros(5000, "<u2")
    words[-1] = largest
    out = np.empty(5000, np.uint8)
    unpack_to_8bit(words.view(np.uint8), known, out)
    assert out[-1] == 255
    words[-1] = largest + 1
    with pytest.raises(InvalidParameter, match=f"not {name}: it holds a sample of {largest + 1}.* to {largest}$"):
        unpack_to_8bit(words.view(np.uint8), known, out)


def test_a_big_endian_frame_is_refused_instead_of_turned_into_noise() -> None:
    samples = np.arange(0, 1024, dtype=">u2")
    with pytest.raises(InvalidParameter, match="not Mono10"):
        unpack_to_8bit(samples.view(np.uint8), FORMATS["Mono10"], np.empty(1024, np.uint8))
