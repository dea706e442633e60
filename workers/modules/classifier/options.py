"""The options of the module `classifier`, as the project file has them.

    [[flow]]
    module = "classifier"
    file = "models/caps.onnx"
    ok_labels = ["cap"]

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.modules.models.options import ModelOptions
from workers.modules.options import IS_THRESHOLD, Line


class ClassifierOptions(ModelOptions):
    """What a project says about a `classifier` module."""

    module: str = "classifier"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `classes` call it")] = (
        "classifier"
    )
    scores: Annotated[
        Literal["probabilities", "logits", "independent"] | None,
        Field(
            description="what it gives: shares of 1; numbers that softmax makes such; or a logit for each class alone."
            " What it looks like if left out"
        ),
    ] = None
    min_confidence: Annotated[
        float, IS_THRESHOLD, Field(ge=0, le=1, allow_inf_nan=False, description="with ok_labels: less sure is NOK")
    ] = 0.0
    top: Annotated[int, Field(ge=1, le=100, description="so many of the likeliest labels are told")] = 3
    rectangle: Annotated[bool, Field(description="whether the picture gets a rectangle with its label")] = True

    @property
    def line(self) -> Line | None:
        """See ModuleOptions."""
        return None if self.ok_labels is None else Line("min_confidence", above=False)

    @model_validator(mode="after")
    def _has_a_use(self) -> Self:
        if self.min_confidence and self.ok_labels is None:
            msg = "has min_confidence without ok_labels: it judges nothing then; expected both"
            raise ValueError(msg)
        return self
