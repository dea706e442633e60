"""What fronts and the part desk say to each other."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.parts.messages import MOST_BYTES, WORDS, Kind, Said

WORD = st.integers(0, (1 << 64) - 1)


@given(
    st.sampled_from(Kind),
    st.text(st.characters(codec="utf-8"), max_size=50),
    st.text(st.characters(codec="utf-8"), max_size=16),
    st.sampled_from(WORDS),
    st.tuples(WORD, WORD, WORD, WORD, st.integers(0, 255)),
)
def test_what_is_said_is_heard(kind: Kind, part: str, view: str, word: str, numbers: tuple[int, ...]) -> None:
    by_ns, request, came_ns, flow, slot = numbers
    said = Said(kind, part, by_ns, request, word, view, came_ns, slot, flow)
    packed = said.pack()
    assert len(packed) <= MOST_BYTES
    assert Said.unpack(packed) == said


@given(st.binary(max_size=100))
def test_what_is_no_message_is_no_message(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"version|message"):
        Said.unpack(packed)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_message_that_is_cut_off_is_none(cut: int) -> None:
    packed = Said(Kind.FRAME, "4711", 1, view="top").pack()
    with pytest.raises(ValueError, match=r"version|message"):
        Said.unpack(packed[:-cut])
