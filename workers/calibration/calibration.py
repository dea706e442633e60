"""The file of a calibration in a project, JSON: what `framemill calibrate` writes, and modules read.

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Row = Annotated[list[_Number], Field(min_length=3, max_length=3)]
_Matrix = Annotated[list[_Row], Field(min_length=3, max_length=3)]

_MOST_BYTES = 1_000_000


class CalibratedImage(BaseModel):
    """What became of one picture of the target."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: Annotated[str, Field(description="its name")]
    rms_px: Annotated[_Number, Field(ge=0, description="how far its points lie beside where the model has them")]


class Calibration(BaseModel):
    """A calibration: the camera as OpenCV models it, and the plane that the target lay in.

    In the matrices (0, 0) is the centre of the upper left pixel, as OpenCV counts.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    framemill_calibration: Annotated[Literal[1], Field(description="version of this form")] = 1
    target: Annotated[str, Field(description="what was looked at")]
    width_px: Annotated[int, Field(ge=1, description="of the frames")]
    height_px: Annotated[int, Field(ge=1, description="of the frames")]
    camera_matrix: Annotated[_Matrix, Field(description="focal lengths and centre, px")]
    distortion: Annotated[list[_Number], Field(min_length=4, max_length=14, description="k1, k2, p1, p2, k3, ...")]
    plane_to_mm: Annotated[_Matrix, Field(description="from px without distortion to mm in the plane")]
    plane_image: Annotated[str, Field(description="the picture whose target lay in the plane")]
    rms_px: Annotated[_Number, Field(ge=0, description="how far all points lie beside where the model has them")]
    plane_rms_mm: Annotated[_Number, Field(ge=0, description="how far those of the plane lie beside their place")]
    mm_per_px: Annotated[_Number, Field(gt=0, description="in the middle of the picture")]
    images: Annotated[list[CalibratedImage], Field(description="all that were used")] = []

    @field_validator("camera_matrix", "plane_to_mm")
    @classmethod
    def _can_be_undone(cls, matrix: list[list[float]]) -> list[list[float]]:
        (a, b, c), (d, e, f), (g, h, i) = matrix
        determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if not math.isfinite(determinant) or abs(determinant) < 1e-15:
            msg = f"{matrix} cannot be undone: expected a matrix of `framemill calibrate`"
            raise ValueError(msg)
        return matrix

    @property
    def focal_px(self) -> tuple[float, float]:
        """Both focal lengths."""
        return self.camera_matrix[0][0], self.camera_matrix[1][1]

    @property
    def centre_px(self) -> tuple[float, float]:
        """Where the optical axis meets the picture."""
        return self.camera_matrix[0][2], self.camera_matrix[1][2]


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file; raises ValueError with what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}"
        raise ValueError(msg) from None
    if len(content) > _MOST_BYTES:
        msg = f"{path.name} is no calibration: it has {len(content):,} bytes"
        raise ValueError(msg)
    try:
        return Calibration.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        at = f" at {where}" if where else ""
        msg = f"{path.name} is no calibration as `framemill calibrate` writes it{at}: {first['msg']}"
        raise ValueError(msg) from None
