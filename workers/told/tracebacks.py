"""An exception of user code in words: its causes, and its traceback without what is ours.

Whatever is read of an exception may be user code (its `__str__`, its attributes) and raise anything.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType

_MOST_CAUSES = 10
_MOST_CHARACTERS = 16_000  # of a traceback: both its ends are kept
_UNREADABLE = "(no traceback: the exception raised when it was read)\n"


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to `error`, the nearest first, as a traceback shows it; of a group its members first."""
    seen = {id(error)}
    waiting = _next_to(error)
    while waiting and len(seen) <= _MOST_CAUSES:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting = [*_next_to(cause), *waiting]


def _next_to(error: BaseException) -> list[BaseException]:
    members = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    if error.__cause__ is not None:
        return [*members, error.__cause__]
    if error.__context__ is not None and not error.__suppress_context__:
        return [*members, error.__context__]
    return members


def traceback_of(error: BaseException, folder: str = "") -> str:
    """Return the traceback with its causes; it begins in `folder`, and names files there as relative to it."""
    try:
        begins = _first_in(error.__traceback__, f"{folder}/") if folder else None
        told = traceback.TracebackException(type(error), error, begins or error.__traceback__, compact=True)
        text = "".join(told.format())
    except BaseException:  # noqa: BLE001 - see above
        return _UNREADABLE
    if folder:
        text = text.replace(f'File "{folder}/', 'File "')
    if len(text) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        text = f"{text[:half]}\n  [{len(text) - _MOST_CHARACTERS:,} characters left out]\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()


def _first_in(trace: TracebackType | None, folder: str) -> TracebackType | None:
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(folder):
        trace = trace.tb_next
    return trace
