"""`framemill run --against`: figures with known answers, and a page that shows what is false."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from service.tryout.row import Row
from service.tryout.score import Score, figure
from service.tryout.truth import Expected, TruthInvalid, match, read_truth
from tests.command_line.tried import CRASH, NOK, OK, framemill, judge, picture
from tests.support.pictures import decoded

# said, really, the defect: one of each, two of the missed
PARTS = {
    "right ok.png": (OK, True, None),
    "right nok.png": (NOK, False, "scratch"),
    "missed 1.png": (OK, False, "dent"),
    "missed 2.png": (OK, False, "scratch <b>"),
    "refused.png": (NOK, True, None),
    "dead.png": (CRASH, False, "dent"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, its pictures and their truth."""
    folder = tmp_path_factory.mktemp("line")
    judge(folder / "p")
    truth = {}
    for name, (mark, result, label) in PARTS.items():
        picture(folder / "parts" / name, mark)
        truth[name] = {"result": result} | ({"label": label} if label else {})
    picture(folder / "parts" / "new.png", OK)
    (folder / "truth.json").write_text(json.dumps({**truth, "gone.png": {"result": True}}))
    return folder


def test_it_says_precision_recall_and_what_is_false(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "false.html"
    done = framemill(
        *("run", folder / "p", folder / "parts", "--against", folder / "truth.json", "--report", report),
        *("--csv", tmp_path / "a.csv", "--jsonl", tmp_path / "a.jsonl"),
    )
    assert done.returncode == 1  # one has no verdict
    # 1 of 2 NOK verdicts is right; 1 of 3 NOK parts that have a verdict is found
    assert "precision 0.500, recall 0.333, F1 0.400 (of 6 frames with a right verdict" in done.stdout
    said = [line.split() for line in done.stdout.splitlines()]
    assert ["really", "OK", "1", "1", "0"] in said
    assert ["really", "NOK", "2", "1", "1"] in said
    assert ["scratch", "1", "1", "1", "scratch"] in said
    assert ["dent", "1", "0"] in said
    assert "not in the truth, and counted nowhere: 1 frames" in done.stderr
    assert "in the truth, and not among the files: gone.png" in done.stderr
    false_ok, _, false_nok = done.stdout.partition("false OK:")[2].partition("false NOK:")
    assert [Path(line.strip()).name for line in false_ok.splitlines() if line] == ["missed 1.png", "missed 2.png"]
    assert [Path(line.strip()).name for line in false_nok.splitlines() if line] == ["refused.png"]
    marked = [line for line in done.stdout.splitlines() if " ! " in line]
    assert sorted(Path(re.findall(r"(/\S.*\.png)", line)[0]).name for line in marked) == [
        "missed 1.png",
        "missed 2.png",
        "refused.png",
    ]
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    known = [line for line in lines if "expected" in line]
    assert len(known) == 6
    assert {"result": False, "label": "dent"} in [line["expected"] for line in known]
    _check_page(report.read_text())


def _check_page(page: str) -> None:
    false_ok, _, rest = page.partition('<section id="false-nok">')
    false_nok, _, errors = rest.partition('<section id="errors">')
    assert [name in false_ok for name in ("missed 1.png", "missed 2.png", "refused.png")] == [True, True, False]
    assert [name in false_nok for name in ("missed 1.png", "refused.png")] == [False, True]
    assert "dead.png" in errors
    assert "SIGSEGV" in errors
    shown = [decoded(base64.b64decode(found)) for found in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)]
    assert [image.shape for image in shown] == [(48, 64, 3)] * 3
    assert "right ok.png" not in page
    assert "scratch &lt;b&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in page


@pytest.mark.long
def test_the_status_is_that_of_the_verdicts_not_of_the_parts(folder: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    part = folder / "parts" / "right nok.png"
    truth.write_text(json.dumps({"right nok.png": {"result": False}}))
    done = framemill("run", folder / "p", part, "--against", truth)
    assert done.returncode == 0
    assert "precision 1.000, recall 1.000, F1 1.000" in done.stdout
    truth.write_text(json.dumps({"right nok.png": {"result": True}}))
    done = framemill("run", folder / "p", part, "--against", truth)
    assert done.returncode == 6
    assert "precision 0.000, recall -, F1 0.000" in done.stdout


@pytest.mark.long
def test_all_mistakes_of_a_truth_are_named_at_once(folder: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    bad = {"a.png": {"result": "yes"}, "b.png": {"lable": "dent", "result": True}, "c.png": {}, "d.png": True}
    truth.write_text(json.dumps(bad))
    done = framemill("run", folder / "p", folder / "parts", "--against", truth)
    assert done.returncode == 3
    assert "'a.png'.result: should be a valid boolean, got 'yes'" in done.stderr
    assert "'b.png'.lable: is unknown; known are result, label" in done.stderr
    assert "'c.png'.result: is missing" in done.stderr
    assert "'d.png'" in done.stderr
    for content, why in (
        ("[]", "is a list, expected an object"),
        ("{", "is no JSON"),
        ('{"x": {"result": true}}', "none"),
    ):
        truth.write_text(content)
        done = framemill("run", folder / "p", folder / "parts", "--against", truth)
        assert (done.returncode, why in done.stderr) == (3, True), done.stderr
    done = framemill("run", folder / "p", folder / "parts", "--against", tmp_path / "nothing.json")
    assert (done.returncode, "cannot be read" in done.stderr) == (3, True)


@pytest.mark.parametrize("name", ["data", "camera", "view"])
def test_what_no_client_could_say_is_a_mistake_of_the_truth(tmp_path: Path, name: str) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"a.png": {"result": True, name: "\ud800"}}))
    with pytest.raises(TruthInvalid, match=rf"'a\.png'\.{name}: .*is not UTF-8"):
        read_truth(truth)


def test_names_are_paths_or_the_name_of_one_file(tmp_path: Path) -> None:
    files = [tmp_path / place / name for place, name in (("a", "1.png"), ("b", "1.png"), ("b", "2.png"))]
    good = Expected(result=True)
    found = match({"a/1.png": good, "2.png": good, "3.png": good}, [tmp_path], files)
    assert list(found.expected) == [files[0], files[2]]
    assert found.unused == ["3.png"]
    with pytest.raises(TruthInvalid, match=r"'1\.png' means several files"):
        match({"1.png": good}, [tmp_path], files)
    # from the folder itself it means that folder's
    assert list(match({"1.png": good}, [tmp_path / "a"], files).expected) == [files[0]]


def test_a_truth_of_another_editor_is_read(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_bytes(b"\xef\xbb\xbf" + b'{"a.png": {"result": false, "label": null}}')
    assert read_truth(tmp_path / "truth.json") == {"a.png": Expected(result=False)}


def test_what_falls_short_of_all_is_never_printed_as_all() -> None:
    assert figure(0.9999) == "0.999"
    assert figure(1.0) == "1.000"
    score = Score.of([Row(Path("a"), "NOK", expected=Expected(result=True)), Row(Path("b"), "OK")])
    assert (score.frames, score.unknown, score.false_nok, score.precision, score.recall) == (1, 1, 1, 0.0, None)
