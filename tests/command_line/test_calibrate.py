"""`framemill calibrate`: what it prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from service.cli.commands.calibrate import calibrate
from tests.command_line.tried import framemill
from tests.modules.scenes import Camera, chessboard, views
from tests.support.pictures import png
from tests.support.projects import write_project
from workers.calibration.calibration import read_calibration

TARGET = ("--target", "chessboard:9x6:10mm")


def asked(*arguments: object) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(calibrate, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    camera = Camera()
    for number, view in enumerate(views(4)):
        (folder / f"{number}.png").write_bytes(png(camera.picture(chessboard(9, 6, 10), *view)))
    return folder


def test_it_says_what_it_found_and_writes_a_calibration(tmp_path: Path, pictures: Path) -> None:
    flow = """
        [[flow]]
        module = "measure"
        calibration = "calibration.json"
        tools = [{ kind = "edge", name = "e", start = [1, 1], end = [50, 1] }]
    """
    project = write_project(tmp_path / "project", flow)  # which names what is not there yet
    (pictures / "notes.txt").write_text("not a picture")
    done = framemill("calibrate", project, pictures, *TARGET)
    assert done.returncode == 0, done.stderr
    assert "0.png: 54 points, " in done.stdout
    assert done.stdout.count(" px rms\n") == 4
    assert "calibration.json: 4 pictures, 0.0" in done.stdout
    assert "mm per px in the middle" in done.stdout
    assert read_calibration(project / "calibration.json").plane_image == "0.png"
    assert [path.name for path in project.iterdir() if path.name.startswith(".")] == []
    assert framemill("check", project).returncode == 0


def test_it_reads_frames_in_the_form_of_the_project(tmp_path: Path, pictures: Path) -> None:
    project = write_project(tmp_path, "[frame]\nreduce = 2\n")
    done = asked(project, pictures, *TARGET, "--plane", "1.png", "--out", "half.json")
    assert done.exit_code == 0, done.stderr
    made = read_calibration(project / "half.json")
    assert (made.width_px, made.height_px, made.plane_image) == (320, 240, "1.png")


def test_pictures_that_cannot_be_used_are_named_with_the_reason(tmp_path: Path, pictures: Path) -> None:
    project = write_project(tmp_path / "project")
    grey = tmp_path / "grey.png"
    grey.write_bytes(png(np.full((480, 640), 90, np.uint8)))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = asked(project, pictures / "0.png", grey, broken, *TARGET)
    assert done.exit_code == 0, done.stderr
    assert "grey.png: not used: no chessboard of 9 x 6 inner corners" in done.stdout
    assert "broken.png: not used: " in done.stdout
    assert "0.png alone was used" in done.stderr


def test_what_makes_no_calibration_is_refused_and_nothing_written(tmp_path: Path, pictures: Path) -> None:
    project = write_project(tmp_path / "project")
    small = tmp_path / "small.png"
    image = cv2.imread(str(pictures / "0.png"))
    assert image is not None
    small.write_bytes(png(np.asarray(cv2.resize(image, None, fx=0.7, fy=0.7), np.uint8)))
    grey = tmp_path / "grey.png"
    grey.write_bytes(png(np.full((480, 640), 90, np.uint8)))
    wrong: list[tuple[tuple[object, ...], str]] = [
        ((pictures / "0.png", "--target", "chessboard:10x7:10mm"), "found in none of the pictures"),
        ((pictures / "0.png", *TARGET, "--max-rms-px", "0.01"), "at most 0.01 is allowed"),
        ((pictures / "0.png", *TARGET, "--plane", "9.png"), "9.png, which shows the plane, is none of the pictures"),
        ((grey, pictures / "0.png", *TARGET), "grey.png shows the plane, and no chessboard"),
        ((pictures / "0.png", small, *TARGET), "small.png has another size than 0.png"),
    ]
    for arguments, why in wrong:
        done = asked(project, *arguments)
        assert (done.exit_code, why in done.stderr) == (1, True), done.stderr
    assert not (project / "calibration.json").exists()


def test_wrong_use_and_projects_with_mistakes_have_their_own_status(tmp_path: Path, pictures: Path) -> None:
    assert asked(tmp_path, pictures, *TARGET).exit_code == 3
    project = write_project(tmp_path / "project", "[frame]\nreduce = 3\n")
    assert asked(project, pictures, *TARGET).exit_code == 3
    assert asked(project, *TARGET).exit_code == 2
    assert asked(*TARGET).exit_code == 2
    done = asked(project, pictures, "--target", "board")
    assert (done.exit_code, "expected one as chessboard:9x6:10mm" in done.stderr) == (2, True)


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_it_prints_the_target(tmp_path: Path, ending: str) -> None:
    sheet = tmp_path / f"target.{ending}"
    done = asked(*TARGET, "--print-target", sheet)
    assert (done.exit_code, "on 297 x 210 mm; print it at 100 %" in done.stdout) == (0, True)
    assert sheet.stat().st_size > 1000
    assert asked(*TARGET, "--print-target", tmp_path / "target.txt").exit_code == 1
