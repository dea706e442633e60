"""Reading what user code left in a context, which may raise anything."""

from __future__ import annotations

import logging

from workers.errors import ContextNotSerializable, FramemillError
from workers.text import type_name

_log = logging.getLogger(__name__)


class _Distrust:
    """Read what user code left: its objects may raise anything at any touch, SystemExit too; the worker lives on."""

    def __enter__(self) -> None:
        """Begin; one object does for all, which costs a tenth of a generator each time."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, FramemillError | MemoryError):
            return
        _log.error("what a flow left in its context raised when it was read", exc_info=error)
        msg = f"what the flow left in its context raised {type_name(error)} when it was read; the log says where"
        raise ContextNotSerializable(msg) from None


DISTRUST = _Distrust()
