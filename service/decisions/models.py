"""What a client may say of a frame, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

_MOST_NUMBER = (1 << 63) - 1


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL, which no database keeps")
    return text


Label = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_without_nul)]
Note = Annotated[
    str | None,
    Field(max_length=2000, description="why, in words"),
    AfterValidator(lambda text: text and _without_nul(text)),
]
After = Annotated[
    int, Field(ge=0, le=_MOST_NUMBER, description="number of the last decision about this frame that was seen; 0: none")
]
Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class PlaceModel(_Strict):
    """Where something lies in the picture: all of its width or height is 1."""

    x: Part
    y: Part
    width: Part
    height: Part

    @model_validator(mode="after")
    def _is_inside(self) -> PlaceModel:
        if self.x + self.width > 1 + 1e-9 or self.y + self.height > 1 + 1e-9:
            raise ValueError("it reaches beyond the picture: x + width and y + height are at most 1")
        return self


class NewDecision(_Strict):
    """Something that somebody decides about a frame.

    `confirmed` and `false_call` are said of a NOK, `escape` of an OK, `label` of both.
    """

    kind: Annotated[Literal["confirmed", "false_call", "escape", "label"], Field(description="what is said")]
    after: After
    label: Annotated[Label | None, Field(description="of escape: what was overlooked; of label: the wrong one")] = None
    new_label: Annotated[Label | None, Field(description="of label: the right one")] = None
    place: Annotated[PlaceModel | None, Field(description="of escape: where the overlooked lies")] = None
    note: Note = None

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> NewDecision:
        if self.kind == "escape" and self.label is None:
            raise ValueError("an escape needs its label: what was overlooked")
        if (self.kind == "label") != (self.new_label is not None):
            raise ValueError("newLabel is the right label where kind is label, and only there")
        if self.place is not None and self.kind != "escape":
            raise ValueError("a place is said of an escape alone")
        if self.label is not None and self.kind in {"confirmed", "false_call"}:
            raise ValueError(f"no label is said with {self.kind}; kind label corrects one")
        if self.kind == "label" and self.label == self.new_label:
            raise ValueError("newLabel is the label that it is to replace")
        return self


class UndoModel(_Strict):
    """Taking a decision back."""

    after: After
    note: Note = None
