"""How much load a server sustains: more cameras until a step fails, and what was found on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.trial.step import LoadStep


def rising_load(measure: Callable[[int], LoadStep], most: int) -> Iterator[LoadStep]:
    """Measure 1, 2, 4, ... `most` cameras until a step fails, then halve the gap until nothing is left between.

    A step without errors that fails is run once more and that counts: else one pause of the machine would decide.
    """
    good, bad, cameras = 0, most + 1, 1
    while good + 1 < bad:
        step = measure(cameras)
        yield step
        if step.why and not step.errors:
            step = measure(cameras)
            yield step
        good, bad = (good, cameras) if step.why else (cameras, bad)
        cameras = (good + bad) // 2 if bad <= most else min(2 * good, most)


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured, in this order: one camera without a takt, the rising load, as much as there can be.

    There are no steps where one frame alone takes longer than the takt.
    """

    alone: LoadStep
    steps: list[LoadStep]
    ceiling: LoadStep

    @property
    def sustained(self) -> LoadStep | None:
        """The step with the most cameras that did not fail; None where one camera is too much."""
        return max((step for step in self._last_tries() if not step.why), key=lambda step: step.cameras, default=None)

    @property
    def first_failed(self) -> LoadStep | None:
        """The step with the fewest cameras that failed."""
        return min((step for step in self._last_tries() if step.why), key=lambda step: step.cameras, default=None)

    def _last_tries(self) -> list[LoadStep]:
        return list({step.cameras: step for step in self.steps}.values())
