"""A flow of several views is tried without a server: frames say which camera and which view they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.cli.command_line import main
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.projects import frame
from tests.support.running import serving, write_project
from workers.errors import ProjectInvalid
from workers.flow.project import load_project
from workers.pool.job import MAX_DATA_BYTES

FLOW = """
def main(context):
    about = context["frame"]
    context["told"] = [context["data"], about["camera"], about["view"]]
    context["result"] = about["view"] != "left"
"""
TOML = """
[part]
views = ["top", "left"]

[[flow]]
module = "code"
file = "code/flow.py"
"""
PROOF = """
[[proof]]
frame = "proof/one.png"
result = false
camera = "hall 2"
view = "left"
holds = 'told[1] == "hall 2" and told[2] == "left"'

[[proof]]
frame = "proof/one.png"
result = true
view = "top"
"""


def project_in(folder: Path, proof: str = "") -> Path:
    project = write_project(folder, TOML + proof, flow=FLOW)
    (project / "proof").mkdir()
    (project / "proof" / "one.png").write_bytes(png(frame()))
    return project


@pytest.fixture(name="part")
def a_part_of_two_views(tmp_path: Path) -> Path:
    folder = tmp_path / "4711"
    folder.mkdir()
    for name in ("top", "left"):
        (folder / f"{name}.png").write_bytes(png(frame()))
    return folder


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def _told(lines: Path) -> dict[str, Any]:
    return {Path(one["file"]).stem: one for one in map(json.loads, lines.read_text().splitlines())}


def test_each_file_says_what_the_patterns_make_of_it(part: Path, tmp_path: Path) -> None:
    said = ("--data", "lot {stem}", "--camera", "tray {folder}", "--view", "{stem}")
    done = _run("run", project_in(tmp_path / "p"), part, *said, "--jsonl", tmp_path / "lines", "--workers", "1")
    assert done.exit_code == 6, done.stderr
    told = _told(tmp_path / "lines")
    assert {name: (one["verdict"], one["context"]["told"]) for name, one in told.items()} == {
        "top": ("OK", ["lot top", "tray 4711", "top"]),
        "left": ("NOK", ["lot left", "tray 4711", "left"]),
    }


def test_what_the_truth_says_of_a_frame_is_what_it_says(part: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"top.png": {"result": False, "view": "left"}, "left.png": {"result": True}}))
    more = ("--against", truth, "--view", "top", "--workers", "1")
    done = _run("run", project_in(tmp_path / "p"), part, *more)
    assert done.exit_code == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["run", "compare", "train", "drawn"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("--view", "{foo}"), "--view='{foo}' is no view of a part; expected one of top, left"),
        (("--view", "ř" * 33), "--view has 66 bytes, at most 64 are accepted"),
        (("--camera", "x" * 201), "--camera has 201 bytes, at most 200 are accepted"),
        (("--data", "x" * (MAX_DATA_BYTES + 1)), f"--data has {MAX_DATA_BYTES + 1} bytes, at most"),
    ],
)
def test_what_no_server_would_take_of_any_frame_is_one_mistake(
    part: Path, tmp_path: Path, command: str, said: tuple[str, str], why: str
) -> None:
    project = project_in(tmp_path / "p")
    arguments = {
        "run": ("run", project, part),
        "compare": ("compare", project, project, part),
        "train": ("train", project, part),
        "drawn": ("run", project, part, "--drawn-defects"),
    }
    done = _run(*arguments[command], *said)
    assert done.exit_code == (2 if command == "compare" else 3)
    assert done.stderr.startswith(f"framemill: {why}")
    assert len(done.stderr.splitlines()) == 1


def test_what_no_server_would_take_of_one_frame_is_its_error(part: Path, tmp_path: Path) -> None:
    said = ("--view", "{stem}", "--camera", "{folder}" * 60)
    done = _run("run", project_in(tmp_path / "p"), part, *said, "--jsonl", tmp_path / "lines", "--workers", "1")
    assert done.exit_code == 1
    errors = {one["error"] for one in _told(tmp_path / "lines").values()}
    assert errors == {f"camera has {60 * len(part.name)} bytes, at most 200 are accepted"}


@pytest.mark.parametrize(("key", "most"), [("data", MAX_DATA_BYTES), ("camera", 200), ("view", 64)])
def test_what_no_server_would_take_is_a_mistake_of_a_proof(tmp_path: Path, key: str, most: int) -> None:
    toml = f'{PROOF}\n[[proof]]\nframe = "proof/one.png"\nresult = true\n{key} = "{"ř" * (most // 2 + 1)}"\n'
    with pytest.raises(ProjectInvalid, match=rf"proof\[2\]\.{key}: .*has \d+ bytes, at most {most} are accepted"):
        load_project(project_in(tmp_path / "p", toml))


def test_frames_of_a_proof_are_the_views_that_they_say(tmp_path: Path) -> None:
    done = _run("prove", project_in(tmp_path / "p", PROOF))
    assert done.exit_code == 0, done.stdout + done.stderr
    done = _run("prove", project_in(tmp_path / "q", PROOF.replace('view = "top"', "")))
    assert done.exit_code == 0, done.stdout + done.stderr
    done = _run("prove", project_in(tmp_path / "r", PROOF.replace('view = "left"', "")))
    assert done.exit_code == 6
    assert "is OK, expected NOK" in done.stdout + done.stderr


def test_a_view_of_a_proof_that_no_part_has_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(
        ProjectInvalid, match=r"proof\[1\]\.view: 'tip' is no view of a part, expected one of top, left"
    ):
        load_project(project_in(tmp_path / "p", PROOF.replace('"top"', '"tip"')))


@pytest.mark.long
def test_a_server_proves_its_views_too(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", PROOF)
    with serving(project, "--workers", "1") as server:
        until(lambda: any("the proof of version" in line and "holds" in line for line in server.log))
        (project / "code" / "flow.py").write_text(FLOW.replace('!= "left"', '== "left"'))
        with server.client() as client:
            refused = client.post("/api/v1/reload?wait_s=60")
        assert refused.status_code == 409
        assert "proof[0]" in refused.json()["detail"]
