"""A module that does not come back within its limit: its client is told which, its worker is replaced."""

from __future__ import annotations

from pathlib import Path
from threading import Timer

import pytest

from tests.support.faults import FRAME, RAW, faulty, post, until, whole
from tests.support.running import serving

LIMITED = '[[flow]]\nmodule = "code"\nfile = "code/fault.py"\nname = "hangs"\nlimit_ms = 200'
ENV = {"FRAMEMILL_DEADLINE_MS": "60000"}


@pytest.mark.long
def test_a_module_that_hangs_is_ended_at_its_limit_and_named(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p", LIMITED), "--workers", "1", env=ENV) as server:
        assert post(server, "").json()["errors"] == []
        answer = post(server, "spin")
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        named = "module 1 (hangs) took longer than it may (limit_ms = 200)"
        assert answer.json()["detail"].startswith(f"{named}; the process that ran it was ended: it waited ")
        assert "module 1 (hangs), code/fault.py, line " in answer.json()["detail"]
        until(lambda: whole(server))
        assert server.status()["workers"]["deaths"] == 1
        log = "".join(server.log)
        assert f"is killed: {named}" in log
        assert "fault.py" in log  # where it was
        # the limit of a frame is none of the next
        with server.client() as client:
            assert client.post(RAW, content=FRAME).json()["errors"] == []
        assert "run_ms" not in log.partition("is killed")[2]


@pytest.mark.long
def test_a_module_without_a_limit_may_take_longer_than_one_that_had_one(tmp_path: Path) -> None:
    quick = '[[flow]]\nmodule = "brightness"\nlimit_ms = 20'
    with serving(faulty(tmp_path / "p", quick), "--workers", "1", env=ENV) as server:
        gate = server.project / "data" / "go"
        gate.parent.mkdir(exist_ok=True)
        answers = [post(server, "")]
        Timer(0.3, gate.touch).start()  # far beyond the limit of the module before it
        answers.append(post(server, "wait:go"))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert server.status()["workers"]["deaths"] == 0
