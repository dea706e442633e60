"""The options of the module `anomaly`, as the project file has them.

    [[flow]]
    module = "anomaly"
    file = "models/surface.npz"          # written by `framemill train`

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from workers.modules.options import IS_THRESHOLD, Line, ModuleOptions
from workers.modules.project_files import find_file
from workers.modules.region_options import RegionOption

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

LEARNED_SUFFIX, MODEL_SUFFIX = ".npz", ".onnx"


class AnomalyOptions(ModuleOptions):
    """What a project says about an `anomaly` module."""

    FILES: ClassVar[tuple[str, ...]] = ("file",)
    LEARNED: ClassVar[tuple[str, ...]] = ("file",)
    """Those of FILES that `framemill train` writes: while it does they need not be there."""

    module: str = "anomaly"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `anomalies` call it")] = (
        "anomaly"
    )
    file: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="what `framemill train` has learned, .npz; or a model that anomalib has exported, .onnx",
        ),
    ]
    threshold: Annotated[
        float | None,
        IS_THRESHOLD,
        Field(gt=0, le=1e9, allow_inf_nan=False, description="score from which it is NOK; the learned one if left out"),
    ] = None
    sensitivity: Annotated[
        float,
        IS_THRESHOLD,
        Field(
            ge=0.1,
            le=10,
            allow_inf_nan=False,
            description="the threshold is divided by it: above 1 finds more, below 1 forgives more",
        ),
    ] = 1.0
    region: RegionOption = None
    area_min_px: Annotated[
        int, IS_THRESHOLD, Field(ge=1, le=1_000_000_000, description="a strange place that is smaller is forgiven, px")
    ] = 10
    most: Annotated[int, Field(ge=1, le=3000, description="the strangest so many get a rectangle")] = 100
    heat: Annotated[bool, Field(description="whether the heatmap shows how strange each place is")] = True

    @property
    def line(self) -> Line | None:
        """See ModuleOptions."""
        return Line("threshold", above=True, factor=self.sensitivity)

    @field_validator("file")
    @classmethod
    def _is_one_of_both(cls, file: str) -> str:
        if not file.endswith((LEARNED_SUFFIX, MODEL_SUFFIX)):
            msg = f"{file} is neither .npz, as `framemill train` writes it, nor .onnx, as anomalib exports it"
            raise ValueError(msg)
        return file

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the file, and what writes it."""
        named = table.get("file")
        if not isinstance(named, str) or not named.endswith((LEARNED_SUFFIX, MODEL_SUFFIX)):
            return
        if named.endswith(MODEL_SUFFIX) and importlib.util.find_spec("onnxruntime") is None:
            yield "module", "needs onnxruntime, which is not installed: pip install 'framemill[models]'"
        try:
            find_file(files.folder, named)
        except ValueError as error:
            how = "; `framemill train PROJECT GOOD_FOLDER` writes it" if named.endswith(LEARNED_SUFFIX) else ""
            yield "file", f"{error}{how}"
