"""Where a JPEG's scan ends: the library and Python's search say the same of any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.gate import jpeg_scan
from workers.gate.jpeg_scan import end_of_scan

# bytes that mean something beside those that mean nothing, so that ends are frequent and at every place
_ODD = st.sampled_from([b"\xff", b"\x00", b"\xd0", b"\xd7", b"\xd8", b"\xcf", b"\xd9", b"\x01", b"\xfe"])
_PLAIN = st.integers(0, 300).map(lambda count: b"\x42" * count)
_STUFFED = st.integers(0, 200).map(lambda count: b"\xff\x00" * count)


@pytest.fixture(autouse=True)
def _built() -> None:
    assert jpeg_scan._library is not None


@given(st.lists(st.one_of(_ODD, _PLAIN, _STUFFED), max_size=12).map(b"".join).filter(bool), st.integers(0, 40))
def test_the_library_finds_what_the_search_finds(data: bytes, at: int) -> None:
    at = min(at, len(data))
    found = jpeg_scan._SCAN_END.search(data, at)
    expected = found.start() if found else len(data)
    assert end_of_scan(memoryview(data), at) == expected


@pytest.mark.parametrize("length", [*range(250, 262), *range(506, 518)])
@pytest.mark.parametrize("marker", [b"\xff\xd9", b"\xff\x01", b"\xff\xd8", b"\xff\xcf"])
def test_an_end_is_found_across_the_edge_of_a_block(length: int, marker: bytes) -> None:
    data = memoryview(b"\x42" * length + marker + b"\x00" * 600)
    assert end_of_scan(data, 0) == length


@pytest.mark.parametrize("tail", [b"\xff", b"\xff\xff", b"\xff\x00", b"\xff\xd3", b""])
def test_data_without_an_end_ends_itself(tail: bytes) -> None:
    data = memoryview(b"\x42" * 511 + tail)
    assert end_of_scan(data, 0) == len(data)


def test_without_the_library_python_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_scan, "_library", None)
    assert end_of_scan(memoryview(b"\x42\xff\x00\xff\xd9"), 0) == 3
    assert end_of_scan(memoryview(b"\x42\xff\x00"), 0) == 3
