"""What the options of modules that measure have in common: limits, and what follows where one does not hold.

This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo

from workers.modules.options import ModuleOptions
from workers.modules.region_options import RegionOption


class GuardOptions(ModuleOptions):
    """What a project says about a module that watches over the camera, not over the part."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and values call it")]
    region: RegionOption = None
    on_fail: Annotated[
        Literal["nok", "warn"],
        Field(description="where a limit does not hold: the frame is NOK and the flow ends, or `warnings` has a line"),
    ] = "nok"


def not_below_its_min(most: float | None, info: ValidationInfo) -> float | None:
    """Return the value of an option whose name has `max`; raises ValueError where that with `min` is larger.

    For a pydantic `field_validator`; the option with `min` is declared before.
    """
    assert info.field_name is not None
    other = info.field_name.replace("max", "min")
    least = info.data.get(other)
    if most is not None and least is not None and most < least:
        msg = f"is {most}, less than {other} = {least}; nothing would be between"
        raise ValueError(msg)
    return most
