"""A method of finding anomalies as simple as one can be, and odd where a seed asks for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.context.run import LookAtTime
from workers.modules.anomaly.method import Learned, Pictures, Tell

RAISES, DIES, NOT_A_NUMBER, WAITS = 1001, 1002, 1003, 1004


class Brightness:
    """How far places are from the mean of good pictures."""

    def __init__(self, mean: float, pictures: int) -> None:
        self.mean, self.pictures = mean, pictures

    def heat(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return it for each pixel of (h, w), as (h, w)."""
        look_at_time()
        heat: NDArray[np.float32] = np.abs(image.astype(np.float32) - np.float32(self.mean))
        return heat

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return both numbers."""
        return {"mean": np.array(self.mean), "pictures": np.array(self.pictures)}


def learn(good: Pictures, seed: int, tell: Tell, before: Learned | None, backbone: Path | None) -> Learned:
    """Learn the mean of good pictures, or do what the seed asks for."""
    del backbone
    if seed == RAISES:
        raise ValueError("these pictures are too odd")
    if seed == DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == WAITS:
        signal.pause()
    known = before if isinstance(before, Brightness) else Brightness(0.0, 0)
    total = known.mean * known.pictures
    for number, image in enumerate(good):
        tell("takes means", number / len(good))
        total += float(image.mean())
    count = known.pictures + len(good)
    return Brightness(float("nan") if seed == NOT_A_NUMBER else total / count, count)


def restore(arrays: Mapping[str, NDArray[Any]], backbone: Path | None) -> Learned:
    """Return what was learned."""
    del backbone
    return Brightness(float(arrays["mean"]), int(arrays["pictures"]))
