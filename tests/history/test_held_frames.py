"""A frame that is NOK because the line is held: said on record, found, counted by itself, decided about by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
import pytest
from click.testing import CliRunner

from service.alerts.watching import frame_of
from service.cli.command_line import main
from service.history.database import open_to_read
from service.history.writing.store import Store
from service.live.seen import Seen
from service.results.record import Head, Record, about_bytes, with_request
from service.settings import Settings
from service.statistics.asked import Wanted
from service.statistics.found import document, find
from tests.history.kept import NOW_NS, SECOND_NS, found, rows
from tests.logs.test_lines_of_a_server import Lines
from tests.results.served import follow, next_frames, post, project_in
from tests.support.faults import until
from tests.support.running import Server, command, serving

ALERT = '[[server.alerts]]\nname = "scratches"\nwhen = "nok_in_a_row"\nlabel = "scratch"\nframes = 3\nhold = true\n'
# a flow cannot say that it was held, nor by whom
LIES = '\n[[flow]]\nmodule = "code"\nfile = "code/lies.py"\n'
LYING = 'def main(context):\n    if context["data"] == "lie":\n        context["held"] = "scratches"\n'
RECTANGLE = {"x": 2, "y": 2, "width": 2, "height": 2, "classNames": [{"label": "scratch"}]}
FOUND = {"result": False, "score": 0.9, "detectedRectangles": [RECTANGLE], "imageShape": {"width": 16, "height": 16}}
FOUND["measures"] = {"bore": {"value": 3.5, "unit": "mm", "min": 3, "max": 4, "ok": True}}


def _record(number: int, *, held: str = "", status: int = 200, verdict: bool | None = False) -> Record:
    about = with_request(about_bytes("c", "top", "P", ""), "r", None, held)
    head = Head(NOW_NS + number * SECOND_NS, number, status, verdict if status == 200 else None)
    return Record.unpack(head.pack(about, b"", orjson.dumps(FOUND) if status == 200 else b""), 0, number)


def _statistics(path: Path) -> dict[str, Any]:
    engine = open_to_read(path)
    with engine.begin() as connection:
        begin_ns = NOW_NS - NOW_NS % (900 * SECOND_NS)
        known = document(find(connection, Settings(), Wanted(begin_ns, begin_ns + 900 * SECOND_NS, NOW_NS)), "UTC")
    engine.dispose()
    return known


def test_what_a_context_says_is_not_believed() -> None:
    lies = {**FOUND, "held": "scratches", "heldResult": True}
    packed = Head(NOW_NS, 1, 200, False).pack(with_request(about_bytes("c", "", "", ""), "r"), b"", orjson.dumps(lies))
    assert Record.unpack(packed).held is Record.unpack(packed).document()["held"] is None
    assert frame_of(Record.unpack(packed)).has_verdict
    held = _record(1, held="scratches")
    assert (held.held, held.word, held.document()["held"]) == ("scratches", "NOK", "scratches")
    assert (frame_of(held).is_ok, frame_of(held).has_verdict) == (None, False)


def test_the_strip_of_rejected_parts_goes_without_them() -> None:
    seen = Seen()
    for number in range(1, 40):
        seen.add(_record(number, held="scratches" if number > 2 else ""))
    assert [one.came_ns for one in seen.rejected] == [NOW_NS + SECOND_NS, NOW_NS + 2 * SECOND_NS]
    assert seen.cameras["top"].last_ns == NOW_NS + 39 * SECOND_NS


def test_they_are_counted_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    store = Store.begin(path, "mark", NOW_NS)
    frames = [_record(1), _record(2, verdict=True), _record(3, held="scratches"), _record(4, held="scratches")]
    store.write(frames, None)
    store.write(frames[2:], None)  # as after a kill
    known = _statistics(path)
    counts = known["counts"]
    assert [counts[name] for name in ("frames", "ok", "nok", "error", "off", "held")] == [4, 1, 1, 0, 0, 2]
    assert (counts["yield"], counts["yieldAtLeast"], counts["yieldDecided"]) == (0.5, 0.5, 0.5)
    assert [(one["label"], one["frames"], one["nok"], one["share"]) for one in known["labels"]] == [
        ("scratch", 2, 1, 1)
    ]
    assert [one["count"] for one in known["places"]["cells"]] == [1]
    assert known["decided"]["undecidedNok"] == 1
    # they were measured, and took their time, all the same
    assert known["measures"][0]["count"] == 4
    assert sum(one["frames"] for one in known["latency"]["bins"]) == 4
    store.close()


def test_one_that_could_not_be_recorded_before_its_answer_is_an_error_and_not_held(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    store = Store.begin(path, "mark", NOW_NS)
    store.write_asked([_record(1, held="scratches")])
    assert rows(path, "SELECT verdict, held FROM records") == [("NOK", "scratches")]
    store.write([_record(1, status=503)], None)
    store.close()
    assert rows(path, "SELECT verdict, held FROM records") == [("ERROR", None)]
    assert rows(path, "SELECT nok, error, held FROM quarters") == [(0, 1, 0)]
    assert rows(path, "SELECT nok, error, held FROM days") == [(0, 1, 0)]


class Line(NamedTuple):
    """A line that is held: the ids of frames before, of one that is held though it is OK, and of one that is not OK."""

    server: Server
    lines: Lines
    before: list[str]
    good: str
    bad: str


@pytest.fixture(name="line", scope="module")
def a_held_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    toml = f'[server]\nworkers = 1\nlog_requests = "all"\nlog_format = "json"\n{ALERT}'
    project = project_in(tmp_path_factory.mktemp("held") / "p", toml)
    with (project / "framemill.toml").open("a") as file:
        file.write(LIES)
    (project / "code" / "lies.py").write_text(LYING)
    with serving(project, "--workers", "1", "--record", "async") as server:
        lines = Lines(server)
        with follow(server) as follower:
            for data in ("", "lie", "nok", "nok", "nok"):
                post(server, data)
            before = [one.id for one in next_frames(follower, 5)]
            with server.client() as client:
                until(lambda: client.get("/api/v1/alerts").json()["held"])
            post(server, part="7"), post(server, "nok", part="8")
            good, bad = (one.id for one in next_frames(follower, 2))
        with server.client() as client:
            until(lambda: len(client.get("/api/v1/frames").json().get("frames", ())) == 7)
        yield Line(server, lines, before, good, bad)


def _get(line: Line, path: str, **parameters: str) -> httpx.Response:
    with line.server.client() as client:
        return client.get(path, params=parameters)


def _printed(line: Line, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["history", str(line.server.project), *arguments])
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def _ids(line: Line, **asked: str) -> list[str]:
    return [one["id"] for one in _get(line, "/api/v1/frames", **asked).json()["frames"]]


def test_all_say_so(line: Line) -> None:
    of_api = {one["id"]: one for one in _get(line, "/api/v1/frames").json()["frames"]}
    assert [of_api[one]["held"] for one in (*line.before, line.good, line.bad)] == [None] * 5 + ["scratches"] * 2
    in_full = _get(line, f"/api/v1/frames/{line.good}").json()
    assert (in_full["verdict"], in_full["held"], in_full["context"]["heldResult"]) == ("NOK", "scratches", True)
    of_history = {one["id"]: one["held"] for one in map(json.loads, _printed(line, "--jsonl").splitlines())}
    assert of_history == {name: one["held"] for name, one in of_api.items()}
    (first, *lines) = _printed(line, "--csv").splitlines()
    place = first.split(",").index("held")
    assert [one.split(",")[place] for one in lines] == ["scratches"] * 2 + [""] * 5
    ids = [
        [json.loads(one)["id"] for one in _printed(line, "--jsonl", way).splitlines()]
        for way in ("--held", "--not-held")
    ]
    assert ids == [[line.bad, line.good], line.before[::-1]]
    told = command("results", line.server.project, "--all", "--until-now").stdout
    table = _printed(line)
    assert told.count("held by scratches") == table.count("held by scratches") == 2
    as_json = command("results", line.server.project, "--all", "--until-now", "--json").stdout.splitlines()
    assert [json.loads(one)["held"] for one in as_json] == [None] * 5 + ["scratches"] * 2


def test_the_line_of_its_request_says_so(line: Line) -> None:
    of_frames = {one: json.loads(line.lines.of(f'"frame":"{one}"')) for one in (*line.before, line.good, line.bad)}
    assert [one.get("held") for one in of_frames.values()] == [None] * 5 + ["scratches"] * 2
    assert of_frames[line.good]["verdict"] == "NOK"


def test_they_are_found_and_left_out(line: Line) -> None:
    assert _ids(line, held="yes") == [line.bad, line.good]
    assert _ids(line, held="yes", part="7") == [line.good]
    assert _ids(line, held="no") == line.before[::-1]
    assert _ids(line, held="no", verdict="NOK", decided="no") == line.before[:1:-1]
    answer = _get(line, "/api/v1/frames", held="scratches")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


def test_nothing_is_decided_about_them(line: Line) -> None:
    for frame, kind in ((line.good, "confirmed"), (line.bad, "false_call")):
        with line.server.client() as client:
            said = client.post(f"/api/v1/frames/{frame}/decisions", json={"kind": kind, "after": 0})
        assert (said.status_code, said.json()["code"]) == (409, "cannot_decide")
        assert "the line was held by scratches" in said.json()["detail"]


def test_counters_have_them_by_themselves(line: Line) -> None:
    frames = line.server.status()["frames"]
    assert (frames["ok"], frames["nok"], frames["held"], frames["answered"]) == (2, 3, 2, 7)
    assert 'framemill_frames_total{outcome="held"} 2.0' in _get(line, "/metrics").text
    counts = _get(line, "/api/v1/statistics").json()["counts"]
    assert (counts["ok"], counts["nok"], counts["held"]) == (2, 3, 2)


def test_pages_mark_them(line: Line) -> None:
    listed = _get(line, "/parts", held="yes").text
    assert listed.count("line held</span>") == 2
    assert "line held</span>" not in _get(line, "/parts", held="no").text
    good, bad = _get(line, f"/parts/{line.good}").text, _get(line, f"/parts/{line.bad}").text
    assert "NOK because the line was held: scratches. Its flow said OK." in good
    assert "Its flow said NOK." in bad
    assert "The machine has said nothing that could be decided about" in good
    assert 'name="kind"' not in good
    assert "While the line was held" in _get(line, "/statistics").text
    live = _get(line, "/").text
    assert line.good not in live
    assert "Line held</dt>" in live


def test_the_history_has_what_the_record_has(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    store = Store.begin(path, "mark", NOW_NS)
    one = _record(1, held="scratches")
    store.write([one], None)
    store.close()
    (read,) = found(path)
    assert {**read, "labels": []} == {**one.document(), "server": "local", "labels": []}
