"""Two servers behind HAProxy as deploy/ shows it: one is lost, stops or is switched off, and the line goes on."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.deployment.proxies import Proxy, in_front
from tests.support.faults import FRAME, GIVE_UP_S, RAW, children_of, is_gone, until
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

_CAMERAS = 8
_NOTICED_S = 1.0
_FEW = 40  # answers that are waited for

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/node.py"\n'
NODE = """
import os, pathlib, time

HERE = pathlib.Path(os.environ["FRAMEMILL_DATA"])
SEEN = os.open(HERE / "seen", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def main(context):
    os.write(SEEN, context["data"].encode() + b"\\\\n")
    time.sleep(0.02)
    context["node"] = HERE.parent.name
    context["token"] = context["data"]
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a frame: when it was sent and answered, its status, 0 without one, and the node that had it."""

    token: str
    sent_s: float
    answered_s: float
    status: int
    node: str
    own: bool


@dataclass(slots=True)
class Line:
    """Cameras that post one frame after the other, each over a connection of its own, until they are told to end."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    answers: list[Answered] = field(default_factory=list)

    def run(self, camera: int) -> None:
        """Be one camera; after an error it connects anew."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVE_UP_S)
        number = 0
        while not self.over.is_set():
            number += 1
            self.answers.append(_post(connection, f"{camera}-{number}"))
        connection.close()

    def since(self, begun_s: float) -> list[Answered]:
        """The answers to frames that were sent later than `begun_s`."""
        return [answer for answer in list(self.answers) if answer.sent_s >= begun_s]

    def errors(self) -> list[Answered]:
        """The answers that are no result."""
        return [answer for answer in list(self.answers) if answer.status != 200]

    def nodes(self, begun_s: float) -> set[str]:
        """Who answered the frames that were sent later than `begun_s`."""
        return {answer.node for answer in self.since(begun_s)}


def _post(connection: http.client.HTTPConnection, token: str) -> Answered:
    sent_s = time.monotonic()
    status, context = 0, {}
    try:
        connection.request("POST", f"{RAW}&data={token}", FRAME)
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
        if status == 200:
            context = json.loads(body)
    except (OSError, http.client.HTTPException):
        connection.close()
    own = context.get("token", token) == token
    return Answered(token, sent_s, time.monotonic(), status, context.get("node", ""), own)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Two servers, the proxy in front of them, and the line that they serve."""

    servers: dict[str, Server]
    proxy: Proxy
    line: Line

    def both_work(self) -> None:
        """Return once both answer frames."""
        begun_s = time.monotonic()
        until(lambda: self.line.nodes(begun_s) >= {"one", "two"})

    def only(self, node: str) -> float:
        """Return once the other has had no frame for a while; says since when."""
        for _ in range(int(GIVE_UP_S)):
            begun_s = time.monotonic()
            until(lambda begun_s=begun_s: len(self.line.since(begun_s)) >= _FEW)  # type: ignore[misc]  # bound now
            if self.line.nodes(begun_s) == {node}:
                return begun_s
        raise AssertionError(f"{node} is not the only one")


@contextmanager
def _line(port: int) -> Iterator[Line]:
    line = Line(port)
    cameras = [threading.Thread(target=line.run, args=(number,)) for number in range(_CAMERAS)]
    for camera in cameras:
        camera.start()
    try:
        yield line
    finally:
        line.over.set()
        for camera in cameras:
            camera.join()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with ExitStack() as stack:
        projects = {name: write_project(tmp_path / name, FLOW, node=NODE) for name in ("one", "two")}
        servers = {name: stack.enter_context(serving(project)) for name, project in projects.items()}
        ports = [server.port for server in servers.values()]
        proxy = stack.enter_context(in_front("haproxy", tmp_path, *ports))
        line = stack.enter_context(_line(proxy.port))
        made = Nodes(servers, proxy, line)
        made.both_work()
        yield made
        line.over.set()
        _no_frame_was_sent_twice(made)


def _no_frame_was_sent_twice(nodes: Nodes) -> None:
    seen = [token for server in nodes.servers.values() for token in _seen(server)]
    assert [token for token, times in Counter(seen).items() if times > 1] == []
    assert all(answer.own for answer in nodes.line.answers)


def _seen(server: Server) -> list[str]:
    return (server.project / "data" / "seen").read_text().split()


def _down(proxy: Proxy) -> set[str]:
    """The nodes that have got no frames at some time; the proxy says so of each more than once."""
    return {node for node in ("one", "two") for line in [*proxy.log] if f"inspecting/{node} is DOWN" in line}


def _family(pid: int) -> list[int]:
    with suppress(OSError):
        return [pid, *(member for child in children_of(pid) for member in _family(child))]
    return [pid]


def _lose(server: Server) -> float:
    """End all its processes at once, as a machine that loses its power does; says when."""
    family = _family(server.process.pid)
    killed_s = time.monotonic()
    for pid in family:
        with suppress(ProcessLookupError):  # the kernel ends them with their parent
            os.kill(pid, signal.SIGKILL)
    until(lambda: all(is_gone(pid) for pid in family))
    return killed_s


def test_a_node_that_is_lost_costs_what_it_had_and_nothing_later(nodes: Nodes) -> None:
    killed_s = _lose(nodes.servers["one"])
    since_s = nodes.only("two")
    until(lambda: len(nodes.line.since(max(since_s, killed_s + _NOTICED_S))) >= 10 * _FEW)
    errors = nodes.line.errors()
    # what it had, and what the kernel still took for it while its processes ended
    assert [answer for answer in errors if answer.answered_s > killed_s + _NOTICED_S] == []
    assert sum(answer.sent_s <= killed_s for answer in errors) <= _CAMERAS
    port = nodes.servers["one"].port
    with serving(nodes.servers["one"].project, "--port", str(port)):
        nodes.both_work()
        assert nodes.line.errors() == errors


def test_a_node_that_stops_costs_nothing(nodes: Nodes) -> None:
    assert nodes.servers["one"].stop() == 0
    nodes.only("two")
    assert nodes.line.errors() == []


def test_a_node_whose_process_switch_is_off_gets_no_new_frames(nodes: Nodes) -> None:
    with nodes.servers["one"].client() as client:
        assert client.put("/api/v1/process", json={"process": False}).status_code == 200
        thrown_s = time.monotonic()
        nodes.only("two")
        before = len(_seen(nodes.servers["one"]))
        taken = client.get("/api/v1/status").json()["frames"]
        begun_s = time.monotonic()
        until(lambda: len(nodes.line.since(begun_s)) >= 5 * _FEW)
        assert client.get("/api/v1/status").json()["frames"] == taken
        assert len(_seen(nodes.servers["one"])) == before
        # until the third check a node with its switch off answers without inspecting
        late = [answer for answer in nodes.line.since(thrown_s) if answer.status == 200 and not answer.node]
        assert [answer for answer in late if answer.sent_s > thrown_s + _NOTICED_S] == []
        assert client.put("/api/v1/process", json={"process": True}).status_code == 200
        nodes.both_work()
    assert nodes.line.errors() == []


def test_with_all_switches_off_frames_are_answered_and_not_inspected(nodes: Nodes) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for server in nodes.servers.values()]
        for client in clients:
            client.put("/api/v1/process", json={"process": False}).raise_for_status()
        thrown_s = time.monotonic()
        until(lambda: _down(nodes.proxy) == {"one", "two"})
        since_s = time.monotonic()
        until(lambda: len(nodes.line.since(since_s)) >= 5 * _FEW)
        assert {answer.node for answer in nodes.line.since(thrown_s)} == {""}
        for client in clients:
            client.put("/api/v1/process", json={"process": True}).raise_for_status()
        nodes.both_work()
    assert nodes.line.errors() == []


def test_people_reach_the_first_node_while_it_answers_and_then_the_other(nodes: Nodes) -> None:
    with nodes.servers["one"].client() as client:
        client.put("/api/v1/process", json={"process": False}).raise_for_status()
        with httpx.Client(base_url=f"http://127.0.0.1:{nodes.proxy.port}", timeout=60) as person:
            assert [person.get("/api/v1/status").json()["project"] for _ in range(10)] == ["one"] * 10
            assert person.put("/api/v1/process", json={"process": True}).json() == {"process": True}
        assert client.get("/api/v1/process").json() == {"process": True}
    assert nodes.servers["one"].stop() == 0
    with httpx.Client(base_url=f"http://127.0.0.1:{nodes.proxy.port}", timeout=60) as person:
        until(lambda: person.get("/api/v1/status").status_code == 200)
        assert person.get("/api/v1/status").json()["project"] == "two"
    assert nodes.line.errors() == []
