"""A real server: what it watches, whom it tells, and how a line is held, whoever is killed meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.receiver import KEY, Receiver, receiving
from tests.results.served import FRAME, RAW, follow, next_frames, post, project_in
from tests.succession.upgrades import line_of_servers
from tests.support.faults import children_of, fronts_master, is_gone, program_of, until
from tests.support.running import Server, command, serving

pytestmark = pytest.mark.long

ALERTS = """
[[server.alerts]]
name = "scratches"
when = "nok_in_a_row"
label = "scratch"
frames = 3
hold = true

[[server.alerts]]
name = "died"
when = "worker_deaths"
more_than = 0
within_min = 10
"""


def project_of(folder: Path, url: str = "", alerts: str = ALERTS) -> Path:
    key = folder.parent / "webhook.key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text(f"{KEY}\n")
    to = f'alert_webhook = "{url}"\nalert_webhook_key_file = "{key}"\n' if url else ""
    return project_in(folder, f"[server]\nworkers = 1\n{to}{alerts}")


@pytest.fixture(name="receiver", scope="module")
def one_receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Server]:
    with serving(project_of(tmp_path_factory.mktemp("alerts") / "p", receiver.url), "--workers", "1") as running:
        yield running


def alerts(server: Server) -> dict[str, Any]:
    with server.client() as client:
        found = client.get("/api/v1/alerts").raise_for_status().json()
        return {**found, "by_name": {one["name"]: one for one in found["alerts"]}}


def hold(server: Server, name: str = "scratches") -> None:
    for _ in range(3):
        post(server, "nok")
    until(lambda: alerts(server)["held"] == name)


def acknowledge(server: Server, name: str = "scratches") -> Any:
    with server.client() as client:
        return client.post(f"/api/v1/alerts/{name}/acknowledge")


def judging(server: Server) -> int:
    return program_of(server, "service.alerts.process")


def test_three_of_a_kind_hold_the_line_until_somebody_acknowledges_them(server: Server, receiver: Receiver) -> None:
    post(server, "nok"), post(server, "nok"), post(server)
    assert alerts(server)["held"] is None
    with follow(server) as follower:
        hold(server)
        held = post(server, part="7").json()
        assert (held["result"], held["held"], held["heldResult"]) == (False, "scratches", True)
        record = next_frames(follower, 4)[-1]
        assert (record.word, record.document()["held"]) == ("NOK", "scratches")
    found = alerts(server)["by_name"]["scratches"]
    assert (found["held"], found["active"], found["open"], found["acknowledged"]) == (True, True, True, None)
    assert found["text"] == "3 frames in a row from 127.0.0.1 are NOK with scratch"
    answer = acknowledge(server)
    assert (answer.status_code, answer.json()["held"]) == (200, False)
    free = post(server).json()
    assert free["result"] is True
    assert "held" not in free
    until(lambda: not alerts(server)["by_name"]["scratches"]["active"])
    assert alerts(server)["by_name"]["scratches"]["acknowledged"]["address"] == "127.0.0.1"
    until(lambda: ("alert.ended", "scratches") in receiver.names())
    assert receiver.names()[:2] == [("alert.began", "scratches"), ("alert.ended", "scratches")]
    assert receiver.forged == 0
    said = receiver.received[0]["data"]
    assert (said["project"], said["hold"], said["values"]["frames"]) == ("p", True, 3)


def test_the_fast_way_is_held_too_and_pictures_and_the_switch(server: Server) -> None:
    camera = http.client.HTTPConnection("127.0.0.1", server.port)

    def send(path: str = f"{RAW}&data=") -> Any:
        camera.request("POST", path, FRAME)
        answer = camera.getresponse()
        return json.loads(answer.getheader("ContextBase64utf") or answer.read())

    try:
        assert [send()["result"] for _ in range(3)] == [True] * 3
        hold(server)
        assert [send()["held"] for _ in range(3)] == ["scratches"] * 3
        with server.client() as client:
            client.put("/api/v1/process", json={"process": False}).raise_for_status()
            off = send()
            assert (off["result"], off["held"], off["processing"]) == (False, "scratches", False)
            client.put("/api/v1/process", json={"process": True}).raise_for_status()
        acknowledge(server)
        assert [send()["result"] for _ in range(3)] == [True] * 3
    finally:
        camera.close()


def test_a_hold_survives_whoever_is_killed(server: Server) -> None:
    hold(server)
    for pid in (judging(server), _front(server)):
        os.kill(pid, signal.SIGKILL)
        until(partial(is_gone, pid))
        assert post(server).json()["held"] == "scratches"
    assert post(server, "kill").json()["code"] == "worker_crashed"
    assert post(server).json()["held"] == "scratches"
    assert judging(server)
    assert acknowledge(server).json()["held"] is False
    assert post(server).json()["result"] is True


def test_what_is_known_survives_the_one_who_knows_it(server: Server, receiver: Receiver) -> None:
    until(lambda: not alerts(server)["by_name"]["scratches"]["active"])
    before = alerts(server)["by_name"]["scratches"]["times"]
    post(server, "nok")
    with follow(server) as follower:
        post(server, "nok")
        next_frames(follower)
    until(lambda: all(one["behind"] == 0 for one in server.status()["followers"] if one["name"] == "alerts"))
    pid = judging(server)
    os.kill(pid, signal.SIGKILL)
    until(lambda: judging(server) not in {0, pid})
    post(server, "nok")  # the third: the two before were seen by the one that is gone
    until(lambda: alerts(server)["held"])
    assert alerts(server)["by_name"]["scratches"]["times"] == before + 1
    assert len(receiver.ids) == len(set(receiver.ids))
    acknowledge(server)


def test_workers_that_die_are_told_of_and_nothing_is_held(server: Server) -> None:
    until(lambda: alerts(server)["by_name"]["died"]["active"])  # of the test above, or of this one
    with server.client() as client:
        text = client.get("/metrics").text
    assert 'framemill_alert_active{alert="died"} 1.0' in text
    assert 'framemill_alert_held{alert="scratches"} 0.0' in text
    assert "framemill_alert_deliveries_total{" in text
    assert acknowledge(server, "died").json()["open"] is False


def test_who_asks_for_an_alert_that_is_not_there_is_told(server: Server) -> None:
    answer = acknowledge(server, "nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert acknowledge(server, "%00%F0%9F%92%A9").status_code == 404


def _front(server: Server) -> int:
    return children_of(fronts_master(server))[0]


def test_a_hold_outlasts_a_takeover_and_a_server_that_is_killed(tmp_path: Path) -> None:
    with line_of_servers(project_of(tmp_path / "p"), tmp_path / "copy") as line:
        hold(line.server)
        line.upgrade()
        assert post(line.server).json()["held"] == "scratches"
    with serving(line.server.project, "--workers", "1") as server:
        assert post(server).json()["held"] == "scratches"
        acknowledge(server)
        assert post(server).json()["result"] is True
        os.kill(server.process.pid, signal.SIGKILL)
    with serving(line.server.project, "--workers", "1") as server:
        assert post(server).json()["result"] is True
        assert alerts(server)["by_name"]["scratches"]["acknowledged"]["address"] == "127.0.0.1"


def test_a_damaged_file_holds_and_a_key_to_send_with_lets_nothing_go(tmp_path: Path) -> None:
    project = project_of(tmp_path / "p", alerts="")
    (project / ".framemill" / "alerts").mkdir(parents=True)
    (project / ".framemill" / "alerts" / "holds.json").write_text('{"held"')
    keys = {}
    for name, scope in (("camera", "analyze"), ("operator", "operate")):
        done = command("keys", "add", name, "--scope", scope, "--file", tmp_path / "keys")
        assert done.returncode == 0, done.stderr
        keys[name] = re.search(r"fm_\S+", done.stdout)[0]  # type: ignore[index]
    with serving(project, "--workers", "1", "--keys-file", str(tmp_path / "keys")) as server:
        with server.client(**{"X-API-Key": keys["camera"]}) as camera:
            held = camera.post(RAW, content=FRAME).json()
            assert (held["result"], held["held"]) == (False, "unknown")
            assert camera.post("/api/v1/alerts/unknown/acknowledge").status_code == 403
            with server.client(**{"X-API-Key": keys["operator"]}) as operator:
                now = operator.post("/api/v1/alerts/unknown/acknowledge").json()
            assert now == {"name": "unknown", "held": False, "active": False}
            assert camera.post(RAW, content=FRAME).json()["result"] is True
            assert camera.get("/api/v1/alerts").json() == {"held": None, "alerts": [], "webhook": None}
        changes = (project / ".framemill" / "changes" / "log.jsonl").read_text().splitlines()
    assert [(one["who"], one["what"]) for one in map(json.loads, changes)] == [("operator", "alert_acknowledged")]
