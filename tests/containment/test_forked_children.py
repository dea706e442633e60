"""What user code forks or starts answers nothing, takes no job, holds nothing of ours and outlives no worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containment.obeying import obeying_server as obeying_server  # noqa: PLC0414 - a fixture
from tests.containment.obeying import one_worker, told
from tests.support.faults import is_gone, post, until
from tests.support.running import Server


@pytest.mark.parametrize("fork", ["os.fork()", "ctypes.PyDLL(None).fork()"])
@pytest.mark.parametrize("then", ["pass", "sys.exit(3)", "1 / 0"])
def test_a_forked_child_that_comes_back_answers_nothing(server: Server, fork: str, then: str) -> None:
    code = f"""
def split():
    child = {fork}
    if not child:
        context["child"] = 1
        {then}
        return
    context["ended"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
split()
"""
    with one_worker(server):
        pid = told(server, "")["pid"]
        for _ in range(5):
            context = told(server, code)
            assert (context["pid"], context["error"], "child" in context) == (pid, False, False)
            assert context["ended"] == {"pass": 0, "sys.exit(3)": 3, "1 / 0": 1}[then]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_forked_children_take_no_job(server: Server) -> None:
    code = "child = os.fork()\nif child: os.waitpid(child, 0)\ncontext['token'] = {}"
    with one_worker(server):
        pid = told(server, "")["pid"]
        for number in range(1000):
            context = told(server, code.format(number))
            assert (context["token"], context["pid"]) == (number, pid)


def test_a_forked_child_holds_no_queue_no_lifeline_and_no_frames(server: Server) -> None:
    code = """
ends = os.pipe()
if os.fork() == 0:
    held = [os.readlink(link) for link in pathlib.Path("/proc/self/fd").iterdir() if link.is_symlink()]
    maps = pathlib.Path("/proc/self/maps").read_text().splitlines()
    lines = held + [line for line in maps if "memfd:framemill" in line and "rw-s" in line]
    os.write(ends[1], "\\n".join(lines).encode())
    os._exit(0)
os.close(ends[1])
context["held"] = os.read(ends[0], 65536).decode().splitlines()
os.close(ends[0])
"""
    with one_worker(server):
        held = told(server, code)["held"]
        assert "/dev/null" in held
        assert not [line for line in held if any(word in line for word in ("socket", "eventfd", "memfd"))]


ORPHANS = {
    "in its group": "started = subprocess.Popen(['sleep', '1000']).pid",
    "in a session of its own": "started = subprocess.Popen(['sleep', '1000'], start_new_session=True).pid",
    "forked": "started = os.fork()\nif not started:\n while True: time.sleep(1)",
}


@pytest.mark.parametrize("code", ORPHANS.values(), ids=ORPHANS)
@pytest.mark.long
def test_what_a_worker_started_does_not_outlive_it(server: Server, code: str) -> None:
    with one_worker(server):
        child = told(server, f"{code}\ncontext['started'] = started")["started"]
    assert not is_gone(child)
    assert post(server, "os._exit(1)").json()["code"] == "worker_crashed"
    until(lambda: is_gone(child))


@pytest.mark.long
def test_a_daemon_of_user_code_is_ended(server: Server) -> None:
    code = """
if os.fork() == 0:
    os.setsid()
    daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    (here / "daemon").write_text(str(daemon.pid))
    os._exit(0)
os.wait()
"""
    with one_worker(server):
        told(server, code)
    daemon = int((server.project / "data" / "daemon").read_text())
    until(lambda: is_gone(daemon) and not Path(f"/proc/{daemon}").exists())
