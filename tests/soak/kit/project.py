"""The project of the chaos runs: gives a frame's mark back, and does to its worker what the frame's data asks for."""

from __future__ import annotations

from pathlib import Path

from tests.support.running import write_project

# data is "what:mark:rest"; once per token, so that a frame that is done once more finds a worker that lives
_FLOW = """
import ctypes, os, pathlib, select, signal, sys, threading, time

def wait(seconds):
    select.select([], [], [], seconds)  # libfaketime makes time.sleep fail

wait({load_s})  # as a model that is loaded: the server keeps a worker in reserve, from the start on
HERE = pathlib.Path(os.environ["FRAMEMILL_DATA"])
WORK_S = {work_s}
leaked = []

def first_time(token):
    try:
        os.close(os.open(HERE / token, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False

def main(context):
    what, mark, rest = context["data"].split(":", 2)
    image = context["image"]
    if what == "segv-once" and first_time(mark):
        ctypes.string_at(0)
    if what == "segv":
        ctypes.string_at(0)
    if what == "hang":
        ctypes.PyDLL(None).sleep(3600)  # keeps the interpreter's lock: no Python runs in this worker any more
    if what == "deaf":  # to all signals that can be ignored
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            wait(3600)
    if what == "deadlock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if what == "leave":
        os._exit(0)
    if what == "abort":
        os.abort()
    if what == "end-parent" and first_time(mark):
        os.kill(os.getppid(), signal.SIGKILL)
        wait(3600)
    if what in ("leak", "spend"):
        taken = bytearray(b"x") * (int(rest) << 20)
        if what == "leak":
            leaked.append(taken)
        wait(WORK_S)
    if what == "eat":
        with open(HERE / "eaten", "a") as eaten_by:
            eaten_by.write(mark + chr(10))
        eaten = [bytearray(b"x") * (1 << 20) for _ in range(int(rest))]
    if what == "work":
        wait(float(rest))
    elif what == "mark":
        wait(WORK_S)
    context["seen"] = {{
        "data": context["data"],
        "first": bytes(image[0, :8, 0]).hex(),
        "last": bytes(image[-1, -8:, 2]).hex(),
        "shape": list(image.shape),
    }}
    if what == "sys-exit":
        sys.exit(3)
"""


def soak_project(folder: Path, *, work_s: float = 0.02, load_s: float = 0.05, toml: str = "") -> Path:
    """Write it; a frame that asks for nothing special takes `work_s` seconds of its worker's time, loading `load_s`."""
    flow = f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/soak.py"\n'
    return write_project(folder, flow, soak=_FLOW.format(work_s=work_s, load_s=load_s))
