"""A frame that ended its workers and cannot be kept is counted, and answered all the same."""

from __future__ import annotations

from tests.support.faults import faulty_server as faulty_server  # noqa: PLC0414 - a fixture
from tests.support.faults import post
from tests.support.running import Server


def _not_kept(server: Server) -> float:
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("framemill_frames_not_kept_total "))


def test_a_frame_that_cannot_be_kept_is_counted(server: Server) -> None:
    assert post(server, "kill").json()["code"] == "worker_crashed"
    assert _not_kept(server) == 0
    quarantine = server.project / ".framemill" / "quarantine"
    quarantine.rename(quarantine.with_name("elsewhere"))
    quarantine.touch()  # no folder can be made here
    for counted in (1, 2):
        assert post(server, "kill").json()["code"] == "worker_crashed"
        assert (_not_kept(server), server.status()["frames"]["not_kept"]) == (counted, counted)
