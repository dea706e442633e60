"""Asks a server how it is, four times a second, on a new connection each time; a process of its own::

    python tests/soak/kit/prober.py PORT KEY     ends at the end of its input; prints what it saw as JSON

Beside a hundred cameras in one Python process it would measure their interpreter's lock.
"""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_EVERY_S = 0.25
_PATHS = ("/livez", "/readyz", "/metrics", "/api/v1/status")


@contextmanager
def probing(port: int, key: str) -> Iterator[list[dict[str, Any]]]:
    """Probe until the end of the block; then the list holds {"path", "status", "ms"} of every probe."""
    seen: list[dict[str, Any]] = []
    command = [sys.executable, __file__, str(port), key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as prober:
        try:
            yield seen
        finally:
            seen += json.loads(prober.communicate()[0])


def _probe(port: int, key: str, path: str) -> dict[str, Any]:
    begun_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"X-API-Key": key})
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except OSError:
        status = 0
    finally:
        connection.close()
    return {"path": path, "status": status, "ms": 1e3 * (time.monotonic() - begun_s)}


def _main(port: int, key: str) -> None:
    seen = []
    while not select.select([sys.stdin], [], [], _EVERY_S)[0]:
        seen += [_probe(port, key, path) for path in _PATHS]
    print(json.dumps(seen))


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2])
