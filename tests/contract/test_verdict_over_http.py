"""The verdict of a project as a client meets it: which rule failed, and new rules after a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.contract import checked, raw
from tests.support.faults import until
from tests.support.projects import frame
from tests.support.running import serving, write_project

FIND = """
def main(context):
    for x in range(int(context["data"])):
        context["detectedRectangles"].append(
            {"x": x, "y": 0, "width": 1, "height": 1, "classNames": [{"label": "screw"}]}
        )
"""
FLOW = """
[[flow]]
module = "code"
file = "code/find.py"
[[flow]]
module = "only_if"
expression = "data != '7'"
[[verdict.rules]]
name = "enough screws"
rule = "count"
label = "screw"
min = MIN
[[verdict.rules]]
rule = "expression"
expression = 'count("nut") == 0'
"""


@pytest.mark.long
def test_a_client_is_told_which_rule_failed_and_new_rules_count_after_a_reload(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW.replace("MIN", "2"), find=FIND)
    path, body = raw(frame())
    with serving(project, "--workers", "1") as server, server.client() as client:
        for count, good in [(1, False), (2, True), (7, True)]:
            context = checked(client.post(f"{path}&data={count}", content=body))
            assert (context["result"], context["errors"]) == (good, [])
            assert context["verdict"] == [
                {"rule": "enough screws", "holds": good, "value": count},
                {"rule": 'count("nut") == 0', "holds": True, "value": True},
            ]
        write_project(project, FLOW.replace("MIN", "3"))
        client.post("/api/v1/reload")
        until(lambda: server.status()["reloads"] == 1)
        assert checked(client.post(f"{path}&data=2", content=body))["result"] is False
        write_project(project, FLOW.replace("MIN", "'3'").replace("==", "="))
        client.post("/api/v1/reload")
        until(lambda: "verdict.rules[1].expression: at character 14" in "".join(server.log))
        assert "verdict.rules[0].min: should be a valid integer, got '3'" in "".join(server.log)
        assert checked(client.post(f"{path}&data=3", content=body))["result"] is True


@pytest.mark.long
@pytest.mark.parametrize("response_type", ["image", "annotated_image", "heatmap"])
def test_the_verdict_comes_with_pictures_too(tmp_path: Path, response_type: str) -> None:
    project = write_project(tmp_path / "p", FLOW.replace("MIN", "2"), find=FIND)
    path, body = raw(frame())
    with serving(project, "--workers", "1") as server, server.client() as client:
        answer = client.post(f"{path}&data=1&response_type={response_type}&context_in_body", content=body)
        length = int(answer.headers["ImageLen"])
        assert b'"verdict":[{"rule":"enough screws","holds":false,"value":1}' in answer.content[length:]
