"""What is for clients on the server's own host is refused to a client that comes from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import segment
from tests.support.running import Server, serving, write_project

# TEST-NET-1 (RFC 5737) and a network for documentation (RFC 3849): given to loopback, in a network of our own, they are
# addresses that are not this host's as far as the server can see
_ELSEWHERE = ("192.0.2.1", "2001:db8::1")
_OWN_NETWORK = """
ip link set lo up
ip address add 192.0.2.1/32 dev lo
ip -6 address add 2001:db8::1/128 dev lo nodad
exec "$@"
"""
_ASK = """
import http.client, json, sys
host, port, path = sys.argv[1:]
connection = http.client.HTTPConnection(host, int(port), timeout=60, source_address=(host, 0))
connection.request("POST", path)
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that listens on all addresses of a network of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network")
    project = write_project(tmp_path_factory.mktemp("far") / "p")
    launcher = ("unshare", "--net", "sh", "-ec", _OWN_NETWORK, "sh")
    with serving(project, "--host", "::", "--stop-key", "k", launcher=launcher) as server:
        yield server


def _ask(server: Server, address: str, path: str) -> tuple[int, Any]:
    """Ask from `address`, inside the server's network."""
    inside = ["nsenter", "--target", str(server.process.pid), "--net"]
    command = [*inside, sys.executable, "-c", _ASK, address, str(server.port), path]
    status, text = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    return status, text


@pytest.mark.parametrize("address", _ELSEWHERE)
def test_frames_in_shared_memory_are_for_this_host(far: Server, address: str) -> None:
    with segment(bytes(64 * 48)) as name:
        path = f"/analyze_image_shared_memory?name={name}&width=64&height=48"
        for own in ("127.0.0.1", "::1"):
            assert _ask(far, own, path)[0] == 200
        status, text = _ask(far, address, path)
    assert status == 403
    assert "from this host only" in text


@pytest.mark.parametrize("address", _ELSEWHERE)
def test_what_is_in_shared_memory_cannot_be_told_from_elsewhere(far: Server, address: str) -> None:
    with segment(bytes(64 * 48)) as name:
        answers = {
            _ask(far, address, f"/analyze_image_shared_memory?name={asked}&width=64&height=48")[0]
            for asked in (name, "psm_00000000", "../etc/passwd", Path("/dev/shm").name)
        }
    assert answers == {403}


@pytest.mark.parametrize("address", _ELSEWHERE)
def test_stop_is_for_this_host(far: Server, address: str) -> None:
    status, text = _ask(far, address, "/stop?key=k")
    assert status == 403
    assert "own machine" in text
    assert far.process.poll() is None
