"""User code that raises, leaves, crashes, closes and changes what it can: one frame's trouble, never the next's.

The project runs what a request's `data` says. Its server has one worker, so that the next frame meets the same process.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.containment.obeying import obeying_server as obeying_server  # noqa: PLC0414 - a fixture
from tests.containment.obeying import one_worker, told
from tests.support.faults import post, until, whole
from tests.support.running import Server

STATE = """
handlers = [repr(signal.getsignal(n)) for n in (2, 10, 12, 14, 15)]
own = "FRAMEMILL_WORKER"  # which place it has: a worker that comes for another may have another
context["state"] = [os.getcwd(), {k: v for k, v in os.environ.items() if k != own},
    locale.setlocale(locale.LC_ALL), handlers, cv2.getNumThreads(), repr(time.sleep), repr(print),
    sys.getrecursionlimit(), signal.getitimer(signal.ITIMER_REAL),
    zlib.crc32(context["image"])]
"""
DIRTY = """
os.chdir("/"); os.environ["DIRT"] = "1"; del os.environ["PATH"]; locale.setlocale(locale.LC_ALL, "C.UTF-8")
signal.signal(signal.SIGUSR1, lambda *_: None); signal.signal(signal.SIGALRM, lambda *_: 1 / 0); signal.alarm(1)
cv2.setNumThreads(4); sys.setrecursionlimit(150); time.sleep = None; __builtins__["print"] = None
context["image"][:] = 0
"""

RAISING = {
    "raise ValueError('x')": "ValueError",
    "raise BaseException": "BaseException",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise GeneratorExit": "GeneratorExit",
    "raise StopIteration": "StopIteration",
    "sys.exit(3)": "SystemExit",
    "raise MemoryError": "MemoryError",
    "bytearray(1 << 60)": "MemoryError",
    "def f(): f()\nf()": "RecursionError",
    "raise BaseExceptionGroup('g', [KeyboardInterrupt()])": "BaseExceptionGroup",
    "x = = 1": "SyntaxError",
    "class E(BaseException):\n def __str__(self): raise SystemExit\nraise E": "E",
    "class E(Exception):\n __traceback__ = property(lambda self: sys.exit())\nraise E": "E",
    "class E(Exception):\n __class__ = property(lambda self: sys.exit())\nraise E": "E",
    "class M(type):\n __name__ = property(lambda cls: sys.exit())\nclass E(Exception, metaclass=M): pass\nraise E": "E",
    "class D:\n def __del__(self): raise SystemExit\nd = D()\nraise OSError": "OSError",
}


@pytest.mark.parametrize("code", RAISING)
def test_whatever_is_raised_is_an_error_of_its_frame_and_its_worker_lives(server: Server, code: str) -> None:
    with one_worker(server):
        context = told(server, code)
        assert [entry["type"] for entry in context["errors"]] == [RAISING[code]]
        assert (context["error"], context["result"]) == (True, False)
        assert told(server, "")["result"] is True


def raise_again_and_again(server: Server, frames: int) -> None:
    codes = [*RAISING] * (frames // len(RAISING) + 1)
    with one_worker(server), ThreadPoolExecutor(3) as cameras:
        for context in cameras.map(lambda code: told(server, code), codes[:frames]):
            assert context["error"] is True


def test_frames_that_raise_cost_no_worker_and_no_slot(server: Server) -> None:
    raise_again_and_again(server, 200)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_frames_that_raise_cost_no_worker_and_no_slot(server: Server) -> None:
    raise_again_and_again(server, 10_000)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("context['x'] = {1, 2}", "context['x'] is a set"),
        ("context['x'] = x = []\nx.append(x)", "context['x'][0] contains itself"),
        ("context['x'] = {(1, 2): 3}", "has a tuple as its key"),
        ("class A:\n __class__ = property(lambda self: sys.exit())\ncontext['x'] = A()", "context['x'] is a A"),
        ("class A:\n def __repr__(self): sys.exit()\n __str__ = __repr__\ncontext['x'] = A()", "context['x'] is a A"),
    ],
)
def test_what_json_cannot_hold_is_left_out_and_the_frame_is_not_ok(server: Server, code: str, said: str) -> None:
    with one_worker(server):
        context = told(server, f"context['other'] = 1\n{code}")
        assert (context["result"], context["error"], context["other"]) == (False, True, 1)
        assert said in context["errors"][0]["message"]
        assert told(server, "")["result"] is True


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class A(float):\n def __float__(self): sys.exit()\ncontext['score'] = A()", "SystemExit"),
        ("class A(list):\n def __iter__(self): raise KeyboardInterrupt\ncontext['lines'] = A()", "KeyboardInterrupt"),
        (
            "n = []\nclass K:\n def __hash__(self):\n  n.append(1)\n  return 1 // (n == [1])\ncontext[K()] = 1",
            "ZeroDivision",
        ),
    ],
)
def test_what_raises_when_it_is_read_is_an_error_that_names_it_and_the_worker_lives(
    server: Server, code: str, said: str
) -> None:
    with one_worker(server):
        answer = post(server, code)
        assert (answer.status_code, answer.json()["code"]) == (500, "context_not_serializable")
        assert said in answer.json()["detail"]
        assert told(server, "")["result"] is True


def test_numbers_that_json_lacks_and_numpys_own_go_out_as_documented(server: Server) -> None:
    context = told(server, "context.update(a=float('nan'), b=np.float32(0.5), c=np.eye(2), d=float('inf'), e={1: 2})")
    assert [context[key] for key in "abcde"] == [None, 0.5, [[1.0, 0.0], [0.0, 1.0]], None, {"1": 2}]
    refused = told(server, "class A:\n def __bool__(self): sys.exit()\ncontext['exit'] = A()")
    assert refused["errors"][0]["message"] == "context['exit'] is a A, expected a bool"


def test_a_context_above_the_setting_is_refused_with_its_size_and_largest_key(server: Server) -> None:
    assert len(told(server, "context['mask'] = 'x' * 60_000")["mask"]) == 60_000
    answer = post(server, "context['mask'] = 'x' * 70_000")
    assert (answer.status_code, answer.json()["code"]) == (500, "context_too_large")
    assert "at most 65,536 are allowed; the largest part is context['mask'] with 70,002" in answer.json()["detail"]


@pytest.mark.parametrize(
    "code", ["os._exit(0)", "os.abort()", "ctypes.string_at(0)", "os.kill(os.getpid(), signal.SIGBUS)"]
)
def test_leaving_or_crashing_costs_the_frame_alone(server: Server, code: str) -> None:
    until(lambda: whole(server))
    assert post(server, code).json()["code"] == "worker_crashed"
    until(lambda: whole(server))
    assert told(server, "")["result"] is True


@pytest.mark.parametrize(
    "code",
    ["os.close(1)", "os.close(2)", "sys.stdout.close()", "sys.__stdout__.close()", "sys.stdout = sys.stderr = None"],
)
def test_closed_streams_cost_nothing(server: Server, code: str) -> None:
    with one_worker(server):
        told(server, code)
        assert told(server, "print('still')\nos.system('true')")["stdout"] == "still\n"


def test_a_worker_without_its_descriptors_is_replaced(server: Server) -> None:
    before = told(server, "")["pid"]
    answer = post(server, "os.closerange(0, 4096)")
    assert answer.status_code == 200 or answer.json()["code"] == "worker_crashed"
    until(lambda: whole(server) and told(server, "")["pid"] != before)


def dirty_then_clean(server: Server, frames: int) -> None:
    assert post(server, "os._exit(0)").json()["code"] == "worker_crashed"
    until(lambda: whole(server))
    with one_worker(server):
        fresh = told(server, STATE)
        before, pid = fresh["state"], fresh["pid"]
        for _ in range(frames):
            told(server, DIRTY)
        for _ in range(frames):
            context = told(server, STATE)
            assert (context["state"], context["errors"], context["pid"]) == (before, [], pid)
    # neither was a worker made otherwise by what the one before it did
    assert post(server, "os._exit(0)").json()["code"] == "worker_crashed"
    until(lambda: whole(server))
    fresh = told(server, STATE)
    assert (fresh["state"], fresh["pid"] != pid) == (before, True)


def test_what_a_frame_changed_is_not_there_for_the_next(server: Server) -> None:
    dirty_then_clean(server, 50)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_dirty_frames_leave_nothing_for_the_next_thousand(server: Server) -> None:
    dirty_then_clean(server, 1000)


def test_what_code_keeps_in_a_module_of_pythons_own_stays(server: Server) -> None:
    code = (
        "import builtins\nbuiltins.kept = getattr(builtins, 'kept', np.zeros(3)) + 1\ncontext['kept'] = builtins.kept"
    )
    with one_worker(server):
        assert [told(server, code)["kept"] for _ in range(3)] == [[1.0] * 3, [2.0] * 3, [3.0] * 3]


def test_the_last_image_of_a_clean_frame_is_its_own(server: Server) -> None:
    with server.client() as client:
        pictures = []
        for code in ("", "context['image'][:] = 255", ""):
            told(server, code)
            pictures.append(client.get("/last_image?response_type=image").raise_for_status().content)
        assert pictures[0] == pictures[2] != pictures[1]
