"""An example of each kind of module, as a project has it: what is timed, and what memory is watched over.

A kind that comes gets a row. Frames are boards of any size; their golden image is `references/board.png`, and there is
code in `code/check.py`; models lie in `models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CODE = """def main(context):
    context["result"] = bool(context["image"][0, 0, 0] >= 0)
"""

EXAMPLES: Mapping[str, str] = {
    "anomaly": """
[[flow]]
module = "anomaly"
file = "models/board.npz"
""",
    "blobs": """
[[flow]]
module = "blobs"
darker_than = 60
""",
    "brightness": """
[[flow]]
module = "brightness"
mean_min_level = 1
""",
    "classifier": """
[[flow]]
module = "classifier"
file = "models/colours.onnx"
labels = ["red", "green", "blue"]
""",
    "code": """
[[flow]]
module = "code"
file = "code/check.py"
""",
    "codes": """
[[flow]]
module = "codes"
count_min = 0
time_ms = 100
""",
    "color": """
[[flow]]
module = "color"

[[flow.classes]]
name = "green"
hsv_min = [90, 30, 20]
hsv_max = [150, 100, 100]

[[flow.regions]]
name = "board"
""",
    "detector": """
[[flow]]
module = "detector"
file = "models/squares.onnx"
tile_px = 320
""",
    "mask": """
[[flow]]
module = "mask"
drop = [[[10, 10], [60, 10], [60, 40], [10, 40]]]
""",
    "measure": """
[[flow]]
module = "measure"

[[flow.tools]]
kind = "edge"
name = "edge"
start = [8, 60]
end = [152, 60]
min_contrast_levels = 5
""",
    "only_if": """
[[flow]]
module = "only_if"
expression = 'count("hole") == 0'
""",
    "parallel": """
[[flow]]
module = "parallel"
branches = [[{ module = "brightness" }], [{ module = "blobs", darker_than = 60 }]]
""",
    "preprocess": """
[[flow]]
module = "preprocess"
steps = [{ do = "rotate", degrees = 90 }, { do = "blur", sigma_px = 1.0 }]
""",
    "reference": """
[[flow]]
module = "reference"
image = "references/board.png"
""",
    "segmentation": """
[[flow]]
module = "segmentation"
file = "models/planes.onnx"
labels = ["nothing", "red", "green"]
""",
    "shape": """
[[flow]]
module = "shape"
file = "references/board.png"
region = { x = 8, y = 8, width = 100, height = 80 }
""",
    "sharpness": """
[[flow]]
module = "sharpness"
""",
    "unify": """
[[flow]]
module = "unify"
file = "references/board.png"
shift_px = 8
angle_min = -5
angle_max = 5
""",
}

MODELS: Mapping[str, tuple[str, str]] = {
    "classifier": ("classifier", "colours.onnx"),
    "detector": ("detector", "squares.onnx"),
    "segmentation": ("planes", "planes.onnx"),
}
"""The model of each kind that has one: what writes it (bench/tiny_models.py), and its file in `models/`."""


def write_example(kind: str, folder: Path, golden: NDArray[np.uint8]) -> Path:
    """Write the example project of `kind` to `folder`; `golden` is (h, w, 3) BGR. Returns the folder."""
    for name in ("code", "references"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "framemill.toml").write_text(f'[project]\nname = "{kind}"\n{EXAMPLES[kind]}')
    (folder / "code" / "check.py").write_text(_CODE)
    cv2.imwrite(str(folder / "references" / "board.png"), golden)
    if kind == "anomaly":
        from bench import tiny_anomaly  # noqa: PLC0415 - as below

        darker = [golden - np.minimum(golden, np.uint8(each)) for each in range(8)]
        tiny_anomaly.teach(folder, "models/board.npz", darker)
    if kind in MODELS:
        from bench import tiny_models  # noqa: PLC0415 - onnx takes a second, and few kinds need it

        write, name = MODELS[kind]
        getattr(tiny_models, write)(folder / "models" / name, side=128)
    return folder
