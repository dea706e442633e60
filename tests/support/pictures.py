"""Pictures as tests send and receive them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def png(image: Picture) -> bytes:
    """Encode losslessly."""
    return cv2.imencode(".png", image)[1].tobytes()


def decoded(body: bytes) -> Picture:
    """Decode what came back, as clients of the vendor do."""
    image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None, "what came back is not a picture"
    return image.astype(np.uint8, copy=False)


@contextmanager
def segment(pixels: bytes) -> Iterator[str]:
    """A client's shared-memory segment that holds `pixels`; yields its name."""
    memory = shared_memory.SharedMemory(create=True, size=len(pixels))
    assert memory.buf is not None
    try:
        memory.buf[: len(pixels)] = pixels
        yield memory.name
        assert bytes(memory.buf[: len(pixels)]) == pixels, "the server wrote to its client's memory"
    finally:
        memory.close()
        memory.unlink()
