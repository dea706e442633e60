"""What tests of the contract share: the keys of a context, and ways to speak to a server."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.support.running import Server

CONTEXT_KEYS = {
    "error": bool,
    "errors": list,
    "imageShape": dict,
    "processing": bool,
    "processingTime": float,
    "completeTime": float,
    "save": bool,
    "production_mode": bool,
    "flowVersion": str,
    "result": bool,
    "score": float,
    "threshold": float,
    "lines": list,
    "surfaceClasses": list,
    "detectedRectangles": list,
    "operatorInput": dict,
    "globalData": dict,
    "stdout": str,
    "stderr": str,
}
NEVER = {"image", "heatmaps", "exit", "data", "items", "dataFolder"}


def raw(image: NDArray[np.uint8]) -> tuple[str, bytes]:
    height, width = image.shape[:2]
    return f"/analyze_raw_image?width={width}&height={height}", image.tobytes()


def checked(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    context: dict[str, Any] = answer.json()
    return context


def speak(server: Server, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 30)
    connection.sendall(request)
    return connection
