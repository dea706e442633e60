"""When alerts are on: each judge, told of frames and of the server; and settings that are none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from service.alert_settings import AnyAlert
from service.alerts.judges import Facts, Frame, Judge, judge_of, sentence
from service.results.seats import Follows
from service.settings import load_settings
from workers.errors import SettingsInvalid

NOTHING = Facts()
ALERT: TypeAdapter[Any] = TypeAdapter(AnyAlert)
OK, NOK = Frame("top", True, True), Frame("top", False, True, ["scratch"])
ERROR = Frame("top", False, False)


def judge(when: str, **values: Any) -> Judge:
    return judge_of(ALERT.validate_python({"name": "a", "when": when, **values}))


def again(one: Judge, when: str, **values: Any) -> Judge:
    """The judge of the process that follows: it knows what can be written down."""
    other = judge(when, **values)
    other.kept = orjson.loads(orjson.dumps(one.kept))
    return other


def test_a_yield_is_that_of_its_minutes_and_of_enough_frames() -> None:
    said = {"percent": 90, "within_min": 1, "at_least_frames": 10}
    one = judge("yield_below", **said)
    for _ in range(9):
        one.see(NOK, 100)
    assert one.why(NOTHING, 100) is None  # too few
    one.see(ERROR, 101)
    why = again(one, "yield_below", **said).why(NOTHING, 101)
    assert why is not None
    assert sentence("yield_below", why) == "0 % of 10 frames of the last 1 min are OK, less than 90 %"
    for _ in range(90):
        one.see(OK, 110)
    assert one.why(NOTHING, 110) is None  # 90 of 100: not below
    one.see(NOK, 111)
    assert one.why(NOTHING, 111)
    assert one.why(NOTHING, 162) is None  # the first ten are over a minute old
    one.forget()
    assert one.why(NOTHING, 162) is None


def test_a_row_is_one_of_a_camera_and_a_label() -> None:
    one = judge("nok_in_a_row", frames=2, label="scratch")
    one.see(NOK, 1)
    one.see(NOK._replace(camera="left"), 1)
    assert one.why(NOTHING, 1) is None
    one.see(NOK._replace(labels=["dent"]), 1)
    one.see(NOK, 1)
    assert one.why(NOTHING, 1) is None
    one.see(ERROR, 1)  # says nothing of the part
    one.see(NOK, 1)
    why = again(one, "nok_in_a_row", frames=2, label="scratch").why(NOTHING, 1)
    assert why == {"frames": 2, "label": "scratch", "camera": "top"}
    for number in range(100):
        one.see(NOK._replace(camera=str(number)), 1)
    assert len(one.kept["rows"]) == 64


def test_silence_ends_with_a_frame() -> None:
    one = judge("no_frame", for_s=10, camera="top")
    assert one.why(NOTHING, 100) is None
    one.see(OK._replace(camera="left"), 109)
    assert one.why(NOTHING, 111) == {"s": 11, "camera": "top"}
    one.see(ERROR, 111)
    assert one.why(NOTHING, 112) is None


def test_a_disk_that_was_full_must_have_some_room_before_it_is_none() -> None:
    one, mib = judge("disk_below", free_mib=100), 1 << 20
    frees = [None, 101 * mib, 99 * mib, 104 * mib, 105 * mib]
    assert [one.why(Facts(free), 1) is not None for free in frees] == [False, False, True, True, False]


def test_deaths_are_those_of_some_minutes() -> None:
    one = judge("worker_deaths", more_than=2, within_min=1)
    assert one.why(Facts(None, 2), 100) is None
    assert one.why(Facts(None, 3), 130) == {"deaths": 3, "min": 1}
    assert one.why(Facts(None, 3), 161) is None
    assert one.why(Facts(None, 5), 162) == {"deaths": 3, "min": 1}


def test_a_follower_that_is_behind_or_misses_some_or_is_not_there() -> None:
    one, named = judge("follower_behind", records=10), judge("follower_behind", records=10, follower="history")

    def facts(behind: int, missed: int, *, is_there: bool = True) -> Facts:
        return Facts(followers=(Follows("history", is_there, behind, missed),))

    assert one.why(facts(10, 0), 1) is None
    assert one.why(facts(11, 0), 1) == {"follower": "history", "behind": 11, "missed": 0}
    assert one.why(facts(0, 1), 2) == {"follower": "history", "behind": 0, "missed": 1}
    assert one.why(facts(0, 1), 63) is None
    assert one.why(facts(0, 1, is_there=False), 64) is None
    assert named.why(Facts(), 1) == {"follower": "history", "behind": 0, "missed": 0}


def test_every_mistake_in_the_settings_is_told() -> None:
    tables = [
        {"name": "a b", "when": "yield_below", "percent": 101, "within_min": 1},
        {"name": "x", "when": "nope"},
        {"name": "z", "when": "no_frame", "for_s": 3, "zz": 1},
        {"name": "unknown", "when": "no_frame", "for_s": 3},
    ]
    with pytest.raises(SettingsInvalid) as told:
        load_settings({"alerts": tables, "alert_webhook": "ftp://x"}, {})
    for said in ("1, yield_below, name", "1, yield_below, percent", "'nope'", "3, no_frame, zz: there is no such"):
        assert said in told.value.message
    assert "alert_webhook: an address was expected" in told.value.message
    assert len(told.value.message.splitlines()) == 6


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "a"}, "[[server.alerts]]"),
        ("[{", "in JSON was expected"),
        ([{"name": "a", "when": "no_frame", "for_s": 1}] * 2, "several are called a"),
    ],
)
def test_what_is_no_list_of_alerts_is_told(given: Any, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"\[server\] alerts: ") as told:
        load_settings({"alerts": given}, {})
    assert said in told.value.message


def test_the_command_line_takes_json() -> None:
    (alert,) = load_settings({}, {"alerts": '[{"name":"a","when":"no_frame","for_s":1,"hold":true}]'}).alerts
    assert (alert.name, alert.hold) == ("a", True)
