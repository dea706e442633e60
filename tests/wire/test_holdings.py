"""The account of what a front holds for clients: a sum for all, a share for each, and who goes when it is full."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.wire.holdings import Holding, Holdings
from workers.errors import NoFreeSlot


def _never() -> None:
    raise AssertionError("nobody needed this room")


def test_what_is_held_is_counted_for_its_client_and_in_all() -> None:
    account = Holdings(100, 1.0)
    with account.hold("a", 10, _never) as first, account.hold("b", 5, _never):
        first.grow(20)
        assert (account.of("a"), account.of("b"), account.total_bytes) == (30, 5, 35)
        first.shrink(25)
        assert (account.of("a"), first.count) == (5, 5)
    assert (account.of("a"), account.of("b"), account.total_bytes) == (0, 0, 0)


def test_releasing_twice_counts_once() -> None:
    account = Holdings(100, 1.0)
    kept = account.hold("a", 10, _never)
    again = account.hold("a", 10, _never)
    again.release()
    again.release()
    again.shrink(10)
    assert (account.total_bytes, kept.count, again.is_over) == (10, 10, True)


def test_a_client_has_no_more_than_its_share() -> None:
    account = Holdings(100, 0.5)
    first = account.hold("a", 50, _never)
    with pytest.raises(NoFreeSlot, match="share"):
        first.grow(1)
    with pytest.raises(NoFreeSlot, match="share"):
        account.hold("a", 1, _never)
    assert (account.total_bytes, first.is_over) == (50, False)


def test_the_largest_piece_of_the_client_that_holds_most_goes_first() -> None:
    account, gone = Holdings(100, 1.0), []
    account.hold("small", 10, _never)
    account.hold("big", 30, _never)
    second = account.hold("big", 40, lambda: gone.append("second"))
    account.hold("other", 30, _never)
    assert gone == ["second"]
    assert second.is_over
    assert account.total_bytes == 70
    with pytest.raises(NoFreeSlot):
        second.grow(1)


def test_of_equal_pieces_the_oldest_goes() -> None:
    account = Holdings(90, 1.0)
    gone: list[int] = []
    for number in range(3):
        account.hold("big", 30, partial(gone.append, number))
    account.hold("small", 40, _never)
    assert gone == [0, 1]


def test_who_would_hold_most_is_refused_and_nobody_goes_for_him() -> None:
    account = Holdings(100, 1.0)
    account.hold("a", 30, _never)
    mine = account.hold("b", 70, _never)
    with pytest.raises(NoFreeSlot):
        mine.grow(1)
    with pytest.raises(NoFreeSlot):
        account.hold("c", 80, _never)
    assert (account.of("b"), account.total_bytes) == (70, 100)


def test_what_is_let_go_is_forgotten_without_the_collector() -> None:
    class Body:
        holding: Holding

        def let_go(self) -> None:
            self.holding.release()

    account = Holdings(100, 1.0)
    body = Body()
    body.holding = account.hold("big", 90, body.let_go)
    gone = weakref.ref(body)
    del body
    gc.disable()
    try:
        account.hold("small", 20, _never)
        assert gone() is None
    finally:
        gc.enable()


def test_bytes_that_drip_are_held_in_whole_pages() -> None:
    account = Holdings(100_000, 1.0)
    held = account.hold("a", 0, _never)
    counts = []
    for total in (1, 2, 4096, 4097):
        held.cover(total)
        counts.append(held.count)
    assert counts == [4096, 4096, 4096, 8192]
    held.release()
    with pytest.raises(NoFreeSlot):
        held.cover(1)


def test_what_was_abandoned_makes_room_for_who_comes_next() -> None:
    account = Holdings(100, 1.0)
    account.hold("a", 90, _never).abandon()
    account.hold("b", 95, _never)
    assert (account.of("a"), account.total_bytes) == (0, 95)


def test_threads_may_hold_and_let_go_at_once() -> None:
    account = Holdings(1000, 0.5)
    mistakes = []

    def come_and_go(client: str) -> None:
        for count in range(1, 2000):
            try:
                with account.hold(client, count % 300, lambda: None) as holding:
                    holding.grow(count % 7)
                    holding.shrink(count % 5)
            except NoFreeSlot:
                continue
            if not 0 <= account.total_bytes <= 1000:
                mistakes.append(account.total_bytes)

    threads = [threading.Thread(target=come_and_go, args=(f"client {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mistakes
    assert account.total_bytes == 0


_STEPS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["hold", "grow", "shrink", "release"]), st.integers(0, 60)),
    max_size=60,
)


@given(_STEPS)
def test_whatever_comes_the_sums_are_right_and_nobody_goes_for_a_larger_one(steps: list[tuple[str, str, int]]) -> None:
    account = Holdings(100, 0.8)
    held: list[Holding] = []
    for client, step, count in steps:
        own = [holding for holding in held if holding.client == client and not holding.is_over]
        before, mine = Counter({name: account.of(name) for name in "abcd"}), account.of(client) + count
        try:
            if step == "hold":
                held.append(account.hold(client, count, lambda: None))
            elif own and step == "grow":
                own[count % len(own)].grow(count)
            elif own and step == "shrink":
                own[count % len(own)].shrink(count)
            elif own:
                own[count % len(own)].release()
        except NoFreeSlot:
            assert mine > account.share_bytes or before.total() + count > account.most_bytes
            assert before == Counter({name: account.of(name) for name in "abcd"})
        for name in "abcd":
            live = sum(holding.count for holding in held if holding.client == name)
            assert account.of(name) == live <= account.share_bytes
            if name != client and account.of(name) < before[name]:
                assert before[name] > mine
        assert account.total_bytes == sum(account.of(name) for name in "abcd") <= account.most_bytes
