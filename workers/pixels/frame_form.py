"""How a flow wants its frames: in colour or grey, whole or at a fraction of their size.

    [frame]
    grey = true      # the flow looks at brightness only: (h, w)
    reduce = 2       # half the width and height; 1, 2, 4 or 8
    depth = 16       # samples of 10 to 16 bits as they are, in uint16; left out: their upper eight

It is said before the first module, for it steers the decoder: a JPEG is decoded straight to that form, at a fraction of
the cost, and raw frames are converted straight to grey. Coordinates and pictures are then those of the reduced frame.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class FrameForm(BaseModel):
    """What a project says about its frames."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    grey: Annotated[bool, Field(description="one channel of brightness instead of BGR")] = False
    reduce: Annotated[Literal[1, 2, 4, 8], Field(description="divides width and height, rounded up")] = 1
    depth: Annotated[
        Literal[8, 16],
        Field(description="16: samples of over 8 bits as they are, in uint16; 8: their upper eight"),
    ] = 8

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return width and height of what the flow gets for a frame of this size."""
        return -(-width_px // self.reduce), -(-height_px // self.reduce)


WHOLE = FrameForm()
