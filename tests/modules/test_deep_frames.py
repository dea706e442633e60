"""Frames of 10 to 16 bits in a flow that asks for them: code finds every bit, pictures show the upper eight."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pictures import decoded, png
from tests.support.projects import surroundings_in
from tests.support.running import serving, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.preprocess.module import prepare
from workers.modules.preprocess.options import PreprocessOptions

DEEP = "[frame]\ndepth = 16\n"
TIFF = '[server]\nformats = ["png", "tiff"]\n'
CODE = '[[flow]]\nmodule = "code"\nfile = "code/look.py"\n'
LOOK = """
def main(context):
    image = context["image"]
    context["seen"] = {
        "type": str(image.dtype),
        "shape": list(image.shape),
        "bits": context["imageBits"],
        "first": int(image.reshape(-1)[0]),
        "most": int(image.max()),
    }
"""


def test_each_kind_of_frame_arrives_with_all_its_bits(tmp_path: Path) -> None:
    project = write_project(tmp_path, DEEP + "grey = true\n" + CODE + TIFF, look=LOOK)
    words = np.full((20, 30), 1000, "<u2")
    words[0, 0] = 3
    eight = np.full((20, 30, 3), 200, np.uint8)
    with serving(project) as server, server.client() as client:

        def seen(body: bytes, path: str = "/analyze_raw_image", **parameters: str) -> dict[str, object]:
            answer = client.post(path, params=parameters, content=body)
            assert answer.status_code == 200, answer.text
            assert not answer.json()["errors"]
            found: dict[str, object] = answer.json()["seen"]
            return found

        size = {"width": "30", "height": "20"}
        whole = {"type": "uint16", "shape": [20, 30], "first": 3, "most": 1000}
        assert seen(words.tobytes(), pixel_format="Mono12", **size) == {**whole, "bits": 12}
        assert seen(words.tobytes(), pixel_format="Mono10", **size) == {**whole, "bits": 10}
        packed = b"".join(struct.pack("<I", low | high << 12)[:3] for low, high in words.reshape(-1, 2).tolist())
        assert seen(packed, pixel_format="Mono12p", **size) == {**whole, "bits": 12}
        assert seen(png(words), "/analyze_image") == {**whole, "bits": 16}
        tiff = cv2.imencode(".tiff", words)[1].tobytes()
        assert seen(tiff, "/analyze_image") == {**whole, "bits": 16}
        assert seen(eight.tobytes(), **size) == {
            "type": "uint8", "shape": [20, 30], "bits": 8, "first": 200, "most": 200
        }  # fmt: skip
        assert seen(png(eight), "/analyze_image")["type"] == "uint8"


@pytest.mark.long
@pytest.mark.parametrize("layout", ["RG", "GR", "GB", "BG"])
def test_a_deep_mosaic_has_the_colours_of_one_of_eight_bits(tmp_path: Path, layout: str) -> None:
    project = write_project(tmp_path, DEEP)
    mosaic = np.random.default_rng(1).integers(0, 4096, (40, 50)).astype("<u2")
    parameters: dict[str, str | int] = {"width": 50, "height": 40, "response_type": "image"}
    with serving(project) as server, server.client() as client:
        twelve = client.post(
            "/analyze_raw_image", params={**parameters, "pixel_format": f"Bayer{layout}12"}, content=mosaic.tobytes()
        )
        again = client.get("/last_image", params={"response_type": "image"})
    with serving(write_project(tmp_path / "eight")) as server, server.client() as client:
        eight = client.post(
            "/analyze_raw_image",
            params={**parameters, "pixel_format": f"Bayer{layout}8"},
            content=(mosaic >> 4).astype(np.uint8).tobytes(),
        )
    shown, expected = decoded(twelve.content).astype(int), decoded(eight.content).astype(int)
    assert np.abs(shown - expected).max() <= 1
    assert shown.std() > 10
    np.testing.assert_array_equal(decoded(again.content), decoded(twelve.content))


def test_a_flow_that_did_not_ask_gets_the_upper_eight(tmp_path: Path) -> None:
    flow = Flow.prepare(load_project(write_project(tmp_path, CODE, look=LOOK)))
    seen = flow.run(np.full((4, 5, 3), 62, np.uint8), data="", deadline_ns=2**62).context["seen"]
    assert seen == {"type": "uint8", "shape": [4, 5, 3], "bits": 8, "first": 62, "most": 62}


def test_the_steps_of_preprocess_keep_the_bits() -> None:
    image = np.tile(np.arange(512, 1024, dtype=np.uint16), (40, 1))
    image.flags.writeable = False

    def done(*steps: dict[str, object], bits: int = 10) -> NDArray[np.uint16]:
        context, run = new_context(image, "", bits=bits), Run.start(2**62)
        run.bits, run.deep = bits, True
        options = PreprocessOptions.model_validate({"module": "preprocess", "steps": [*steps]})
        assert prepare(options, surroundings_in(Path()))(context, run), run.errors
        left: NDArray[np.uint16] = context["image"]
        assert left.dtype == np.uint16
        return left

    stretched = done({"do": "normalise", "cut_percent": 0})
    assert (int(stretched.min()), int(stretched.max())) == (0, 1023)
    assert len(np.unique(stretched)) == 512
    brighter = done({"do": "gamma", "gamma": 2})
    assert int(brighter[0, 0]) == round(1023 * (512 / 1023) ** 0.5)
    assert int(done({"do": "sharpen", "amount": 5.0}).max()) <= 1023
    assert done({"do": "resize", "factor": 0.5}, {"do": "rotate", "degrees": 90}).shape == (256, 20)
    assert int(done({"do": "blur", "median_px": 5}).max()) == 1023


def test_a_median_that_opencv_has_for_eight_bits_only_is_an_error_that_says_so() -> None:
    context, run = new_context(np.zeros((9, 9), np.uint16), "", bits=12), Run.start(2**62)
    run.bits, run.deep = 12, True
    options = PreprocessOptions.model_validate({"module": "preprocess", "steps": [{"do": "blur", "median_px": 9}]})
    assert not prepare(options, surroundings_in(Path()))(context, run)
    assert "5 at most" in run.errors[0]["message"]


def test_other_modules_see_the_upper_eight_and_leave_the_image_as_it_was(tmp_path: Path) -> None:
    blobs = '[[flow]]\nmodule = "blobs"\nthreshold = "fixed"\npolarity = "bright"\nbrighter_than = 128\n'
    mask = '[[flow]]\nmodule = "mask"\nkeep = [[[0, 0], [30, 0], [30, 40], [0, 40]]]\nfill = 255\n'
    flow = Flow.prepare(load_project(write_project(tmp_path, DEEP + blobs + mask + CODE, look=LOOK)))
    image = np.full((40, 40), 100, np.uint16)
    image[10:20, 5:15] = 3000
    inspection = flow.run(image, data="", deadline_ns=2**62, bits=12)
    boxes = inspection.context["detectedRectangles"]
    assert [(box["x"], box["y"], box["width"], box["height"]) for box in boxes] == [(5, 10, 10, 10)]
    assert inspection.context["seen"]["first"] == 100
    assert inspection.context["seen"]["most"] == 4095  # what the mask has filled is white
    assert inspection.image.dtype == np.uint8


def test_an_image_of_sixteen_bits_is_refused_where_nobody_asked(tmp_path: Path) -> None:
    leave = "import numpy as np\ndef main(context): context['image'] = np.zeros((4, 5), np.uint16)"
    flow = Flow.prepare(load_project(write_project(tmp_path, CODE.replace("look", "leave"), leave=leave)))
    context = flow.run(np.zeros((4, 5, 3), np.uint8), data="", deadline_ns=2**62).context
    assert context["result"] is False
    assert "expected a uint8 array" in context["errors"][0]["message"]
    asking = write_project(tmp_path / "deep", DEEP + CODE.replace("look", "leave"), leave=leave)
    deep = Flow.prepare(load_project(asking))
    assert deep.run(np.zeros((4, 5, 3), np.uint8), data="", deadline_ns=2**62).context["result"] is True


def test_a_depth_that_nobody_has_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid, match=r"frame\.depth"):
        load_project(write_project(tmp_path, "[frame]\ndepth = 12\n"))
