"""Projects for tests, written to a folder and run in this process."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.base import ModuleSurroundings
from workers.modules.project_files import ProjectFiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.flow.flow import Inspection

HEAD = '[project]\nname = "test"\n'
RAISES_WHEN_LOOKED_AT = """
    class Odd(float):
        def __float__(self):
            raise RuntimeError("not today")

    def main(context):
        context["a"] = Odd(1)
"""

# what operators can set
GAP = """
[[input]]
name = "gap"
kind = "number"
label = "Largest gap"
help = "Measured between both halves, at the hinge."
min = 0.1
max = 2
step = 0.05
unit = "mm"
default = 0.8
"""
LOT = """
[[input]]
name = "lot"
kind = "text"
label = "Lot"
max_length = 40
"""


def write_project(folder: Path, flow: str = "", **code: str) -> Path:
    """Write a project with the TOML `flow` behind its head, and a file in code/ for each keyword; returns `folder`."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    (folder / "framemill.toml").write_text(HEAD + textwrap.dedent(flow))
    for name, source in code.items():
        (folder / "code" / f"{name}.py").write_text(textwrap.dedent(source))
    return folder


def surroundings_in(folder: Path, module_id: int = 1, source_type: str = "CODE") -> ModuleSurroundings:
    """What a module of the project in `folder` is handed beside its options."""
    return ModuleSurroundings(module_id, source_type, ProjectFiles(folder), folder / "data")


def code_flow(folder: Path, *sources: str, options: str = "") -> Flow:
    """Prepare a flow of code modules: step0.py, step1.py, ... each with the TOML `options`."""
    tables = "".join(
        f'[[flow]]\nmodule = "code"\nfile = "code/step{index}.py"\n{options}\n' for index, _ in enumerate(sources)
    )
    files = {f"step{index}": source for index, source in enumerate(sources)}
    return Flow.prepare(load_project(write_project(folder, tables, **files)))


def frame(height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    """Return a frame as a worker hands it to the flow: BGR, every pixel different, not to be written to."""
    pixels = np.arange(height * width * 3, dtype=np.uint8).tobytes()
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def inspect(flow: Flow, image: NDArray[np.uint8] | None = None, data: str = "") -> Inspection:
    """Run `flow` on `image` (a `frame()`) with an hour to spare."""
    return flow.run(frame() if image is None else image, data=data, deadline_ns=time.monotonic_ns() + 3600 * 10**9)
