"""The user's Python of one project: importing it, running it, and telling what went wrong in it.

Files in `code/` import each other by their plain names, so `code/` stands first in `sys.path` and its modules in
`sys.modules`, as for any script: pickling, dataclasses and late imports work. A process that holds several projects
(only tests do) has those of one at a time there: whoever runs puts its own in place and takes the others' out.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from workers.modules.code.signature import Call, plan_call
from workers.text import type_name
from workers.told.tracebacks import causes_of

if TYPE_CHECKING:
    from workers.context.run import Run

_MAX_MESSAGE = 4096  # characters of an exception's text


class UserCodeError(Exception):
    """User code could not be loaded; the text has file and line."""


class UserCode:
    """The modules below one project's `code/`."""

    # stdout, sys.path and sys.modules are the process's: user code runs in one thread at a time
    _turn: ClassVar[threading.RLock] = threading.RLock()
    _in_place: ClassVar[UserCode | None] = None

    def __init__(self, project: Path) -> None:
        self._project = project
        self._folder = project / "code"
        self._modules: dict[str, ModuleType] = {}
        self._loaded: dict[str, ModuleType] = {}

    def load(self, file: str) -> tuple[Callable[..., Any], Call]:
        """Import `file` (relative to the project) and return its `main` with the way to call it.

        Raises:
            UserCodeError: the import failed, or there is no `main` of a known form.
        """
        name = ".".join((self._project / file).relative_to(self._folder).with_suffix("").parts)
        with self._turn:
            self._put_in_place()
            module = self._loaded[file] = self._imported(name, file)
        main = getattr(module, "main", None)
        if not callable(main):
            msg = f"{file} has no function main"
            raise UserCodeError(msg)
        if any(is_other(main) for is_other in _NEVER_RUN):
            msg = f"{file}: main is async or has a yield, so calling it would not run it"
            raise UserCodeError(msg)
        try:
            return main, plan_call([*inspect.signature(main).parameters.values()])
        except (TypeError, ValueError) as error:
            msg = f"{file}: {error}"
            raise UserCodeError(msg) from None

    def _imported(self, name: str, file: str) -> ModuleType:
        importlib.invalidate_caches()
        # a cached compilation is matched by the second of its change: an edit right after a start would be missed
        wrote_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            module = importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, at import too
            where = self.describe(error, file)
            line = f", line {where['line']}" if where["line"] else ""
            msg = " ".join(f"{where['file']}{line}: {where['type']}: {where['message']}".split())
            raise UserCodeError(msg) from None
        finally:
            sys.dont_write_bytecode = wrote_bytecode
        if module.__spec__ is None or module.__spec__.origin != str(self._project / file):
            msg = f"{file}: another Python module is called {name} and was loaded before; rename the file"
            raise UserCodeError(msg)
        return module

    def call(self, run: Run, main: Callable[..., Any], subject: object, extras: dict[str, Any]) -> Any:
        """Call `main` with its modules in place; what it prints goes to `run`, but for what threads of its own print.

        It may raise anything.
        """
        with self._turn:
            self._put_in_place()
            stdout, stderr = sys.stdout, sys.stderr
            process, depth = os.getpid(), sys.getrecursionlimit()
            printed = run.printed
            sys.stdout, sys.stderr = printed.stdout.lent(stdout), printed.stderr.lent(stderr)
            try:
                return main(subject, **extras)
            finally:
                sys.stdout, sys.stderr = stdout, stderr
                printed.stdout.taken_back()
                printed.stderr.taken_back()
                if os.getpid() != process:
                    _leave(sys.exc_info()[1])
                if sys.getrecursionlimit() != depth:
                    sys.setrecursionlimit(depth)

    def stop(self, file: str) -> None:
        """Call the `stop()` of a file that was loaded, unless that was done; one that takes arguments is another's."""
        module = self._loaded.pop(file, None)
        stop = getattr(module, "stop", None)
        if callable(stop) and _takes_nothing(stop):
            with self._turn:
                self._put_in_place()
                stop()

    def _put_in_place(self) -> None:
        other = UserCode._in_place
        if other is self:
            return
        if other is not None:
            other.take_out()
        sys.path.insert(0, str(self._folder))
        sys.modules.update(self._modules)
        UserCode._in_place = self

    def take_out(self) -> None:
        """Make room in `sys.path` and `sys.modules` for another project's code."""
        if str(self._folder) in sys.path:
            sys.path.remove(str(self._folder))
        self._modules = {name: module for name, module in sys.modules.items() if self._owns(module)}
        for name in self._modules:
            del sys.modules[name]
        UserCode._in_place = None

    def _owns(self, module: ModuleType) -> bool:
        spec = getattr(module, "__spec__", None)
        places = [getattr(spec, "origin", None), *(getattr(spec, "submodule_search_locations", None) or ())]
        return any(isinstance(place, str) and place.startswith(f"{self._folder}/") for place in places)

    def describe(self, error: BaseException, file: str) -> dict[str, Any]:
        """Say what `error` is and where in the user's code it arose: `type`, `message`, `file`, `line`.

        The place is the innermost one in `code/`, for that is what its author can change; `file` where there is none.
        `causes` say the same of what led to it, the nearest first, where something did.
        """
        try:
            told = self._described(error, file)
            told.update(self._causes(error))
        except BaseException:  # noqa: BLE001 - its attributes may be user code
            text = "(no text: it raised when it was read)"
            return {"type": type_name(error), "message": text, "file": file, "line": None}
        return told

    def _causes(self, error: BaseException) -> dict[str, list[dict[str, Any]]]:
        try:
            causes = [self._described(cause, None) for cause in causes_of(error)]
        except BaseException:  # noqa: BLE001 - as above
            return {}
        return {"causes": causes} if causes else {}

    def _described(self, error: BaseException, file: str | None) -> dict[str, Any]:
        place: tuple[str | None, int | None] = (file, None)
        for frame, line in traceback.walk_tb(error.__traceback__):
            place = self._place(frame.f_code.co_filename, line) or place
        if isinstance(error, SyntaxError):  # of a file that was imported late
            place = self._place(error.filename, error.lineno) or place
        return {"type": type_name(error), "message": _text(error), "file": place[0], "line": place[1]}

    def _place(self, path: object, line: object) -> tuple[str, int | None] | None:
        if not isinstance(path, str) or not path.startswith(f"{self._folder}/"):
            return None
        return path[len(f"{self._project}/") :], line if isinstance(line, int) else None


_NEVER_RUN = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def _text(error: BaseException) -> str:
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)[:_MAX_MESSAGE]
        return str(text.encode("utf-8", "backslashreplace"), "utf-8")
    except BaseException as other:  # noqa: BLE001 - __str__ is user code too
        return f"(no text: its __str__ raised {type_name(other)})"


def _leave(error: BaseException | None) -> NoReturn:
    """End a process that user code forked and that came back from it: only its parent may answer the frame."""
    code = error.code if isinstance(error, SystemExit) else error and 1
    os._exit(code if isinstance(code, int) else int(code is not None))
