"""The API of frames and decisions, by a real server: pages, one frame, deciding, who may, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.guests import add_key
from tests.decisions.line import BAD, line, send
from tests.support.running import Server


class Line:
    """A server whose clients have keys."""

    def __init__(self, server: Server, keys: dict[str, str]) -> None:
        self.server = server
        self.keys = keys

    def client(self, who: str) -> httpx.Client:
        return self.server.client(**{"X-API-Key": self.keys[who]})

    def send(self, data: str = "", **parameters: str) -> str:
        return send(self.server, data, 0, api_key=self.keys["camera"], **parameters)

    def get(self, path: str, who: str = "camera", **parameters: Any) -> httpx.Response:
        with self.client(who) as client:
            return client.get(path, params=parameters or None)

    def post(self, path: str, document: Any, who: str = "anna") -> httpx.Response:
        with self.client(who) as client:
            return client.post(path, json=document)


@pytest.fixture(name="line", scope="module")
def a_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("api")
    file = folder / "keys.toml"
    keys = {"camera": add_key("camera", "analyze", file)}
    keys |= {name: add_key(name, "operate", file) for name in ("anna", "bert")}
    with line(folder / "line", "--keys-file", str(file)) as running:
        yield Line(running, keys)


def test_a_decision_is_said_listed_and_taken_back(line: Line) -> None:
    frame = line.send(BAD, part="4711")
    path = f"/api/v1/frames/{frame}/decisions"
    assert line.get(path).json() == {
        "frame": frame,
        "machine": {"verdict": "NOK", "labels": ["scratch"]},
        "holds": None,
        "last": 0,
        "decisions": [],
    }
    said = line.post(path, {"kind": "false_call", "after": 0, "note": "a hair"})
    assert said.status_code == 201
    (one,) = said.json()["decisions"]
    assert (one["who"], one["kind"], one["note"], one["undone"]) == ("anna", "false_call", "a hair", False)
    assert one["time"].endswith("Z")
    assert said.json()["holds"] == {"kind": "false_call", "decision": one["number"], "truth": "OK", "labels": []}
    undone = line.post(f"{path}/{one['number']}/undo", {"after": one["number"]}, "bert").json()
    assert undone["holds"] is None
    assert [(each["who"], each["kind"], each["undone"]) for each in undone["decisions"]] == [
        ("anna", "false_call", True),
        ("bert", "undo", False),
    ]
    assert line.get(path).json() == undone
    assert line.get(f"/api/v1/frames/{frame}").json()["verdict"] == "NOK"


def test_who_has_not_seen_what_another_decided_is_told_by_whom(line: Line) -> None:
    path = f"/api/v1/frames/{line.send(BAD)}/decisions"
    assert line.post(path, {"kind": "confirmed", "after": 0}).status_code == 201
    late = line.post(path, {"kind": "false_call", "after": 0}, "bert")
    assert (late.status_code, late.json()["code"]) == (409, "decided_meanwhile")
    assert "anna has decided" in late.json()["detail"]


def test_an_escape_is_an_ok_with_its_label_and_place(line: Line) -> None:
    frame = line.send()
    place = {"x": 0.5, "y": 0.25, "width": 0.125, "height": 0.25}
    said = line.post(
        f"/api/v1/frames/{frame}/decisions", {"kind": "escape", "after": 0, "label": "crack", "place": place}
    )
    assert said.json()["holds"]["truth"] == "NOK"
    assert said.json()["decisions"][0]["place"] == place
    (found,) = line.get("/api/v1/frames", decided="escape").json()["frames"]
    assert (found["id"], found["verdict"], found["decided"]) == (frame, "OK", {"kind": "escape", "truth": "NOK"})


def test_only_who_may_operate_decides(line: Line) -> None:
    frame = line.send(BAD)
    refused = line.post(f"/api/v1/frames/{frame}/decisions", {"kind": "confirmed", "after": 0}, "camera")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    with line.server.client() as stranger:
        for path in (f"/api/v1/frames/{frame}", f"/api/v1/frames/{frame}/decisions", "/api/v1/frames", "/parts"):
            assert stranger.get(path).status_code == 401
        assert stranger.post(f"/parts/{frame}/decide", data={"kind": "confirmed", "after": "0"}).status_code == 401


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"after": 0}, "kind is missing"),
        (
            {"kind": "confirmed"},
            "after is missing: number of the last decision about this frame that was seen; 0: none",
        ),
        ({"kind": "wrong", "after": 0}, "'confirmed', 'false_call', 'escape' or 'label', got 'wrong'"),
        ({"kind": "confirmed", "after": -1}, "after: input should be greater than or equal to 0"),
        ({"kind": "confirmed", "after": 1 << 63}, "after: input should be less than or equal to"),
        ({"kind": "confirmed", "after": True}, "after: input should be a valid integer, got True"),
        ({"kind": "confirmed", "after": 0, "sure": 1}, "sure is unknown; expected kind, after, label, newLabel"),
        ({"kind": "escape", "after": 0}, "an escape needs its label"),
        ({"kind": "label", "after": 0, "label": "a"}, "newLabel is the right label where kind is label"),
        ({"kind": "confirmed", "after": 0, "label": "a"}, "no label is said with confirmed"),
        ({"kind": "escape", "after": 0, "label": "a\0"}, "label: has a NUL"),
        ({"kind": "escape", "after": 0, "label": "a", "place": {"x": 2, "y": 0, "width": 0, "height": 0}}, "place.x"),
        (
            {"kind": "escape", "after": 0, "label": "a", "place": {"x": 0.9, "y": 0, "width": 0.2, "height": 0}},
            "reaches beyond the picture",
        ),
        ([], "no object of JSON"),
    ],
)
def test_what_is_no_decision_is_refused_with_what_was_expected(line: Line, document: Any, why: str) -> None:
    answer = line.post("/api/v1/frames/18ec461303dd929505/decisions", document)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert why in answer.json()["detail"]


def test_a_body_that_is_no_json_and_frames_that_are_not_there(line: Line) -> None:
    with line.client("anna") as client:
        path = "/api/v1/frames/18ec461303dd929505/decisions"
        assert "no JSON" in client.post(path, content=b'{"kind": "\xff"}').json()["detail"]
        assert "no JSON" in client.post(path, content=b'{"kind": "\\ud800"}').json()["detail"]
        for wrong in ("18ec461303dd929505", "x", "f" * 18, "%00", "18EC461303DD929505"):
            for answer in (
                client.get(f"/api/v1/frames/{wrong}"),
                client.get(f"/api/v1/frames/{wrong}/decisions"),
                client.post(f"/api/v1/frames/{wrong}/decisions", json={"kind": "confirmed", "after": 0}),
                client.post(f"/api/v1/frames/{wrong}/decisions/1/undo", json={"after": 0}),
                client.get(f"/parts/{wrong}"),
                client.get(f"/parts/{wrong}/golden"),
            ):
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), answer.url
        frame = line.send(BAD)
        assert client.post(f"/api/v1/frames/{frame}/decisions/x/undo", json={"after": 0}).status_code == 400


def test_pages_of_frames_follow_each_other_without_a_gap(line: Line) -> None:
    sent = [line.send(data="batch 7", part=str(number)) for number in range(5)]
    ids, page = [], {"next": ""}
    for _ in range(3):
        page = line.get("/api/v1/frames", data="BATCH 7", count=2, cursor=page["next"]).json()
        ids += [one["id"] for one in page["frames"]]
    assert ids == sent[::-1]
    assert page["next"] is None
    for wrong in (
        {"cursor": "0"},
        {"count": 0},
        {"count": 501},
        {"verdict": "ok"},
        {"since": "soon"},
        {"colour": "red"},
    ):
        answer = line.get("/api/v1/frames", **wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    for nothing in ("since=2199-01-01", "until=9999-12-31&camera=none", "label=%00", "part=%25", "data=100%25"):
        assert line.get(f"/api/v1/frames?{nothing}").json() == {"frames": [], "next": None, "isCut": False}


def test_one_frame_has_all_that_is_known(line: Line) -> None:
    frame = line.get(f"/api/v1/frames/{line.send(BAD, part='4711', camera='top')}").json()
    assert frame["context"]["detectedRectangles"][0]["x"] == 185
    assert frame["measures"]["bore"]["value"] == 3.52
    assert (frame["camera"], frame["part"], frame["labels"]) == ("top", "4711", ["scratch"])
    assert frame["decisions"]["last"] == 0
    assert json.loads(frame["data"])["score"] == 0.9


def test_without_a_history_it_is_said(tmp_path: Path) -> None:
    with line(tmp_path / "line", "--record", "off") as server, server.client() as client:
        for path in ("/api/v1/frames", "/api/v1/frames/18ec461303dd929505", "/parts/18ec461303dd929505"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_history")
        assert "keeps no history" in client.get("/parts").text
