"""What user code may change about its process, put back between frames.

Working folder, environment, locale, signal handlers, an alarm, OpenCV's threads, and the names of the modules
`builtins` and `time` become what they were when the project had been loaded: what code sets up at import stays. About
three microseconds where nothing was changed, after the frame's answer is on its way. Everything else (patched modules,
globals of its own, limits of the process) stays changed until the worker is replaced: user code is trusted, and this
is only so that one frame's mistake is not the next one's.
"""

from __future__ import annotations

import _locale  # locale.setlocale without its parsing of names
import _signal  # type: ignore[import-not-found]  # signal.getsignal without an enum for every answer
import builtins
import contextlib
import os
import time
from types import ModuleType
from typing import Any

import cv2

from workers.containment.dict_version import Watch

_SIGNALS = [number for number in range(1, 32) if number not in {9, 19}]  # SIGKILL and SIGSTOP have no handlers


class Surroundings:
    """How this process was when it was made."""

    def __init__(self) -> None:
        self._folder = os.getcwd()  # noqa: PTH109 - Path.cwd() is five times as slow
        self._environ = os.environ
        self._held = Watch(_held(os.environ))
        self._variables = dict(self._held.watched)
        self._locale = _locale.setlocale(_locale.LC_ALL)
        self._handlers = list(map(_signal.getsignal, _SIGNALS))
        self._alarm_is_ours = _signal.getitimer(_signal.ITIMER_REAL) == (0.0, 0.0)
        self._cv2_threads = cv2.getNumThreads()
        self._names = [_Names(builtins), _Names(time)]

    def restore(self) -> None:
        """Put back what is not as it was; what cannot be put back is left."""
        if self._alarm_is_ours:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
        if list(map(_signal.getsignal, _SIGNALS)) != self._handlers:
            self._restore_handlers()
        for names in self._names:
            names.restore()
        if os.environ is not self._environ or self._held.may_have_changed():
            self._restore_environment()
        self._restore_folder()
        if _locale.setlocale(_locale.LC_ALL) != self._locale:
            _locale.setlocale(_locale.LC_ALL, self._locale)
        if cv2.getNumThreads() != self._cv2_threads:
            cv2.setNumThreads(self._cv2_threads)

    def _restore_handlers(self) -> None:
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            if handler is not None and _signal.getsignal(number) is not handler:
                _signal.signal(number, handler)

    def _restore_environment(self) -> None:
        replaced = os.environ is not self._environ
        os.environ = self._environ  # noqa: B003 - the very object that was there before
        vars(os.environ)["_data"] = held = self._held.watched
        if replaced or held != self._variables:
            for name in [name for name in held if name not in self._variables]:
                os.unsetenv(name)
            held.clear()
            held.update(self._variables)
            for name, value in self._variables.items():
                os.putenv(name, value)
        self._held.seen()

    def _restore_folder(self) -> None:
        try:
            here = os.getcwd()  # noqa: PTH109 - as above
        except OSError:  # it was removed
            here = ""
        if here != self._folder:
            with contextlib.suppress(OSError):
                os.chdir(self._folder)


def _held(environ: os._Environ[str]) -> dict[bytes, bytes]:
    """The encoded variables: comparing them as text would take twenty times as long."""
    held: dict[bytes, bytes] = vars(environ)["_data"]
    return held


class _Names:
    """The names of a module. New ones are left alone: a library that was imported late may need them."""

    def __init__(self, module: ModuleType) -> None:
        self._watch = Watch(vars(module))
        self._now = self._watch.watched
        self._first: dict[str, Any] = dict(self._now)
        self._last = self._first

    def restore(self) -> None:
        """Put back the values that were there at first."""
        if not self._watch.may_have_changed():
            return
        try:
            if self._now == self._last:
                self._watch.seen()
                return
        except Exception:  # noqa: BLE001, S110 - two arrays under a new name have no single truth
            pass
        self._now.update(self._first)
        self._last = dict(self._now)
        self._watch.seen()
