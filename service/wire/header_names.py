"""Header names as their users spell them.

HTTP does not care, and Falcon writes them small; some clients of the vendor's API look for `ImageLen` to the letter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

_OURS = {"imagelen": "ImageLen", "contextbase64utf": "ContextBase64utf", "context": "context"}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@functools.lru_cache(256)
def _spelled(name: str) -> str:
    return _OURS.get(name.lower()) or "-".join(word.capitalize() for word in name.split("-"))


def spell_headers(app: Wsgi) -> Wsgi:
    """Wrap a WSGI application so that its header names leave as they are usually written."""

    def wrapped(env: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [(_spelled(name), value) for name, value in headers], *rest)

        return app(env, start)

    return wrapped
