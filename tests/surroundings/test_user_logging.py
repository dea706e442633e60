"""User code logs as in any program: its names stay, it may set up where lines go, and the journal has priorities."""

from __future__ import annotations

import logging
import os
import re
import selectors
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import post, until
from tests.support.running import Server, serving, write_project
from workers.containment.log import Outputs

pytestmark = pytest.mark.long

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/speak.py"\n'
SPEAK = """
import logging, os, threading
log = logging.getLogger("screws.count")
asked = threading.Event()
printed = threading.Event()

def chatter():
    while True:
        asked.wait()
        asked.clear()
        print("from a thread", flush=True)
        printed.set()

def main(context):
    global thread
    log.info("seen %s", context["data"])
    if context["data"] == "first":
        thread = threading.Thread(target=chatter, daemon=True)
        thread.start()
    if context["data"] == "thread":
        asked.set()
        printed.wait()
        print("from the frame")
    if context["data"] == "raise":
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("it went wrong")
    context["pid"] = os.getpid()
"""


@pytest.fixture(name="server", scope="module")
def speaking_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(tmp_path_factory.mktemp("logging") / "p", FLOW, speak=SPEAK)
    with serving(project, "--workers", "1") as running:
        yield running


def told(server: Server, data: str) -> tuple[str, str]:
    """What a frame printed, and the name of its worker in the log."""
    context = post(server, data).raise_for_status().json()
    return context["stdout"] + context["stderr"], f"worker {context['pid']}: "


def test_without_any_setting_up_lines_are_in_the_log_under_their_names(server: Server) -> None:
    printed, worker = told(server, "a")
    until(lambda: f"{worker}INFO screws.count: seen a\n" in server.log)
    assert printed == ""
    told(server, "raise")
    until(lambda: f"{worker}ZeroDivisionError: division by zero\n" in server.log)
    assert f"{worker}ERROR screws.count: it went wrong\n" in server.log
    assert not [line for line in server.log if re.search(r"<\d>", line)]


def test_what_a_thread_prints_is_in_the_log_and_in_no_frame(server: Server) -> None:
    told(server, "first")
    printed, worker = told(server, "thread")
    assert printed == "from the frame\n"
    until(lambda: f"{worker}from a thread\n" in server.log)


def test_basic_config_works_and_lines_may_go_to_a_file_too(tmp_path: Path) -> None:
    set_up = """
        logging.basicConfig(
            level=logging.DEBUG,
            format="%(name)s says %(message)s",
            handlers=[
                logging.StreamHandler(),
                logging.handlers.WatchedFileHandler(os.environ["FRAMEMILL_DATA"] + "/inspection.log", delay=True),
            ],
        )
    """.replace("        ", "")
    code = SPEAK.replace(
        'log = logging.getLogger("screws.count")', f'{set_up}\nlog = logging.getLogger("screws.count")'
    )
    project = write_project(tmp_path / "p", FLOW, speak=f"import logging.handlers\n{code}")
    with serving(project) as server:
        _, worker = told(server, "a")
        until(lambda: f"{worker}screws.count says seen a\n" in server.log)
        assert not [line for line in server.log if "each worker loads" in line]  # the file is opened in no template
    assert (project / "data" / "inspection.log").read_text() == "screws.count says seen a\n"


def test_a_handler_that_is_made_in_a_frame_writes_to_no_later_frame(tmp_path: Path) -> None:
    code = """
import logging, os, sys
made = []

def main(context):
    if not made:
        made.append(logging.StreamHandler(sys.stdout))
        logging.getLogger("late").addHandler(made[0])
    else:
        logging.getLogger("late").warning(context["data"])
    context["pid"] = os.getpid()
"""
    with serving(write_project(tmp_path / "p", FLOW, speak=code), "--workers", "1") as server:
        told(server, "made")
        logged: list[str] = []
        for data in "abc":
            printed, worker = told(server, data)
            assert printed in {"", f"{data}\n"}
            if not printed:
                logged.append(f"{worker}{data}\n")
        until(lambda: set(logged) <= set(server.log))


def journal_of(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """A command that gives what it runs this file for standard error, and the variable that says it is the journal."""
    journal = tmp_path / "journal"
    journal.touch()
    status = journal.stat()
    shell = ["/bin/sh", "-c", f'exec "$@" 2>>{journal}', "sh"]
    return shell, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_where_the_journal_reads_each_line_has_its_priority(tmp_path: Path) -> None:
    launcher, env = journal_of(tmp_path)
    code = f"{SPEAK}\nos.write(2, b'<3>from C\\n<9>odd\\n')\n"
    with serving(
        write_project(tmp_path / "p", FLOW, speak=code), "--workers", "1", launcher=launcher, env=env
    ) as server:
        _, worker = told(server, "a")
        told(server, "raise")
        until(lambda: "ZeroDivisionError" in (tmp_path / "journal").read_text())
    lines = (tmp_path / "journal").read_text().splitlines()
    assert f"<6>{worker}INFO screws.count: seen a" in lines
    assert f"<3>{worker}ERROR screws.count: it went wrong" in lines
    assert f"<3>{worker}ZeroDivisionError: division by zero" in lines
    assert any(re.fullmatch(r"<6>framemill INFO: ready after .*", line) for line in lines)
    assert any(re.fullmatch(r"<3>template \d+: from C", line) for line in lines)
    assert any(re.fullmatch(r"template \d+: <9>odd", line) for line in lines)


def test_elsewhere_priorities_are_taken_off(capfd: pytest.CaptureFixture[str]) -> None:
    selector = selectors.DefaultSelector()
    outputs = Outputs(selector)
    reader, writer = outputs.pipe()
    outputs.follow(7, reader)
    os.write(writer, b"<4>warned\n<x>no priority\nplain\n")
    os.close(writer)
    outputs.end(7)
    assert capfd.readouterr().err.startswith("worker 7: warned\nworker 7: <x>no priority\nworker 7: plain\n")


def test_this_process_has_its_own_logging() -> None:
    assert not logging.getLogger("workers").handlers, sys.stderr
