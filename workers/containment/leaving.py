"""How a worker ends: with what a Python program does at its end, although it is a fork that must not unwind.

A worker's stack leads back into its template's, so it ends by `os._exit`, and what Python would do is done here before:
code modules are told to stop, threads are waited for, `atexit` runs, what user code holds is let go of, and files that
are still open are written. What user code has registered when the template imported it runs in each of its forks, once;
a template itself ends without. The supervisor ends whoever takes longer for that than `finish_ms` (crew/overrun.py).
"""

from __future__ import annotations

import _io
import atexit
import ctypes
import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

_TOOLS = (ModuleType, FunctionType, BuiltinFunctionType, type)  # which hold nothing that is to be closed

_log = logging.getLogger(__name__)


def leave_in_order(stop: Callable[[], None], code: Path, threads_s: float) -> None:
    """Do all that; `stop` tells modules, `code` is the folder of the user's Python; whatever raises is logged.

    Threads that are no daemons get `threads_s` seconds. Python would wait for ever, and `atexit` would never run.
    """
    _try("stop", stop)
    _try("threads", lambda: _wait_for_threads(threads_s))
    _try("atexit", atexit._run_exitfuncs)  # noqa: SLF001 - as multiprocessing does in its forks
    _try("globals", lambda: _let_go(code))
    _try("files", _write_files)


def _try(what: str, step: Callable[[], object]) -> None:
    try:
        step()
    except BaseException:  # noqa: BLE001 - user code may raise anything, SystemExit too
        _log.exception("at the end of this worker, %s:", what)


def _wait_for_threads(most_s: float) -> None:
    # it also tells executors (concurrent.futures) that no more work will come
    shutdown: Callable[[], None] = threading._shutdown  # type: ignore[attr-defined]  # noqa: SLF001 - Python has no other word for it
    waiting = threading.Thread(target=shutdown, daemon=True)
    waiting.start()
    waiting.join(most_s)
    if waiting.is_alive():
        names = ", ".join(sorted(each.name for each in _others() if not each.daemon))
        _log.warning("threads that do not end are not waited for any longer: %s; a stop() can tell them to", names)


def _others() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each is not threading.main_thread() and each.is_alive()]


def _let_go(code: Path) -> None:
    """Forget what modules of the user's hold, so that it is closed as at the end of Python: a video, an archive.

    Not where a thread of its own might still use it.
    """
    if any(each.ident != threading.get_ident() for each in _others()):
        return
    modules = [module for module in sys.modules.values() if _lies_in(module, f"{code}/")]
    names = {module.__name__ for module in modules}
    # first objects of the user's own classes: what their __del__ does may need all others
    for own_classes in (True, False):
        for held in map(vars, modules):
            for name, value in [*held.items()]:
                is_one = not name.startswith("__") and not issubclass(type(value), _TOOLS)
                if is_one and (type(value).__module__ in names) is own_classes:
                    held[name] = None
        gc.collect()


def _lies_in(module: ModuleType, folder: str) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    return isinstance(origin, str) and origin.startswith(folder)


def _write_files() -> None:
    """Write what files still hold; those that are made of others, as gzip's, are closed first, for they have an end."""
    for each in _open_files():
        _try("a file", each.flush if type(each).__module__ == "_io" else each.close)
    ctypes.CDLL(None).fflush(None)  # what libraries have written with C's own


def _open_files() -> Iterator[Any]:
    ranks: tuple[tuple[Any, ...], ...] = (), (_io.TextIOWrapper,), (_io.BufferedWriter, _io.BufferedRandom)
    found: list[list[Any]] = [[], [], []]
    for each in gc.get_objects():
        kind = type(each)  # isinstance would ask the object itself
        if not issubclass(kind, _io._IOBase) or kind.__module__.startswith("workers."):  # noqa: SLF001 - its ABC takes longer
            continue
        rank = next((rank for rank in (1, 2) if kind in ranks[rank]), 0)
        if kind.__module__ != "_io" or rank:
            found[rank].append(each)
    for each in (each for files in found for each in files):
        if not each.closed:
            yield each
