"""A server whose project has parts of three views, with a flow that does as `data` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from service.results.follow import Follower
from service.results.record import Kind
from tests.results.served import FLOW, FRAME, RAW
from tests.support.faults import program_of, until
from tests.support.running import Server, write_project

VIEWS = ("top", "left", "right")
LONG_MS = 600_000


def project_in(folder: Path, part: str = f'views = ["top", "left", "right"]\nwait_ms = {LONG_MS}') -> Path:
    table = f"[part]\n{part}\n" if part else ""
    return write_project(folder, f'{table}\n[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n', flow=FLOW)


def view(server: Server, part: str, name: str, data: str = "", client: httpx.Client | None = None) -> httpx.Response:
    """Have a view of a part inspected, over a connection of its own unless one is given."""
    parameters = {**dict(httpx.URL(RAW).params), "part": part, "view": name, "data": data}
    path = RAW.partition("?")[0]
    if client is not None:
        return client.post(path, params=parameters, content=FRAME)
    with server.client() as one:
        return one.post(path, params=parameters, content=FRAME)


def asked(server: Server, part: str, **wait: int) -> dict[str, Any]:
    """What GET /api/v1/parts/{part} says."""
    with server.client() as client:
        found: dict[str, Any] = client.get(f"/api/v1/parts/{part}", params=wait).raise_for_status().json()
        return found


def words(told: dict[str, Any]) -> list[str]:
    """The verdicts of the views, in their order."""
    return [one["verdict"] for one in told["views"]]


def next_parts(follower: Follower, count: int = 1) -> list[dict[str, Any]]:
    """The next records of parts, as many."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        follower.wait(0.1)
        found.extend(record.document() for record in follower.read() if record.head.kind is Kind.PART)
        return len(found) >= count

    until(there)
    return found


def all_parts(follower: Follower) -> list[dict[str, Any]]:
    """All records of parts that are there."""
    found: list[dict[str, Any]] = []
    while follower.behind:
        found += [record.document() for record in follower.read() if record.head.kind is Kind.PART]
    return found


def desk_of(server: Server) -> int:
    """The process id of the part desk; waits until there is one."""
    return program_of(server, "service.beside.part_desk")
