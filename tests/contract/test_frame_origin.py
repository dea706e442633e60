"""What code finds of its frame: which camera sent it, when it came, an id of its own; and nothing of it goes out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.guests import add_key
from tests.support.contract import raw
from tests.support.projects import frame
from tests.support.running import Server, serving, write_project

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/tell.py"\n'
TELL = """
import os, pathlib, signal

def main(context):
    if context["data"]:
        with open(os.path.join(context["dataFolder"], "ids"), "a") as ids:
            ids.write(context["frame"]["id"] + "\\n")
    died = pathlib.Path(context["dataFolder"], "died")
    if context["data"] == "die once" and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    context["about"] = context["frame"]
"""
PATH, BODY = raw(frame())


@pytest.fixture(name="server", scope="module")
def server_that_tells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(tmp_path_factory.mktemp("origin") / "p", FLOW, tell=TELL)
    with serving(project, "--workers", "2") as running:
        yield running


def about(server: Server, asked: str = "", **headers: str) -> dict[str, Any]:
    with server.client(**headers) as client:
        context = client.post(f"{PATH}{asked}", content=BODY).raise_for_status().json()
    assert "frame" not in context
    found: dict[str, Any] = context["about"]
    return found


def test_each_frame_has_its_camera_its_time_and_an_id_of_its_own(server: Server) -> None:
    before = dt.datetime.now(dt.UTC)
    found = [about(server, f"&camera={name}") for name in ("left", "left", "right", "%C5%BElu%C5%A5")]
    after = dt.datetime.now(dt.UTC)
    assert [each["camera"] for each in found] == ["left", "left", "right", "žluť"]
    times = [dt.datetime.fromisoformat(each["time"]) for each in found]
    assert before - dt.timedelta(milliseconds=1) <= times[0] < times[1] < times[2] < times[3] <= after
    ids = [each["id"] for each in found]
    assert len(set(ids)) == 4
    assert ids == sorted(ids)
    assert all(0 < each["remainingMs"] <= 10_000 for each in found)


def test_a_client_that_names_no_camera_is_told_by_its_address(server: Server) -> None:
    assert about(server)["camera"] == "127.0.0.1"


def test_code_knows_which_part_it_sees(server: Server) -> None:
    found = [
        about(server, asked)["part"] for asked in ("&part=4711", "&part=%C5%BE%20%E2%82%AC&camera=c1", "&camera=c1")
    ]
    assert found == ["4711", "ž €", None]


def test_on_one_connection_each_frame_is_another_one(server: Server) -> None:
    with server.client() as client:
        found = [client.post(f"{PATH}&camera=c1", content=BODY).json()["about"] for _ in range(20)]
    assert {each["camera"] for each in found} == {"c1"}
    assert len({each["id"] for each in found}) == 20


def test_a_camera_may_be_a_field_of_a_form_and_is_read_strictly(server: Server) -> None:
    size = {"width": "8", "height": "6"}
    with server.client() as client:
        answer = client.post("/analyze_raw_image", data={**size, "camera": "in a form"}, files={"array": ("a", BODY)})
        assert answer.json()["about"]["camera"] == "in a form"
        for asked, what in (
            ("&camera=a&camera=b", "camera is given twice"),
            ("&Camera=a", "expected camera"),
            (f"&camera={'x' * 201}", "camera has 201 bytes, at most 200 are accepted"),
            ("&camera=%FF", "camera is not UTF-8"),
        ):
            refused = client.post(f"{PATH}{asked}", content=BODY)
            assert refused.status_code == 400
            assert what in refused.json()["detail"]


def test_a_frame_that_is_run_again_is_the_same_one(server: Server) -> None:
    assert about(server, "&data=die%20once")["id"] in (server.project / "data" / "ids").read_text().splitlines()
    first, second = (server.project / "data" / "ids").read_text().splitlines()
    assert first == second


def test_with_keys_the_name_of_the_key_tells_the_camera(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    key = add_key("camera-3", "analyze", keys)
    with serving(write_project(tmp_path / "p", FLOW, tell=TELL), "--workers", "1", "--keys-file", str(keys)) as server:
        assert about(server, **{"X-API-Key": key})["camera"] == "camera-3"
        assert about(server, "&camera=other", **{"X-API-Key": key})["camera"] == "other"
