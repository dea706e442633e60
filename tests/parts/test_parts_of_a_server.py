"""A real server with two fronts: frames of one part make one verdict, whichever front each came by."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.parts.kit.served import VIEWS, asked, next_parts, project_in, view, words
from tests.results.served import FRAME, RAW, follow
from tests.support.faults import until
from tests.support.running import CHECKOUT, Server, serving


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = project_in(tmp_path_factory.mktemp("parts") / "p")
    with serving(project, "--fronts", "2", "--record", "async") as running:
        yield running


def test_the_answer_that_completes_a_part_has_its_result_and_the_others_have_none(server: Server) -> None:
    with follow(server) as follower:
        answers = [view(server, "4711", name, data).json() for name, data in zip(VIEWS, ("", "nok", ""), strict=True)]
        (on_record,) = next_parts(follower)
    assert [("partResult" in answer, answer["result"]) for answer in answers] == [
        (False, True),
        (False, False),
        (True, True),
    ]
    result = answers[2]["partResult"]
    assert result == on_record
    assert (result["part"], result["verdict"], result["result"], result["why"]) == ("4711", "NOK", False, None)
    assert [one["view"] for one in result["views"]] == [*VIEWS]
    assert [one["frame"] for one in result["views"]] == [answer["id"] for answer in answers]
    assert words(result) == ["OK", "NOK", "OK"]
    assert asked(server, "4711") == {"state": "ended", **result}


def test_the_same_name_again_is_another_pass(server: Server) -> None:
    first = [view(server, "again", name, "nok").json() for name in VIEWS][2]["partResult"]
    second = [view(server, "again", name).json() for name in reversed(VIEWS)][2]["partResult"]
    assert (first["verdict"], second["verdict"]) == ("NOK", "OK")
    assert first["id"] < second["id"]
    assert asked(server, "again")["id"] == second["id"]


def test_cameras_are_views_where_no_view_is_said(server: Server) -> None:
    parameters = {**dict(httpx.URL(RAW).params), "part": "by camera"}
    with server.client() as client:
        answers = [
            client.post("/analyze_raw_image", params={**parameters, "camera": name}, content=FRAME) for name in VIEWS
        ]
    assert answers[2].json()["partResult"]["verdict"] == "OK"


def test_a_form_may_say_part_and_view(server: Server) -> None:
    with server.client() as client:
        for name in VIEWS:
            fields = {"width": "16", "height": "16", "part": "by form", "view": name}
            answer = client.post("/analyze_raw_image", data=fields, files={"array": ("frame", FRAME)})
    assert answer.json()["partResult"]["verdict"] == "OK"


@pytest.mark.parametrize("kind", ["image", "annotated_image"])
def test_pictures_bring_it_in_the_header_and_in_the_body(server: Server, kind: str) -> None:
    parameters = {**dict(httpx.URL(RAW).params), "response_type": kind}
    with server.client() as client:

        def shown(part: str, **more: str) -> httpx.Response:
            for name in VIEWS:
                said = {**parameters, "part": part, "view": name, **more}
                answer = client.post("/analyze_raw_image", params=said, content=FRAME).raise_for_status()
            return answer

        by_header, by_body = shown(f"header {kind}"), shown(f"body {kind}", context_in_body="1")
    contexts = [
        json.loads(base64.b64decode(by_header.headers["ContextBase64utf"])),
        json.loads(by_header.headers["context"]),
        json.loads(by_body.content[int(by_body.headers["ImageLen"]) :]),
    ]
    assert [context["partResult"]["verdict"] for context in contexts] == ["OK"] * 3
    assert by_body.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("data", ["kill", "raise"])
def test_a_view_that_was_an_error_makes_the_part_one_however_often_it_is_sent(server: Server, data: str) -> None:
    part = f"error {data}"
    answers = [view(server, part, name, data if name == "top" else "") for name in VIEWS]
    result = answers[2].json()["partResult"]
    assert (result["verdict"], result["why"], words(result)) == ("ERROR", "error", ["ERROR", "OK", "OK"])
    until(lambda: server.status()["workers"]["ready"] == 2)
    for name in ("top", "top", "left"):
        view(server, part, name)
    assert view(server, part, "right").json()["partResult"]["why"] == "twice"


def test_an_error_that_completes_a_part_says_so(server: Server) -> None:
    for name in VIEWS[:2]:
        view(server, "last is an error", name)
    answer = view(server, "last is an error", "right", "kill")
    assert answer.status_code == 500
    assert answer.json()["partResult"]["why"] == "error"
    until(lambda: server.status()["workers"]["ready"] == 2)


def test_a_frame_that_no_flow_has_seen_is_as_if_it_had_not_come(server: Server) -> None:
    said = {"width": "17", "height": "16", "part": "not seen", "view": "top"}
    with server.client() as client:
        assert client.post("/analyze_raw_image", params=said, content=FRAME).status_code == 400
    assert [view(server, "not seen", name).json() for name in VIEWS][2]["partResult"]["verdict"] == "OK"


def test_a_frame_that_is_no_view_is_refused_in_words(server: Server) -> None:
    answer = view(server, "4712", "bottom")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "view='bottom' is no view of a part; expected one of top, left, right"
    with server.client() as client:
        other = client.post(f"{RAW}&part=4712&camera=c7", content=FRAME)
        nobody = client.post(f"{RAW}&part=4712", content=FRAME)
        alone = client.post(RAW, content=FRAME)
    assert "camera='c7'" in other.json()["detail"]
    assert "there is no view, and client='127.0.0.1'" in nobody.json()["detail"]
    assert alone.status_code == 200


def test_with_the_switch_off_a_part_is_off_and_half_of_it_an_error(server: Server) -> None:
    view(server, "half", "top")
    with server.client() as client, follow(server) as follower:
        client.put("/api/v1/process", json={"process": False})
        try:
            off = [view(server, "off", name).json() for name in VIEWS]
            for name in VIEWS[1:]:
                view(server, "half", name)
        finally:
            client.put("/api/v1/process", json={"process": True})
        ended = {one["part"]: (one["verdict"], one["why"], one["result"]) for one in next_parts(follower, 2)}
    assert off[2].keys() == {"error", "imageShape", "processing", "processingTime", "save"}
    assert ended == {"off": ("OFF", "off", False), "half": ("ERROR", "off", False)}


def test_a_part_is_waited_for_and_told_when_it_ends(server: Server) -> None:
    found = []
    with server.client() as client:
        waiter = threading.Thread(
            target=lambda: found.append(client.get("/api/v1/parts/waited/for?wait_ms=30000").json())
        )
        waiter.start()
        for name in VIEWS:
            last = view(server, "waited/for", name)
        waiter.join()
    result = last.json()["partResult"]
    assert found == [{"state": "ended", **result}]


def test_a_part_that_is_open_says_what_it_has(server: Server) -> None:
    view(server, "open", "left", "nok")
    told = asked(server, "open", wait_ms=1)
    assert (told["state"], told["verdict"], told["result"]) == ("open", None, None)
    assert words(told) == [None, "NOK", None]
    assert 0 < told["left_ms"] <= 600_000


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("nobody%20knows", 404, "'nobody knows'"),
        ("x?wait_ms=1&wait_s=1", 400, "one of them"),
        ("x?wait_ms=later", 400, "wait_ms='later'"),
        ("x?wait_s=61", 400, "60 s at most"),
        ("x" * 201, 404, "200 bytes"),
    ],
)
def test_what_cannot_be_told_is_said_in_words(server: Server, path: str, status: int, said: str) -> None:
    with server.client() as client:
        answer = client.get(f"/api/v1/parts/{path}")
    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("name", ["<b>&", "\0", "ž / ?", '"\\', "%2F", "x" * 200, " "])
def test_names_of_parts_are_texts_like_others(server: Server, name: str) -> None:
    for each in VIEWS:
        last = view(server, name, each)
    assert last.json()["partResult"]["part"] == name
    with server.client() as client:
        told = client.get(f"/api/v1/parts/{httpx.QueryParams({'q': name})!s}".replace("q=", "", 1).replace("+", "%20"))
    assert told.json()["part"] == name


def test_frames_of_one_camera_that_differ_in_their_part_alone_have_each_their_own(server: Server) -> None:
    with server.client() as client:
        for number in range(20):
            results = [view(server, f"P-{number}", name, client=client).json() for name in VIEWS]
            assert results[2]["partResult"]["part"] == f"P-{number}"
            assert [one["frame"] for one in results[2]["partResult"]["views"]] == [one["id"] for one in results]


def test_parts_are_counted_and_in_the_history_and_printed(server: Server) -> None:
    for name in VIEWS:
        view(server, "kept for good", name)
    before = server.status()["parts"]
    assert before["ok"] >= 1
    with server.client() as client:
        metrics = client.get("/metrics").text
    for line in ('framemill_parts_total{outcome="ok"}', "framemill_parts_open", "framemill_parts_missing_total"):
        assert line in metrics

    def lines(*command: str) -> list[str]:
        line = [sys.executable, "-m", "service.cli", *command, "--state-dir", str(server.project / ".framemill")]
        return subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()

    until(lambda: len(lines("history", "--part", "kept for good")) == 4)
    told = [json.loads(line) for line in lines("history", "--part", "kept for good", "--jsonl")]
    (kept,) = [one for one in told if one["kind"] == "part"]
    assert kept.pop("server")
    assert {"state": "ended", **kept} == asked(server, "kept for good")
    assert any(line.endswith("part kept for good of 3 views  top OK  left OK  right OK") for line in lines(
        "history", "--part", "kept for good")
    )  # fmt: skip
    printed = lines("results", "--all", "--until-now")
    assert any("part kept for good of 3 views" in line for line in printed)


def test_code_finds_its_view(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", "views = ['top']")
    (project / "code" / "flow.py").write_text("def main(context):\n    context['seen'] = context['frame']['view']\n")
    with serving(project) as server:
        answer = view(server, "one view is a part", "top").json()
    assert answer["seen"] == "top"
    assert answer["partResult"]["verdict"] == "OK"
