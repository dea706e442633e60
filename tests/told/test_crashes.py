"""Code that raises is no bad part: it is counted by module, and the log and the errors say what led to it."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import post, until
from tests.support.running import Server, serving, write_project

FIRST = """
import os

def main(context):
    context["pid"] = os.getpid()
    if context["data"] == "first":
        raise KeyError("in the first one")
    if context["data"] == "outside":
        context["score"] = "no number"
"""
SECOND = """
def read(text):
    return int(text)

def main(context):
    if context["data"] != "second":
        return
    try:
        read("no number")
    except ValueError as error:
        raise RuntimeError("the recipe cannot be read") from error
"""
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/first.py"\nname = "look"\n'
FLOW += '[[flow]]\nmodule = "code"\nfile = "code/second.py"\n'


@pytest.fixture(name="server", scope="module")
def crashing_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = write_project(tmp_path_factory.mktemp("told") / "p", FLOW, first=FIRST, second=SECOND)
    with serving(project, "--workers", "2") as running:
        yield running


def counted(server: Server) -> dict[str, int]:
    """Frames with an error by the name of their module, in status; /metrics must say the same."""
    status = server.status()
    by_name = {entry["name"]: entry["frames"] for entry in status["errors_by_module"]}
    assert status["frames"]["with_error"] == sum(by_name.values())
    with server.client() as client:
        text = client.get("/metrics").text
    for entry in status["errors_by_module"]:
        labels = f'module="{entry["module"]}",name="{entry["name"]}"'
        assert f"framemill_frames_with_error_total{{{labels}}} {float(entry['frames'])}\n" in text
    return by_name


def page(server: Server) -> str:
    with server.client() as client:
        return " ".join(re.sub(r"<[^>]+>", " ", client.get("/").text.split('<div class="middle">')[1]).split())


def test_frames_with_an_error_are_counted_by_module_and_the_page_says_so_first(server: Server) -> None:
    assert counted(server) == {"look": 0, "second": 0}
    assert post(server, "fine").json()["result"] is True
    assert page(server).startswith("OK 1 NOK 0")
    for data in ("first", "second", "second", "outside"):
        answer = post(server, data).json()
        assert (answer["error"], answer["result"]) == (True, False)
    assert counted(server) == {"look": 1, "second": 2, "outside of all modules": 1}
    assert server.status()["frames"]["errors"] == 0  # these are requests that had no context
    assert page(server).startswith(
        "4 frames ended with an error. They count as NOK, whatever the part was like."
        " In Frames module 2, second 2 outside of all modules 1 module 1, look 1 The errors"
    )


def test_an_error_names_what_led_to_it(server: Server) -> None:
    [entry] = post(server, "second").json()["errors"]
    assert (entry["type"], entry["file"], entry["line"]) == ("RuntimeError", "code/second.py", 11)
    message = "invalid literal for int() with base 10: 'no number'"
    assert entry["causes"] == [{"type": "ValueError", "message": message, "file": "code/second.py", "line": 3}]


def test_the_log_has_each_kind_once_with_its_causes(server: Server) -> None:
    for _ in range(20):
        assert post(server, "first").json()["error"] is True
        assert post(server, "second").json()["error"] is True
    head = "module 2 (second) raised RuntimeError at code/second.py, line 11: the recipe cannot be read\n"
    until(lambda: any(line.endswith("RuntimeError: the recipe cannot be read\n") for line in server.log))
    text = "".join(server.log)
    assert text.count(head) == text.count("module 1 (look) raised KeyError at code/first.py, line 7: ") == 1
    at = text.index(head)
    told = re.sub(r"(?m)^worker \d+: ", "", text[at + len(head) :])
    assert told.startswith('Traceback (most recent call last):\n  File "code/second.py", line 9, in main\n')
    assert '\n  File "code/second.py", line 3, in read\n    return int(text)\n' in told
    assert "The above exception was the direct cause of the following exception:" in told


@pytest.mark.long
def test_what_was_counted_survives_workers_and_a_name_stays_with_its_module(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, first=FIRST, second=SECOND)
    with serving(project, "--workers", "1") as server:
        post(server, "second")
        os.kill(post(server, "pid").json()["pid"], signal.SIGKILL)
        until(lambda: server.status()["workers"]["deaths"] == 1 and server.status()["workers"]["ready"] == 1)
        post(server, "second")
        assert counted(server) == {"look": 0, "second": 2}
        toml = (project / "framemill.toml").read_text()
        branches = '[[flow]]\nmodule = "parallel"\nbranches = [[{ module = "code", file = "code/second.py" }]]\n'
        (project / "framemill.toml").write_text(toml.split("[[flow]]")[0] + branches)
        with server.client() as client:
            client.post("/api/v1/reload").raise_for_status()
        until(lambda: server.status()["reloads"] == 1)
        entry = post(server, "second").json()["errors"][0]
        assert (entry["moduleId"], entry["module"]) == (2, "second")
        # the same id and name is the same place; the block is a module without errors of its own
        assert counted(server) == {"look": 0, "second": 3, "parallel": 0}
        again = FLOW.replace("code/first.py", "code/second.py").replace('name = "look"', 'name = "new"')
        (project / "framemill.toml").write_text(toml.split("[[flow]]")[0] + again)
        with server.client() as client:
            client.post("/api/v1/reload").raise_for_status()
        until(lambda: server.status()["reloads"] == 2)
        post(server, "second")
        assert counted(server) == {"look": 0, "second": 3, "parallel": 0, "new": 1}


@pytest.mark.soak
def test_how_many_came_again_is_said_after_a_minute(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, first=FIRST, second=SECOND)
    with serving(project, "--workers", "2") as server:
        for _ in range(5):
            post(server, "first")
        give_up = time.monotonic() + 120
        line = "KeyError, code/first.py, line 7, module 1 (look): 4 more like it since it was logged last\n"
        while not any(said.endswith(line) for said in server.log):
            assert time.monotonic() < give_up
            time.sleep(0.5)
