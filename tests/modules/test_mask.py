"""The module `mask`: what does not count is painted over, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.modules.pages import example
from tests.support.projects import surroundings_in, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.mask.module import prepare
from workers.modules.mask.options import MaskOptions

Image = NDArray[np.uint8]
SQUARE = [[10, 5], [30, 5], [30, 25], [10, 25]]


def masked(picture: Image, folder: Path = Path(), **options: Any) -> tuple[Image, list[dict[str, Any]]]:
    frame = picture.copy()
    frame.flags.writeable = False
    context, run = new_context(frame, ""), Run.start(2**62)
    prepare(MaskOptions(module="mask", **options), surroundings_in(folder))(context, run)
    return context["image"], run.errors


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_what_is_kept_stays_and_all_else_is_filled(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 90, np.uint8)
    left, errors = masked(image, keep=[SQUARE], fill=7)
    kept = np.zeros((40, 60), bool)
    kept[5:25, 10:30] = True
    assert errors == []
    assert (left[kept] == 90).all()
    assert (left[~kept] == 7).all()


def test_what_is_dropped_lies_within_what_is_kept() -> None:
    left, _ = masked(np.full((40, 60), 90, np.uint8), keep=[SQUARE], drop=[[[15, 10], [20, 10], [20, 15], [15, 15]]])
    assert int((left == 90).sum()) == 20 * 20 - 5 * 5
    left, _ = masked(np.full((40, 60), 90, np.uint8), drop=[SQUARE])
    assert int((left == 0).sum()) == 20 * 20


def test_an_image_says_what_counts_and_must_have_the_size(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:] = 1
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    left, errors = masked(np.full((40, 60, 3), 90, np.uint8), tmp_path, image="mask.png")
    assert errors == []
    assert (left[:, 30:] == 90).all()
    assert left[:, :30].max() == 0
    left, errors = masked(np.full((20, 60), 90, np.uint8), tmp_path, image="mask.png")
    assert errors[0]["message"] == "the mask has 60 x 40 px, the image 60 x 20"


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ("", "expected either polygons to keep or to drop, or an image"),
        ("keep = [[[0, 0], [1, 1]]]", "flow[0].keep[0]: list should have at least 3 items"),
        ("keep = [[[0, 0], [1, 1], [2]]]", "flow[0].keep[0][2]: list should have at least 2 items"),
        ('image = "none.png"', "flow[0].image: none.png does not exist in the project"),
        ('keep = []\nimage = "../x.png"', "flow[0].image: ../x.png lies outside of the project"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, options: str, mistake: str) -> None:
    with pytest.raises(ProjectInvalid) as told:
        load_project(write_project(tmp_path / "p", f'[[flow]]\nmodule = "mask"\n{options}\n'))
    assert mistake in told.value.message


def test_an_image_that_is_none_is_a_mistake_once_the_project_is_loaded(tmp_path: Path) -> None:
    project = write_project(tmp_path, '[[flow]]\nmodule = "mask"\nimage = "mask.png"\n')
    for content, why in (
        (b"no picture", "this is no image format that is known"),
        (b"", "the image is empty: 0 bytes"),
    ):
        (tmp_path / "mask.png").write_bytes(content)
        with pytest.raises(ProjectInvalid, match=f"image: the mask 'mask\\.png' cannot be used: {why}"):
            Flow.prepare(load_project(project))


def test_a_mask_passes_the_gate_as_a_frame_does(tmp_path: Path) -> None:
    """OpenCV fills what is torn off with black, and says nothing: half of the picture would not count."""
    project = write_project(tmp_path, '[[flow]]\nmodule = "mask"\nimage = "mask.jpg"\n')
    _, encoded = cv2.imencode(".jpg", np.full((400, 600), 255, np.uint8))
    Flow.prepare(load_project(_written(project, encoded.tobytes())))
    with pytest.raises(ProjectInvalid, match="image: the mask 'mask\\.jpg' cannot be used: the JPEG"):
        Flow.prepare(load_project(_written(project, encoded.tobytes()[:-100])))


def _written(project: Path, mask: bytes) -> Path:
    (project / "mask.jpg").write_bytes(mask)
    return project


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("colours", [1, 3, 4])
def test_a_mask_may_be_of_any_kind(tmp_path: Path, ending: str, colours: int) -> None:
    mask = np.zeros((40, 60, colours), np.uint8)
    mask[:, 30:] = 255
    if colours == 4:
        mask[..., 3] = 255
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if ending == "webp" else []  # without loss
    cv2.imwrite(str(tmp_path / f"mask.{ending}"), mask, options)
    left, errors = masked(np.full((40, 60, 3), 90, np.uint8), tmp_path, image=f"mask.{ending}")
    assert errors == []
    assert (left[:, 30:] == 90).all()
    assert left[:, :30].max() == 0


def test_the_example_of_its_page_runs(tmp_path: Path) -> None:
    tried = example("mask", tmp_path)
    assert tried.inspect(np.full((480, 640, 3), 90, np.uint8)).context["errors"] == []
