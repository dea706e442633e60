"""Good pictures as a module sees them: what stands before it has been at work, in real processes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.taught.chosen import NotOne, choose
from service.tryout.inspecting import begin, open_trial
from tests.support.pictures import png
from tests.support.projects import write_project
from workers.errors import ProjectInvalid
from workers.teaching.gathering import Form, Gathered, Source, gather
from workers.teaching.pictures import KeptPictures
from workers.text import Told

pytestmark = pytest.mark.long

ANOMALY = '[[flow]]\nmodule = "anomaly"\nfile = "models/a.npz"\n'
CUT = """
    def main(context):
        if context["data"] == "raise":
            raise ValueError("too odd")
        context["result"] = context["data"] != "nok"
        context["exit"] = context["data"] == "leave"
        context["image"] = context["image"][4:, 2:].copy()
"""
CODE = '[[flow]]\nmodule = "code"\nfile = "code/cut.py"\n'


def picture(number: int, shape: tuple[int, ...] = (24, 32, 3)) -> NDArray[np.uint8]:
    """A picture, each of its own."""
    return np.random.default_rng(number).integers(0, 255, shape, np.uint8)


def gathered(
    project: Path,
    files: list[Path],
    folder: Path,
    module: str | None = None,
    known: frozenset[str] = frozenset(),
    taught: Form | None = None,
) -> Gathered:
    """What a module of the project sees of files; each is sent with its own name as `data`."""
    trial = open_trial(project, taught=False)
    found = Gathered(folder)
    folder.mkdir()
    start = begin(trial, seen_by=choose(trial.project, module).id)
    done = [*gather(Source(start, 1, files, Told("{stem}"), known, taught), found)]
    assert sorted(done) == sorted(files)
    return found


def write(folder: Path, **pictures: NDArray[np.uint8]) -> list[Path]:
    """Write pictures by names."""
    folder.mkdir(exist_ok=True)
    for name, image in pictures.items():
        (folder / f"{name}.png").write_bytes(png(image))
    return [folder / f"{name}.png" for name in pictures]


def test_the_module_sees_what_the_flow_before_it_leaves_and_only_its_region(tmp_path: Path) -> None:
    flow = CODE + ANOMALY + "region = { x = 3, y = 5, width = 20, height = 10 }\n" + CODE
    project = write_project(tmp_path / "p", flow, cut=CUT)
    files = write(tmp_path / "f", **{f"f{number}": picture(number) for number in range(5)})
    found = gathered(project, files, tmp_path / "seen")
    assert found.files == files
    assert found.form == Form(20, 10, 3)
    for number, seen in enumerate(KeptPictures(tmp_path / "seen", range(5))):
        np.testing.assert_array_equal(seen, picture(number)[4:, 2:][5:15, 3:23])
        assert not seen.flags.writeable


def test_what_cannot_be_learned_from_is_left_out_with_the_reason(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", CODE + ANOMALY, cut=CUT)
    images = {name: picture(number) for number, name in enumerate(("one", "raise", "nok", "leave", "two"))}
    files = write(tmp_path / "f", **images)
    (tmp_path / "f" / "cut.png").write_bytes(png(picture(9))[:60])
    again = tmp_path / "f" / "again.png"
    again.write_bytes(files[0].read_bytes())
    files += [tmp_path / "f" / "cut.png", again, tmp_path / "f" / "gone.png"]
    found = gathered(project, files, tmp_path / "seen")
    assert [path.stem for path in found.files] == ["one", "two"]
    why = {path.stem: reason for path, reason in found.left_out}
    assert why.pop("raise").endswith("too odd")
    assert why.pop("nok") == "it is NOK already before the module"
    assert why.pop("leave") == "the flow ends before the module"
    assert why.pop("gone") == "cannot be read: No such file or directory"
    assert "PNG" in why.pop("cut")
    assert why == {}
    assert (found.twice, found.known) == (1, 0)
    more = gathered(project, files[:5], tmp_path / "more", known=frozenset(found.sums))
    assert (more.files, more.known, more.twice) == ([], 2, 0)


def test_a_module_in_a_branch_is_taught_while_the_others_have_learned_nothing(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "parallel"
        branches = [
            [{ module = "anomaly", name = "left", file = "models/left.npz" }],
            [
                { module = "code", file = "code/cut.py" },
                { module = "anomaly", name = "right", file = "models/right.npz", enabled = false },
            ],
        ]
    """
    project = write_project(tmp_path / "p", flow, cut=CUT)
    files = write(tmp_path / "f", a=picture(1), b=picture(2))
    for name, size in (("left", (32, 24)), ("right", (30, 20))):
        found = gathered(project, files, tmp_path / name, name)
        assert found.forms == [Form(*size, 3)] * 2
    with pytest.raises(NotOne, match="several modules that learn, 'left', 'right'"):
        choose(open_trial(project, taught=False).project, None)
    with pytest.raises(NotOne, match="no anomaly is called 'middle'; there are 'left', 'right'"):
        choose(open_trial(project, taught=False).project, "middle")


def test_grey_pictures_stay_grey_and_most_say_what_the_rest_must_be(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[frame]\ngrey = true\n" + ANOMALY)
    files = write(tmp_path / "f", a=picture(1), b=picture(2, (20, 30)))
    found = gathered(project, files, tmp_path / "seen")
    assert [form.channels for form in found.forms] == [1, 1]
    to_grey = """
        def main(context):
            if context["data"] == "b":
                context["image"] = context["image"][:, :, 0].copy()
    """
    project = write_project(tmp_path / "q", CODE + ANOMALY, cut=to_grey)
    found = gathered(project, [*files, *write(tmp_path / "f", c=picture(3))], tmp_path / "other")
    assert found.left_out == [(files[1], "is grey, and most others are in colour")]


def test_other_mistakes_are_told_as_ever(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", CODE + ANOMALY + "wrong = 1\n")
    with pytest.raises(ProjectInvalid) as told:
        open_trial(project, taught=False)
    assert "flow[0].file: code/cut.py does not exist" in told.value.message
    assert "flow[1].wrong: is unknown" in told.value.message
    assert "models/a.npz" not in told.value.message
    project = write_project(tmp_path / "p", CODE + ANOMALY, cut="import nowhere\n\ndef main(context):\n    pass\n")
    with pytest.raises(ProjectInvalid, match="No module named 'nowhere'"):
        gathered(project, write(tmp_path / "f", a=picture(1)), tmp_path / "seen")


def test_where_there_is_no_room_for_pictures_nothing_is_learned_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.teaching.gathering.place_of", lambda _folder, _number: Path("/dev/full"))
    project = write_project(tmp_path / "p", ANOMALY)
    with pytest.raises(OSError, match="cannot be kept: No space left on device"):
        gathered(project, write(tmp_path / "f", a=picture(1)), tmp_path / "seen")


def test_sixteen_bits_are_seen_as_the_module_sees_them(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[frame]\ndepth = 16\n" + ANOMALY)
    deep = np.random.default_rng(1).integers(0, 1 << 16, (20, 30), np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    gathered(project, [path], tmp_path / "seen")
    (seen,) = KeptPictures(tmp_path / "seen", [0])
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen if seen.ndim == 2 else seen[:, :, 0], deep >> 8)


def test_sizes_that_the_module_would_refuse_are_left_out_and_the_rest_surrounds_what_is_taught(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[frame]\ngrey = true\n" + ANOMALY)
    sides = {"small": 24, "a": 34, "b": 44, "large": 48, "tiny": 3, "huge": 200}
    files = write(tmp_path / "f", **{name: picture(side, (side, side)) for name, side in sides.items()})
    found = gathered(project, files, tmp_path / "seen")
    assert [path.stem for path in found.files] == ["small", "a", "b", "large"]
    other = "is of another size, 44 x 44 px are in the middle of these pictures: expected at most 4 times as many"
    assert found.left_out == [(path, f"{other} pixels, and at least a quarter") for path in files[4:]]
    assert found.form == Form(34, 34, 1)


def test_more_pictures_are_of_the_kind_that_was_taught_before(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", ANOMALY)
    to_grey = """
        def main(context):
            if context["data"] == "grey":
                context["image"] = context["image"][:, :, 0].copy()
    """
    files = write(tmp_path / "f", one=picture(1), two=picture(2, (60, 80, 3)))
    found = gathered(project, files, tmp_path / "seen", taught=Form(33, 25, 3))
    assert ([path.stem for path in found.files], found.form) == (["one"], Form(33, 25, 3))
    assert "another size, 33 x 25 px were taught: expected" in found.left_out[0][1]
    project = write_project(tmp_path / "q", CODE + ANOMALY, cut=to_grey)
    files = write(tmp_path / "f", grey=picture(3))
    found = gathered(project, files, tmp_path / "grey", taught=Form(32, 24, 3))
    assert (found.files, found.left_out) == ([], [(files[0], "is grey, and it was taught with pictures in colour")])
    found = gathered(project, files, tmp_path / "again", taught=Form(32, 24, 1))
    assert found.files == files
