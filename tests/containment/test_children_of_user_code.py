"""Every way in which Python code starts a process works inside of a flow, and none keeps a descriptor of ours.

The flow does what a request's `data` names, with one worker, so that all ways meet the same process. What is the
server's own is what the worker holds when its first frame comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import post, until, whole
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

WAYS = """
import concurrent.futures, json, multiprocessing, os, select, socket, subprocess, sys, tempfile

TELL = [sys.executable, "-c", "import helper; helper.tell(1)"]
kept = []

def links():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the one that the folder was read with
            pass
    return found

def held(number):
    return number, sorted(set(links().values()))

def tell(fd):
    os.write(fd, json.dumps(held(0)).encode())

def send(pipe, number):
    pipe.send(held(number))
    pipe.close()

def forked():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            tell(writer)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return [json.loads(said)]

def process(method):
    context = multiprocessing.get_context(method)
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=send, args=(writer, 7))
    child.start()
    writer.close()
    said = reader.recv()
    child.join()
    assert child.exitcode == 0
    return [said]

def pool(method, size):
    with multiprocessing.get_context(method).Pool(size) as workers:
        said = workers.map(held, range(8), chunksize=1)
        workers.close()
        workers.join()
    assert [number for number, _ in said] == list(range(8))
    return said

def executor(method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as workers:
        said = list(workers.map(held, range(8)))
    assert [number for number, _ in said] == list(range(8))
    return said

def loky():
    import joblib
    said = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(held)(number) for number in range(8))
    assert [number for number, _ in said] == list(range(8))
    return said

def program(**options):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run(TELL, capture_output=True, env=environment, check=True, **options)
    return [json.loads(done.stdout)]

def shell():
    assert os.system("true") == 0
    return [[0, os.popen("readlink /proc/self/fd/*").read().splitlines()]]

def own():
    a, b = socket.socketpair()
    waiting = select.epoll()
    waiting.register(a, select.EPOLLIN)
    own = [open("/dev/zero"), open(__file__), tempfile.TemporaryFile(), a, b, waiting]
    numbers = [os.eventfd(0), os.memfd_create("own"), *os.pipe(), *(file.fileno() for file in own)]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps([number for number in numbers if number in links()]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    left = json.loads(os.read(reader, 65536))
    for number in (*numbers[:4], reader, writer):
        os.close(number)
    return numbers, left

DO = {
    "os.fork": forked,
    "process fork": lambda: process("fork"),
    "process spawn": lambda: process("spawn"),
    "process forkserver": lambda: process("forkserver"),
    "pool of 2": lambda: pool("fork", 2),
    "pool of 4": lambda: pool("fork", 4),
    "pool spawn": lambda: pool("spawn", 2),
    "executor fork": lambda: executor("fork"),
    "executor spawn": lambda: executor("spawn"),
    "executor forkserver": lambda: executor("forkserver"),
    "loky": loky,
    "subprocess": program,
    "subprocess that closes nothing": lambda: program(close_fds=False),
    "subprocess with preexec_fn": lambda: program(preexec_fn=os.getpid),
    "subprocess with preexec_fn that closes nothing": lambda: program(preexec_fn=os.getpid, close_fds=False),
    "subprocess in a session of its own": lambda: program(start_new_session=True),
    "shell": shell,
}
"""
CODE = """
import helper, os

def main(context):
    if not helper.kept:
        helper.kept.append(sorted(set(helper.links().values())))
        helper.kept.append(os.readlink("/proc/self/fd/1"))
    if context["data"] == "own":
        context["own"], context["left"] = helper.own()
    elif context["data"]:
        context["children"] = [held for number, held in helper.DO[context["data"]]()]
    context["ours"], context["output"] = helper.kept
    context["pid"] = os.getpid()
"""
NAMES = [line.split('"')[1] for line in WAYS.partition("DO = {")[2].splitlines() if '": ' in line]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("children") / "p"
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE, helper=WAYS)
    # joblib's folders go at the end of a Python, which a worker, killed or not, does not have
    env = {"FRAMEMILL_DEADLINE_MS": "60000", "JOBLIB_TEMP_FOLDER": str(tmp_path_factory.mktemp("joblib"))}
    with serving(project, "--workers", "1", env=env) as running:
        pid = post(running, "").json()["pid"]
        yield running
    for semaphore in Path("/dev/shm").glob(f"sem.loky-{pid}-*"):
        semaphore.unlink()


def is_ours(link: str, context: dict[str, list[str]]) -> bool:
    """Whether a child that holds this holds something of the server's; its log and `/dev/null` are for all."""
    shared = {context["output"], "/dev/null"}
    return link.startswith(("memfd:", "/memfd:")) or "[event" in link or link in set(context["ours"]).difference(shared)


def test_what_a_worker_holds_is_known(server: Server) -> None:
    context = post(server, "").json()
    found = " ".join(context["ours"])
    for kind in ("memfd:framemill", "anon_inode:[eventfd]", "anon_inode:[eventpoll]", "socket:", "pipe:"):
        assert kind in found


@pytest.mark.parametrize("way", NAMES)
def test_a_process_that_user_code_starts_works_and_keeps_nothing_of_ours(server: Server, way: str) -> None:
    pid = post(server, "").json()["pid"]
    for _ in range(5):
        context = post(server, way).json()
        assert context["errors"] == []
        assert context["pid"] == pid
        assert context["children"]
        for held in context["children"]:
            assert [link for link in held if is_ours(link, context)] == []
    until(lambda: whole(server))


def test_what_user_code_opened_itself_is_open_in_its_children_whatever_number_it_has(server: Server) -> None:
    for _ in range(5):
        context = post(server, "own").json()
        assert context["errors"] == []
        assert context["left"] == context["own"]
