"""A trained model as modules see it, wherever it is computed: tensors with names go in and come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray


class TensorInfo(NamedTuple):
    """An input or output as the model says it is; None is a side that may be any. `type` is numpy's name of it."""

    name: str
    type: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sides = "x".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({self.type} {sides or 'scalar'})"


class Output(NamedTuple):
    """What came out under a name; `values` are of any shape, (1, ...) as a rule."""

    name: str
    values: NDArray[Any]

    def __str__(self) -> str:
        return str(TensorInfo(self.name, str(self.values.dtype), self.values.shape))


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives, and what its maker wrote beside it (`metadata`, as text)."""

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    metadata: Mapping[str, str]

    def __str__(self) -> str:
        return f"it takes {_listed(self.inputs)} and gives {_listed(self.outputs)}"


class Network(Protocol):
    """A model that can be asked; raises FramemillError where it cannot answer."""

    def signature(self, deadline_ns: int) -> Signature:
        """Say what it takes and gives, by that time (CLOCK_MONOTONIC)."""

    def run(self, tensor: NDArray[Any], deadline_ns: int, frame: Mapping[str, Any] | None = None) -> list[Output]:
        """Return all outputs for the one input, (1, 3, h, w) or as it takes it; in this process it runs to its end.

        `frame` is what is known of the frame (context/origin.py), for a server to be told for which it is asked.
        """

    def release(self) -> None:
        """Close what forks of this process must not share."""


def _listed(tensors: Sequence[TensorInfo]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"
