"""What people decided goes back into the project: pictures, truth and proof, as other commands read them."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from service.tryout.truth import read_truth
from tests.decisions.line import BAD, FLOW, await_picture, line, lose_picture, part_picture, send
from tests.support.pictures import png
from tests.support.running import Server, command, write_project

pytestmark = pytest.mark.long

HOSTILE = 'x"\\\n\x7f]]\u202e{{'
ESCAPED = json.dumps({"result": True, "batch": HOSTILE})


SEEING = """
def main(context):
    context["result"] = bool((context["image"][100:101, 195:245] < 230).all())
    context["told"] = [context["data"], context["frame"]["camera"], context["frame"]["view"]]
"""


class Decided:
    """A line of which six frames were decided."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.confirmed = self._say(BAD, 1, kind="confirmed")
        self.false_call = self._say(BAD, 2, kind="false_call")
        self.escape = self._say(ESCAPED, 3, {"camera": "hall 2", "view": "top"}, kind="escape", label=HOSTILE)
        self.undone = self._say(BAD, 4, kind="confirmed")
        self.relabelled = self._say(BAD, 5, kind="confirmed")
        self.lost = self._say(BAD, 6, kind="confirmed")
        self.undecided = send(server, BAD, 7)
        with server.client() as client:
            undone = f"/api/v1/frames/{self.undone}/decisions"
            last = client.get(undone).json()["last"]
            client.post(f"{undone}/{last}/undo", json={"after": last}).raise_for_status()
            label = f"/api/v1/frames/{self.relabelled}/decisions"
            said = {"kind": "label", "label": "scratch", "newLabel": "hair", "after": client.get(label).json()["last"]}
            client.post(label, json=said).raise_for_status()
        lose_picture(server, self.lost)

    def _say(self, data: str, number: int, told: Mapping[str, str] | None = None, **said: str) -> str:
        frame = send(self.server, data, number, **(told or {}))
        await_picture(self.server, frame)
        with self.server.client() as client:
            client.post(f"/api/v1/frames/{frame}/decisions", json={"after": 0, **said}).raise_for_status()
        return frame


@pytest.fixture(name="decided", scope="module")
def a_decided_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decided]:
    with line(tmp_path_factory.mktemp("export") / "plates") as server:
        yield Decided(server)


def test_a_flow_is_tried_against_what_was_decided(decided: Decided, tmp_path: Path) -> None:
    project, folder = decided.server.project, tmp_path / "november"
    done = command("history", "export", project, "--decided", folder)
    assert (done.returncode, done.stdout) == (0, f"{folder}: 1 good, 3 bad\n"), done.stderr
    assert done.stderr == "framemill: 1 decided frames have no picture\n"
    truth = {name: entry.model_dump(exclude_none=True) for name, entry in read_truth(folder / "truth.json").items()}
    assert truth == {
        f"bad/{decided.confirmed}.png": {"result": False, "label": "scratch", "data": BAD},
        f"good/{decided.false_call}.png": {"result": True, "data": BAD},
        f"bad/{decided.escape}.png": {
            "result": False,
            "label": HOSTILE,
            "data": ESCAPED,
            "camera": "hall 2",
            "view": "top",
        },
        f"bad/{decided.relabelled}.png": {"result": False, "label": "hair", "data": BAD},
    }
    picture = folder / "bad" / f"{decided.confirmed}.png"
    assert picture.read_bytes() == png(part_picture(1, is_bad=True))
    assert oct(picture.stat().st_mode & 0o777) == oct(0o666 & ~_umask())
    # a flow that calls everything OK: it is right about the good one, and all bad ones escape it
    code = '[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n'
    blind = write_project(tmp_path / "blind", code, flow="def main(context):\n    pass\n")
    tried = command("run", blind, folder / "good", folder / "bad", "--against", folder / "truth.json")
    assert tried.returncode == 6, tried.stderr
    assert "false OK" in tried.stdout + tried.stderr
    seeing = write_project(
        tmp_path / "seeing",
        code,
        flow=SEEING,
    )
    lines = tmp_path / "seen.jsonl"
    command("run", seeing, folder / "good", folder / "bad", "--against", folder / "truth.json", "--jsonl", lines)
    seen = {Path(one["file"]).stem: one for one in map(json.loads, lines.read_text().splitlines())}
    assert {name: one["expected"]["result"] for name, one in seen.items()} == {
        decided.confirmed: False,
        decided.false_call: True,
        decided.escape: False,
        decided.relabelled: False,
    }
    about = seen[decided.escape]["context"]
    assert about["told"] == [ESCAPED, "hall 2", "top"]


def test_a_proof_is_what_prove_reads(decided: Decided, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "next",
        '[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n',
        flow=FLOW,
    )
    folder = project / "proof" / "november"
    done = command(
        "history", "export", project, "--state-dir", decided.server.project / ".framemill", "--proof", folder
    )
    assert done.returncode == 0, done.stderr
    tables = tomllib.loads((folder / "proof.toml").read_text())["proof"]
    by_frame = {Path(one["frame"]).stem: one for one in tables}
    assert by_frame[decided.false_call]["frame"] == f"proof/november/{decided.false_call}.png"
    assert by_frame[decided.false_call]["result"] is True
    assert json.loads(by_frame[decided.escape]["data"])["batch"] == HOSTILE
    assert (by_frame[decided.escape]["camera"], by_frame[decided.escape]["view"]) == ("hall 2", "top")
    assert "camera" not in by_frame[decided.false_call]
    with (project / "framemill.toml").open("a") as file:
        file.write((folder / "proof.toml").read_text())
    proved = command("prove", project)
    # the flow says what it said then: it is right about what was confirmed, and wrong about the other two
    assert proved.returncode == 6, proved.stderr
    said = proved.stdout + proved.stderr
    assert f"{decided.false_call}.png): is NOK, expected OK" in said
    assert f"{decided.escape}.png): is OK, expected NOK" in said
    assert "2 of 4 frames of the proof are wrong" in said


def test_an_export_overwrites_nothing_and_leaves_nothing_half(decided: Decided, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    project = decided.server.project
    for arguments, status, why in (
        (("--decided", taken), 1, "has something in it"),
        (("--decided", taken / "mine"), 1, "is no folder"),
        (("--decided", tmp_path / "none", "--until", "2020-01-01"), 1, "there is nothing to write"),
        (("--decided", tmp_path / "none", "--camera", "other"), 1, "there is nothing to write"),
        ((), 2, "--decided FOLDER or --proof FOLDER"),
    ):
        done = command("history", "export", project, *arguments)
        assert (done.returncode, why in done.stderr) == (status, True), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]
    assert [path.name for path in taken.iterdir()] == ["mine"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command("history", "export", project, "--decided", empty, "--since", "1h").returncode == 0
    assert sorted(path.name for path in empty.iterdir()) == ["bad", "good", "truth.json"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
