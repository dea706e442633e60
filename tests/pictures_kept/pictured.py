"""Frames of a server that keeps their pictures, and what is known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from service.history.pictures.rows import WAITING
from tests.support.faults import until
from tests.support.running import Server

RECORD = ("--workers", "1", "--fronts", "1", "--record", "async", "--free-disk-mib", "0")


def folder_of(server: Server) -> Path:
    """Where its pictures lie."""
    return server.project / ".framemill" / "history" / "pictures"


def told(server: Server) -> dict[str, Any]:
    """What status has of them."""
    found: dict[str, Any] = server.status()["history"].get("pictures", {})
    return found


def send(server: Server, path: str, body: bytes, **parameters: str) -> str:
    """Have a frame inspected; returns its id."""
    with server.client() as client:
        answer = client.post(path, params={"data": "nok", **parameters}, content=body).raise_for_status()
    frame_id: str = answer.json()["id"]
    return frame_id


def settled(server: Server, frame_id: str) -> dict[str, Any]:
    """What is known of a frame, once it is known what became of its picture."""

    def there() -> dict[str, Any] | None:
        answer = get(server, f"/api/v1/frames/{frame_id}")
        found: dict[str, Any] = answer.json()
        picture = found.get("picture") or {}
        return found if answer.status_code == 200 and picture.get("lost") != WAITING else None

    found: dict[str, Any] = until(there)
    return found


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    """Ask for a path."""
    with server.client() as client:
        return client.get(path, headers=headers)
