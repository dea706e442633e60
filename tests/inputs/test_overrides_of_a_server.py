"""Thresholds that are changed while a server runs: another version, proved, kept, noted, and taken back to the same."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from service.changes.log import Changes
from tests.support.contract import checked, raw
from tests.support.projects import frame
from tests.support.running import Server, command, serving, write_project
from workers.errors import ProjectInvalid
from workers.flow.overrides import Override, as_text, parse_overrides
from workers.flow.project import load_project

pytestmark = pytest.mark.long

FLOW = """
[[flow]]
module = "brightness"
name = "light"
mean_min_level = 10

[[flow]]
module = "blobs"
darker_than = 5
count_max = 5

[[flow]]
module = "blobs"
darker_than = 6
count_max = 5
"""
PROOF = '\n[[proof]]\nframe = "proof/grey.png"\nresult = true\n'


def project_in(folder: Path, toml: str = FLOW) -> Path:
    project = write_project(folder, toml)
    (project / "proof").mkdir(exist_ok=True)
    cv2.imwrite(str(project / "proof" / "grey.png"), np.full((16, 16), 100, np.uint8))
    return project


def put(client: httpx.Client, value: float | None, module: int | str = "light", **more: Any) -> httpx.Response:
    option = "mean_min_level" if module in {"light", 1} else "count_max"
    asked = {"overrides": [{"module": module, "option": option, "value": value}], **more}
    return client.put("/api/v1/overrides", json=asked)


def known(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/overrides").raise_for_status().json()
    return found


def result(client: httpx.Client) -> bool:
    path, body = raw(np.full_like(frame(), 60))
    return bool(checked(client.post(path, content=body))["result"])


def test_a_threshold_is_changed_proved_kept_and_taken_back(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", FLOW + PROOF)
    file = project / ".framemill" / "overrides.toml"
    with serving(project, "--workers", "1") as server, server.client() as client:
        first = known(client)
        light = first["thresholds"][0]
        assert (light["value"], light["own"], light["min"], light["max"]) == (10, 10, 0, 255)
        assert result(client)
        done = put(client, 80, flowVersion=first["flowVersion"]).raise_for_status().json()
        assert done["before"] == first["flowVersion"]
        assert done["flowVersion"] not in {done["before"]}
        assert not result(client), "the mean of the frame is 60"
        assert (
            known(client)["thresholds"][0] | {"value": 80, "own": 10, "isChanged": True}
            == known(client)["thresholds"][0]
        )
        assert server.status()["projectOnDisk"] == "same"
        _refused_by_its_proof(client, file, done["flowVersion"])
        _edits_on_disk_are_none_of_it(project, client)
        assert Changes(project / ".framemill").last("threshold_changed") is not None
        kept = known(client)["flowVersion"]
    with serving(project, "--workers", "1") as server, server.client() as client:
        assert known(client)["flowVersion"] == kept
        assert not result(client)
        assert client.delete("/api/v1/overrides").raise_for_status().json()["flowVersion"] == first["flowVersion"]
        assert result(client)
        assert not file.exists()


def _refused_by_its_proof(client: httpx.Client, file: Path, running: str) -> None:
    before = file.read_bytes()
    answer = put(client, 120)
    assert answer.status_code == 409
    assert answer.json()["code"] == "change_refused"
    assert "its proof fails" in answer.json()["detail"]
    assert known(client)["flowVersion"] == running
    assert file.read_bytes() == before


def _edits_on_disk_are_none_of_it(project: Path, client: httpx.Client) -> None:
    """An engineer is at work in the folder while an operator moves a threshold."""
    good = (project / "framemill.toml").read_text()
    (project / "framemill.toml").write_text("half a")
    assert put(client, 90).status_code == 200
    (project / "framemill.toml").write_text(good)
    assert put(client, 80).status_code == 200


def test_a_rollback_takes_the_thresholds_along(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, "--workers", "1") as server, server.client() as client:
        first = known(client)["flowVersion"]
        put(client, 80).raise_for_status()
        client.post("/api/v1/rollback", params={"wait_s": "60"}).raise_for_status()
        assert known(client)["flowVersion"] == first
        assert not (project / ".framemill" / "overrides.toml").exists()
        client.post("/api/v1/reload", params={"wait_s": "60"}).raise_for_status()
        assert known(client)["flowVersion"] == first
        assert result(client)


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(project_in(tmp_path_factory.mktemp("over") / "p"), "--workers", "1") as running:
        yield running


@pytest.mark.parametrize(
    ("module", "option", "value", "said"),
    [
        ("light", "mean_min_level", 300, "is 300, expected at most 255"),
        ("light", "mean_min_level", "80", "overrides.0.value.int: input should be a valid integer, got '80'"),
        ("light", "over_level", 200, "is no threshold; its thresholds are mean_min_level"),
        ("dark", "mean_min_level", 80, "no such module has thresholds; those that have: light (1), blobs (2)"),
        ("blobs", "count_max", 3, "modules 2 and 3 are called so; name a number"),
        (2, "count_max", 2.5, "expected a whole number"),
    ],
)
def test_what_is_no_threshold_or_does_not_fit_is_told(
    server: Server, module: int | str, option: str, value: Any, said: str
) -> None:
    with server.client() as client:
        before = known(client)
        asked = {"overrides": [{"module": module, "option": option, "value": value}]}
        answer = client.put("/api/v1/overrides", json=asked)
        assert answer.status_code == 400
        assert said in answer.json()["detail"]
        assert known(client) == before


def test_one_of_two_that_are_called_the_same_is_named_by_its_number(server: Server) -> None:
    with server.client() as client:
        put(client, 3, module=3).raise_for_status()
        changed = [one for one in known(client)["thresholds"] if one["isChanged"]]
        assert [(one["module"], one["option"], one["value"]) for one in changed] == [(3, "count_max", 3)]
        assert known(client)["overrides"] == [{"module": 3, "option": "count_max", "value": 3, "kind": "blobs"}]
        put(client, None, module=3).raise_for_status()
        assert known(client)["overrides"] == []


def test_who_has_seen_another_version_changes_nothing(server: Server) -> None:
    with server.client() as client:
        answer = put(client, 20, flowVersion="0123456789abcdef")
        assert answer.status_code == 409
        assert "runs by now" in answer.json()["detail"]


def test_one_that_no_longer_fits_is_a_mistake_that_check_and_reload_name(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, "--workers", "1") as server, server.client() as client:
        put(client, 20).raise_for_status()
        running = known(client)["flowVersion"]
        project_in(project, FLOW.replace('"light"', '"lamp"'))
        checked_ = command("check", project)
        assert checked_.returncode == 3
        assert "overrides.toml: mean_min_level of module 'light': the project has no such module" in checked_.stderr
        answer = client.post("/api/v1/reload", params={"wait_s": "60"})
        assert answer.status_code == 409
        assert "the project has no such module" in answer.json()["detail"]
        assert known(client)["flowVersion"] == running
        client.delete("/api/v1/overrides").raise_for_status()  # at once: who was refused may go on
        client.post("/api/v1/reload", params={"wait_s": "60"}).raise_for_status()
        assert known(client)["thresholds"][0]["name"] == "lamp"
        server.process.send_signal(signal.SIGTERM)
    (project / ".framemill" / "overrides.toml").write_text("half a")
    with pytest.raises(AssertionError, match=r"overrides\.toml"), serving(project, "--workers", "1"):
        pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("override = 1", "expected tables"),
        ("[[override]]\nmodule = 1", "override[0].option: is missing"),
        ('[[override]]\nmodule = 1\noption = "a"\nvalue = "1"', "override[0].value"),
        ('[[override]]\nmodule = 1\noption = "a"\nvalue = nan', "override[0].value"),
        ("[more]", "expected tables"),
        ("\0", "overrides.toml"),
    ],
)
def test_a_file_with_mistakes_is_none(text: str, said: str) -> None:
    with pytest.raises(ProjectInvalid) as error:
        parse_overrides(text.encode())
    assert said in error.value.message


def test_the_same_thresholds_are_the_same_bytes_and_come_back() -> None:
    overrides = [
        Override(module='a "quoted" \\ name\x7f\n', option="threshold", value=0.25),
        Override(module=3, option="count_max", value=2, kind="blobs"),
    ]
    assert as_text(overrides) == as_text(overrides[::-1])
    assert {*parse_overrides(as_text(overrides))} == {*overrides}
    assert as_text([]) == b""


def test_options_with_an_override_are_checked_as_a_whole(tmp_path: Path) -> None:
    project = project_in(
        tmp_path / "p", FLOW.replace("mean_min_level = 10", "mean_min_level = 10\nmean_max_level = 50")
    )
    with pytest.raises(ProjectInvalid, match="mean_max_level"):
        load_project(project, overrides=[Override(module="light", option="mean_min_level", value=80)])
