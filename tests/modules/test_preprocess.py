"""The module `preprocess`: each step on pictures whose result is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.modules.pages import example, page
from tests.support.projects import surroundings_in, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import ProjectInvalid
from workers.flow.project import load_project
from workers.modules.preprocess.module import prepare
from workers.modules.preprocess.options import PreprocessOptions

Image = NDArray[np.uint8]


def done(image: Image, *given: dict[str, Any]) -> Image:
    """Return the image that the steps leave; it is another where they change anything, and the frame stays."""
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, "")
    run = Run.start(2**62)
    options = PreprocessOptions.model_validate({"module": "preprocess", "steps": [*given]})
    module = prepare(options, surroundings_in(Path()))
    assert module(context, run), run.errors
    assert (frame == image).all()
    left: Image = context["image"]
    assert left.dtype == np.uint8
    assert left.flags.c_contiguous
    return left


def slope() -> Image:
    """(64, 256, 3): each column has the level of its number, in all channels."""
    return np.repeat(np.tile(np.arange(256, dtype=np.uint8), (64, 1))[:, :, None], 3, axis=2)


def test_grey_is_brightness() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    image[:, :, 1] = 100  # green counts 0.587
    assert (done(image, {"do": "grey"}) == 59).all()
    assert done(image[:, :, 0].copy(), {"do": "grey"}).shape == (4, 5)


def test_blur_spreads_a_point_and_the_median_takes_it_out() -> None:
    image = np.zeros((21, 21), np.uint8)
    image[10, 10] = 255
    soft = done(image, {"do": "blur", "sigma_px": 1.5})
    assert 0 < soft[10, 10] < 30
    assert 0 < soft[10, 12] < soft[10, 10]
    assert done(image, {"do": "blur", "median_px": 3}).max() == 0


def test_sharpen_makes_an_edge_steeper_and_leaves_what_is_flat() -> None:
    image = np.full((20, 40), 100, np.uint8)
    image[:, 20:] = 150
    sharp = done(image, {"do": "sharpen", "amount": 1.0, "sigma_px": 2.0})
    assert sharp[10, 19] < 100
    assert sharp[10, 20] > 150
    assert (sharp[10, 2], sharp[10, 37]) == (100, 150)


def test_normalise_stretches_and_a_single_level_stays() -> None:
    image = np.tile(np.linspace(50, 150, 101).astype(np.uint8), (10, 1))
    stretched = done(image, {"do": "normalise", "cut_percent": 0})
    assert (stretched.min(), stretched.max()) == (0, 255)
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert (done(flat, {"do": "normalise"}) == flat).all()


def test_white_balance_makes_grey_grey_and_takes_factors() -> None:
    image = np.empty((8, 8, 3), np.uint8)
    image[:] = (90, 100, 110)
    assert (done(image, {"do": "white_balance"}) == 100).all()
    assert (done(image, {"do": "white_balance", "bgr": [2, 1, 0.5]})[0, 0] == [180, 100, 55]).all()
    assert (done(image[:, :, 0].copy(), {"do": "white_balance"}) == 90).all()


def test_gamma_changes_the_middle_and_keeps_black_and_white() -> None:
    brighter = done(slope(), {"do": "gamma", "gamma": 2.0})[0, :, 0]
    assert (brighter[0], brighter[255]) == (0, 255)
    assert brighter[64] == round(255 * (64 / 255) ** 0.5)
    assert (np.diff(brighter.astype(int)) >= 0).all()


def test_no_distortion_is_no_change_and_a_barrel_moves_the_corners() -> None:
    image = slope()
    lens = {"do": "undistort", "focal_px": [200, 200], "centre_px": [127.5, 31.5]}
    assert (done(image, {**lens, "k": [0, 0, 0, 0]}) == image).all()
    moved = done(image, {**lens, "k": [-0.2, 0, 0, 0]})
    assert (moved[32, 20] != image[32, 20]).any()
    assert moved[32, 127, 0] == pytest.approx(127, abs=1)


@pytest.mark.parametrize("grey", [False, True])
def test_a_crop_is_cut_where_the_image_ends_and_one_beside_it_is_an_error_of_the_frame(grey: bool) -> None:
    image = slope()[:, :, 0].copy() if grey else slope()
    part = done(image, {"do": "crop", "x": 200, "y": 10, "width": 500, "height": 5})
    assert part.shape[:2] == (5, 56)
    assert part.reshape(5, 56, -1)[0, 0, 0] == 200
    context, run = new_context(image, ""), Run.start(2**62)
    steps = [{"do": "crop", "x": 300, "y": 0, "width": 5, "height": 5}]
    assert not prepare(
        PreprocessOptions.model_validate({"module": "preprocess", "steps": steps}), surroundings_in(Path())
    )(context, run)
    assert run.errors[0]["message"] == "the crop at 300, 0 lies outside of the image of 256 x 64 px"


@pytest.mark.parametrize(
    ("steps", "mistake"),
    [
        ("[]", "flow[0].steps: list should have at least 1 item"),
        ('[{ do = "crop", x = 1, y = 1, width = 0, height = 4 }]', "flow[0].steps[0].width: should be greater"),
        ('[{ do = "squeeze" }]', "flow[0].steps[0]: "),
        ('[{ do = "blur" }]', "expected either sigma_px or median_px"),
        ('[{ do = "resize", width = 10 }]', "expected either a factor, or width and height"),
        ('[{ do = "rotate", degrees = 90, about = "centre" }]', "about"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, steps: str, mistake: str) -> None:
    project = write_project(tmp_path, f'[[flow]]\nmodule = "preprocess"\nsteps = {steps}\n')
    with pytest.raises(ProjectInvalid) as told:
        load_project(project)
    assert mistake in told.value.message
    assert told.value.message.startswith("flow[0].steps")


def test_the_example_of_its_page_runs_and_the_page_names_every_step(tmp_path: Path) -> None:
    tried = example("preprocess", tmp_path)
    assert tried.inspect(np.full((400, 600, 3), 90, np.uint8)).context["errors"] == []
    schema = PreprocessOptions.model_json_schema()
    for name, step in schema["$defs"].items():
        words = step["properties"]["do"]["const"]
        assert f"`{words}`" in page("preprocess"), name
        for key in step["properties"]:
            assert key == "do" or f"`{key}`" in page("preprocess"), f"{words}.{key}"
