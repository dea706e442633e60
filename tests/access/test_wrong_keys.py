"""Who tries keys out is turned away after ten a minute; who shares an address with them is not."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterator

import httpx
import pytest

from service.access.attempts import A_MINUTE, Attempts, Kind
from service.access.heirloom import Heirloom
from tests.clients.guests import add_key, client_from
from tests.support.faults import until
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long


def _attempts() -> Attempts:
    heirloom = Heirloom.create()
    return Attempts(heirloom.attempts, heirloom.seed)


CHOSEN = "line-3"
_ADDRESSES = (f"127.0.2.{n}" for n in itertools.count(1))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    folder = tmp_path_factory.mktemp("tried")
    key = add_key("gateway", "analyze", folder / "keys.toml")
    arguments = ("--keys-file", str(folder / "keys.toml"), "--stop-key", "st0p", "--fronts", "2")
    with serving(write_project(folder / "p"), *arguments, env={"FRAMEMILL_API_KEY": CHOSEN}) as server:
        yield server, key


@pytest.fixture
def tried(guarded: tuple[Server, str]) -> Callable[..., httpx.Response]:
    """Ask for the status with a key, from an address that no other test uses, each time on a new connection."""
    address = next(_ADDRESSES)

    def ask(key: str, path: str = "/api/v1/status") -> httpx.Response:
        with client_from(address, guarded[0], **{"X-API-Key": key}) as client:
            return client.get(path)

    return ask


def test_after_ten_wrong_keys_the_address_is_told_when_to_come_back(
    guarded: tuple[Server, str], tried: Callable[..., httpx.Response]
) -> None:
    seen = [tried(f"wrong-{number}") for number in range(A_MINUTE + 20)]
    assert [answer.status_code for answer in seen] == [401] * A_MINUTE + [429] * 20
    for answer in seen[A_MINUTE:]:
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.json()["code"] == "too_many_attempts"
    until(lambda: any("10 wrong keys within a minute from 127.0.2." in line for line in guarded[0].log))


def test_a_random_key_is_right_all_the_same(guarded: tuple[Server, str], tried: Callable[..., httpx.Response]) -> None:
    for number in range(A_MINUTE + 5):
        tried(f"wrong-{number}")
    assert tried("wrong").status_code == 429
    assert tried(guarded[1]).status_code == 200
    assert tried("wrong").status_code == 429


def test_a_chosen_key_cannot_be_found_by_trying(tried: Callable[..., httpx.Response]) -> None:
    for number in range(A_MINUTE):
        tried(f"wrong-{number}")
    assert tried(CHOSEN).status_code == 429


def test_a_chosen_key_that_was_right_before_stays_right(tried: Callable[..., httpx.Response]) -> None:
    assert tried(CHOSEN).status_code == 200
    for number in range(A_MINUTE + 5):
        tried(f"wrong-{number}")
    assert tried(CHOSEN).status_code == 200


def test_no_key_at_all_is_not_an_attempt(guarded: tuple[Server, str]) -> None:
    with client_from(next(_ADDRESSES), guarded[0]) as client:
        assert {client.get("/").status_code for _ in range(A_MINUTE * 2)} == {401}


def test_another_address_is_not_concerned(tried: Callable[..., httpx.Response], guarded: tuple[Server, str]) -> None:
    for number in range(A_MINUTE + 1):
        tried(f"wrong-{number}")
    with client_from(next(_ADDRESSES), guarded[0]) as client:
        assert client.get("/", headers={"X-API-Key": "wrong"}).status_code == 401


def test_the_stop_key_is_counted_by_itself(tried: Callable[..., httpx.Response]) -> None:
    for number in range(A_MINUTE + 1):
        tried(f"wrong-{number}")
    seen = [tried("", f"/stop?key={number}").status_code for number in range(A_MINUTE + 3)]
    assert seen == [403] * A_MINUTE + [429] * 3
    assert tried("", "/stop?key=st0p").status_code == 429


def test_the_table_has_a_fixed_size_and_is_shared_with_processes_that_are_forked() -> None:
    attempts = _attempts()
    child = multiprocessing.get_context("fork").Process(target=_fail_ten_times, args=(attempts, "10.0.0.1"))
    child.start()
    child.join(60)
    assert attempts.fail("10.0.0.1") > 0
    size = len(attempts._words)
    for number in range(20_000):
        attempts.fail(f"10.1.{number // 250}.{number % 250}")
    assert len(attempts._words) == size


def _fail_ten_times(attempts: Attempts, address: str) -> None:
    for _ in range(A_MINUTE):
        attempts.fail(address)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "10.0.0.2", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str, other: str, same: bool) -> None:
    attempts = _attempts()
    _fail_ten_times(attempts, one)
    assert (attempts.wait_s(other) > 0) is same
    assert attempts.wait_s(one, Kind.STOP_KEY) == 0


def test_a_minute_later_it_may_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 10**9
    monkeypatch.setattr("service.access.attempts.time.monotonic_ns", lambda: now_ns)
    attempts = _attempts()
    for _ in range(A_MINUTE):
        assert attempts.fail("10.0.0.1") == 0
        now_ns += 10**9
    assert attempts.fail("10.0.0.1") == 50
    now_ns += 50 * 10**9
    assert attempts.fail("10.0.0.1") == 0
    assert attempts.fail("10.0.0.1") == 1
