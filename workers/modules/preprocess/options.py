"""The options of the module `preprocess`: its steps, in the order in which they are done.

    [[flow]]
    module = "preprocess"
    steps = [{ do = "crop", x = 100, y = 50, width = 800, height = 600 }, { do = "rotate", degrees = 90 }]

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workers.calibration.calibration import read_calibration
from workers.modules.options import ModuleOptions
from workers.modules.project_files import find_file

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

_MOST_PX = 16_384
Point = Annotated[tuple[float, float], Field(description="x and y in px")]


class _Step(BaseModel):
    # lists of a TOML file are taken for pairs, too
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Crop(_Step):
    """Cut out a part; what of it lies outside of the image is left out."""

    do: Literal["crop"]
    x: Annotated[int, Field(ge=0, le=_MOST_PX, description="left edge, px")]
    y: Annotated[int, Field(ge=0, le=_MOST_PX, description="upper edge, px")]
    width: Annotated[int, Field(ge=1, le=_MOST_PX, description="px")]
    height: Annotated[int, Field(ge=1, le=_MOST_PX, description="px")]


class Resize(_Step):
    """Scale to a width and height, or by a factor."""

    do: Literal["resize"]
    factor: Annotated[float | None, Field(gt=0.01, le=16, description="of width and height")] = None
    width: Annotated[int | None, Field(ge=1, le=_MOST_PX, description="px; with height, in place of a factor")] = None
    height: Annotated[int | None, Field(ge=1, le=_MOST_PX, description="px")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Resize:
        sized = self.width is not None and self.height is not None
        if (self.factor is None) != sized or (self.width is None) != (self.height is None):
            msg = "expected either a factor, or width and height"
            raise ValueError(msg)
        return self


class Rotate(_Step):
    """Turn clockwise, by quarters without a loss; else into an image that holds all of it, black around."""

    do: Literal["rotate"]
    degrees: Annotated[float, Field(ge=-360, le=360, description="clockwise, as one looks at it")]


class Flip(_Step):
    """Mirror left and right, up and down, or both."""

    do: Literal["flip"]
    along: Annotated[Literal["horizontal", "vertical", "both"], Field(description="which sides change places")]


class Perspective(_Step):
    """Look straight at a flat part: four of its corners become those of an upright image."""

    do: Literal["perspective"]
    corners: Annotated[
        tuple[Point, Point, Point, Point], Field(description="upper left, upper right, lower right, lower left, px")
    ]
    width: Annotated[int, Field(ge=1, le=_MOST_PX, description="of the new image, px")]
    height: Annotated[int, Field(ge=1, le=_MOST_PX, description="of the new image, px")]


class Undistort(_Step):
    """Take the lens's distortion out (OpenCV's model of a camera); the picture's size stays."""

    do: Literal["undistort"]
    calibration: Annotated[str, Field(max_length=1000, description="file of `framemill calibrate` in the project")] = ""
    focal_px: Annotated[tuple[float, float] | None, Field(description="in its place: fx and fy")] = None
    centre_px: Annotated[tuple[float, float] | None, Field(description="cx and cy")] = None
    k: Annotated[
        tuple[float, ...] | None, Field(min_length=4, max_length=14, description="k1, k2, p1, p2, k3, ...")
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Undistort:
        numbers = [value is not None for value in (self.focal_px, self.centre_px, self.k)]
        if all(numbers) == bool(self.calibration) or (any(numbers) and not all(numbers)):
            msg = "expected either a calibration, or focal_px, centre_px and k"
            raise ValueError(msg)
        return self


class Grey(_Step):
    """Brightness alone, (h, w)."""

    do: Literal["grey"]


class Blur(_Step):
    """Take noise out: a Gaussian, or the median of a square, which keeps edges."""

    do: Literal["blur"]
    sigma_px: Annotated[float | None, Field(gt=0, le=50, description="of a Gaussian")] = None
    median_px: Annotated[Literal[3, 5, 7, 9] | None, Field(description="side of the square")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Blur:
        if (self.sigma_px is None) == (self.median_px is None):
            msg = "expected either sigma_px or median_px"
            raise ValueError(msg)
        return self


class Sharpen(_Step):
    """Add what a blur takes away (unsharp masking)."""

    do: Literal["sharpen"]
    amount: Annotated[float, Field(gt=0, le=10, description="how much of it")] = 1.0
    sigma_px: Annotated[float, Field(gt=0, le=50, description="of the blur")] = 2.0


class Normalise(_Step):
    """Stretch brightness: all but the darkest and brightest percent come to lie from 0 to 255."""

    do: Literal["normalise"]
    cut_percent: Annotated[float, Field(ge=0, lt=50, description="left out at either end")] = 0.5


class WhiteBalance(_Step):
    """Make grey grey: by factors, or so that the mean of the image is (grey world)."""

    do: Literal["white_balance"]
    bgr: Annotated[tuple[float, float, float] | None, Field(description="factors of blue, green, red")] = None


class Gamma(_Step):
    """Brighten (above 1) or darken (below 1) the middle; black and white stay."""

    do: Literal["gamma"]
    gamma: Annotated[float, Field(ge=0.1, le=10, description="the exponent is 1/gamma")]


Step = Annotated[
    Crop | Resize | Rotate | Flip | Perspective | Undistort | Grey | Blur | Sharpen | Normalise | WhiteBalance | Gamma,
    Field(discriminator="do"),
]


class PreprocessOptions(ModuleOptions):
    """What a project says about a `preprocess` module."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=32, description="what is done, in this order")]

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield why a calibration cannot be used."""
        steps = table.get("steps")
        for number, step in enumerate(steps if isinstance(steps, list) else ()):
            named = step.get("calibration") if isinstance(step, dict) else None
            if isinstance(named, str) and named:
                try:
                    read_calibration(find_file(files.folder, named))
                except ValueError as error:
                    yield f"steps[{number}].calibration", str(error)
