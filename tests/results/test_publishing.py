"""What a front tells of a frame: errors, refusals as counts, large contexts; never at the cost of an answer."""

from __future__ import annotations

import orjson
import pytest

from service.results.follow import Start
from service.results.record import MOST_CONTEXT_BYTES, Kind
from tests.results.house import House
from tests.support.faults import until
from workers.errors import DeadlineExceeded, InternalError, InvalidParameter, NoFreeSlot


def test_an_error_has_its_status_and_a_fault_of_ours_tells_nothing(server: House) -> None:
    with server.follow() as follower:
        server.fail(DeadlineExceeded("it was late"), slot=1)
        server.fail(InvalidParameter("width is wrong"))
        server.fail(InternalError("secret"), slot=1)
        server.fail(KeyError("secret"), slot=1)
        found = [record.document() for record in follower.read()]
    assert [one["status"] for one in found] == [504, 400, 500, 500]
    assert found[0]["error"] == {"code": "deadline_exceeded", "message": "it was late"}
    assert "secret" not in str(found[3])
    assert {one["camera"] for one in found} == {"10.0.0.9"}
    assert len({one["id"] for one in found}) == 4


def _told(server: House) -> bool:
    """Whether the second of the last refusal is over, and all were told."""
    server.publishers[0].call_time()
    return not server.publishers[0]._refusals._counts


def test_refusals_are_counted_by_client_and_second(server: House) -> None:
    with server.follow() as follower:
        for number in range(5000):
            server.fail(NoFreeSlot("full"), client=f"10.0.0.{number % 4}", is_refused=True)
        server.fail(DeadlineExceeded("not begun"), client="10.0.0.1", is_refused=True)
        until(lambda: _told(server))
        records = follower.read()
    assert {record.head.kind for record in records} == {Kind.REFUSALS}
    assert len(records) < 20
    counts: dict[tuple[str, int], int] = {}
    for record in records:
        for entry in record.told["refused"]:
            key = entry["client"], entry["status"]
            counts[key] = counts.get(key, 0) + entry["count"]
    assert counts == {**{(f"10.0.0.{n}", 429): 1250 for n in range(4)}, ("10.0.0.1", 504): 1}


def test_a_flood_of_wrong_requests_is_counted_beyond_some(server: House) -> None:
    """Each costs its sender nothing: 5,000 in a moment do not push parts out."""
    with server.follow(start=Start.OLDEST) as follower:
        server.answer("a part")
        for _ in range(5000):
            server.fail(InvalidParameter("width is wrong, " * 100))
        records = follower.read(10_000)
        assert records[0].about["part"] == "a part"
        assert follower.missed == 0
        alone = sum(record.head.kind is Kind.FRAME for record in records) - 1
        assert 200 <= alone < 5000


def test_very_many_clients_are_one_behind_the_first(server: House) -> None:
    with server.follow() as follower:
        for number in range(1000):
            server.fail(NoFreeSlot("full"), client=f"client {number}", is_refused=True)
        until(lambda: _told(server))
        records = follower.read()
    assert sum(entry["count"] for record in records for entry in record.told["refused"]) == 1000
    assert all(len(record.told["refused"]) <= 65 for record in records)


def test_a_large_context_is_left_out_and_counted_and_what_matters_of_it_is_kept(server: House) -> None:
    rectangle = {"classNames": [{"label": "scratch"}]}
    large = orjson.dumps({"score": 0.7, "text": "x" * MOST_CONTEXT_BYTES, "detectedRectangles": [rectangle]})
    with server.follow() as follower:
        server.answer("large", context=large, verdict=False)
        server.answer("huge", context=large + b" " * (2 << 20), verdict=False)
        server.answer("usual")
        found, huge, usual = (record.document() for record in follower.read())
    assert server.left_out == 2
    assert (found["score"], found["labels"], found["verdict"]) == (0.7, ["scratch"], "NOK")
    assert found["contextLeftOutBytes"] == len(large)
    assert "context" not in found
    assert (huge["verdict"], huge["score"]) == ("NOK", None)
    assert usual["context"]["score"] == 0.5


def test_a_ring_of_another_server_in_bad_hands_costs_no_answer(server: House, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong while it is told, the frame has its answer; the log says so."""
    server.publishers[0]._ring._words.release()
    server.answer("lost")
    server.fail(DeadlineExceeded("late"), slot=1)
    assert caplog.text.count("the result of a frame could not be kept") == 2
