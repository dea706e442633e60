"""The proof of a project: tables are checked with key paths, frames belong to the version, what it says counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from service.settings import Settings
from tests.support.pictures import png
from tests.support.projects import frame, write_project
from workers.errors import ProjectInvalid
from workers.flow.project import load_project
from workers.flow.schema import project_schema
from workers.versions.copy import version_of


def _project(folder: Path, proof: str) -> Path:
    project = write_project(folder, proof)
    (project / "proof").mkdir()
    (project / "data").mkdir()
    for name in ("proof/good.png", "data/late.png"):
        (project / name).write_bytes(png(frame()))
    return project


GOOD = '[[proof]]\nframe = "proof/good.png"\nresult = true\n'


def test_what_a_proof_says_is_read(tmp_path: Path) -> None:
    more = 'labels = ["screw"]\nholds = "score > 0.5"\ndata = "M4"\n'
    (proof,) = load_project(_project(tmp_path, GOOD + more)).proofs
    assert (proof.where, proof.path, proof.label) == (
        "proof[0]",
        tmp_path / "proof" / "good.png",
        "proof[0] (proof/good.png)",
    )
    assert (proof.options.labels, proof.options.holds, proof.options.data) == (["screw"], "score > 0.5", "M4")


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        (
            'frame = "proof/godo.png"\nresult = true',
            "proof[0].frame: proof/godo.png does not exist in the project",
        ),
        ('frame = "../good.png"\nresult = true', "proof[0].frame: ../good.png lies outside of the project"),
        (
            'frame = "data/late.png"\nresult = true',
            "proof[0].frame: data/late.png lies in the data folder, which is",
        ),
        ('frame = "proof/good.png"', "proof[0].result: is missing: the verdict that is right"),
        ('frame = "proof/good.png"\nresult = "OK"', "proof[0].result: should be a valid boolean, got 'OK'"),
        ('frame = "proof/good.png"\nresult = true\nholds = "score >"', "proof[0].holds: "),
        ('frame = "proof/good.png"\nresult = true\nlabel = "a"', "proof[0].label: is unknown; known are frame, result"),
    ],
)
def test_a_mistake_in_a_proof_is_told_with_its_key_path(tmp_path: Path, table: str, mistake: str) -> None:
    with pytest.raises(ProjectInvalid) as raised:
        load_project(_project(tmp_path, f"[[proof]]\n{table}\n"))
    assert raised.value.message.startswith(mistake)
    assert len(raised.value.message.splitlines()) == 1


def test_one_table_in_place_of_a_list_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid, match=r"^proof: is no list of tables, expected \[\[proof\]\]"):
        load_project(_project(tmp_path, '[proof]\nframe = "proof/good.png"\nresult = true\n'))


def test_a_frame_of_the_proof_is_a_part_of_the_version(tmp_path: Path) -> None:
    project = _project(tmp_path, GOOD)
    before = version_of(project, [project / "data"])
    (project / "proof" / "good.png").write_bytes(png(frame(7, 9)))
    assert version_of(project, [project / "data"]) != before


def _context(**keys: Any) -> dict[str, Any]:
    found = [{"classNames": [{"label": "screw"}]}, {"classNames": [{"label": "screw"}]}, {"classNames": []}]
    return {"result": True, "score": 0.25, "error": False, "errors": [], "detectedRectangles": found, **keys}


@pytest.mark.parametrize(
    ("more", "context", "differences"),
    [
        ("", _context(), []),
        ("", _context(result=False), ["is NOK, expected OK"]),
        (
            "",
            _context(
                result=False,
                error=True,
                errors=[{"message": "no", "type": "OSError", "file": "code/a.py", "line": 3}],
            ),
            ["the flow failed, expected OK: OSError: no (code/a.py, line 3)"],
        ),
        ('labels = ["screw"]', _context(), []),
        ('labels = ["screw", "nut"]', _context(), ["found are screw, expected nut, screw"]),
        ("labels = []", _context(), ["found are screw, expected none"]),
        ("labels = []", _context(detectedRectangles=[]), []),
        ("holds = 'count(\"screw\") == 2 and score < 0.5'", _context(), []),
        ('holds = "score > 0.5"', _context(result=False), ["is NOK, expected OK", "score > 0.5 does not hold"]),
        ('holds = "missing > 1"', _context(), ["missing > 1 does not hold"]),
    ],
)
def test_what_differs_is_told(tmp_path: Path, more: str, context: dict[str, Any], differences: list[str]) -> None:
    (proof,) = load_project(_project(tmp_path, f"{GOOD}{more}\n")).proofs
    assert list(proof.differences(context)) == differences


def test_a_flow_that_fails_is_right_about_no_part(tmp_path: Path) -> None:
    (proof,) = load_project(_project(tmp_path, GOOD.replace("true", "false"))).proofs
    failed = _context(result=False, error=True, errors=[{"message": "", "type": "MemoryError"}])
    assert list(proof.differences(failed)) == ["the flow failed, expected NOK: MemoryError"]
    assert list(proof.differences(_context(result=False))) == []


def test_the_schema_knows_the_proof_and_offers_the_files(tmp_path: Path) -> None:
    project = _project(tmp_path, GOOD)
    schema = project_schema(Settings, project)
    frames = schema["definitions"]["proof"]["properties"]["frame"]["anyOf"][0]["enum"]
    assert "proof/good.png" in frames
    document: dict[str, Any] = {"project": {"name": "p"}, "proof": [{"frame": "proof/good.png", "result": True}]}
    jsonschema.validate(document, schema)
    document["proof"][0]["verdict"] = True
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(document)), schema)
