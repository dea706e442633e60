"""Who asks for something, as the log of changes has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import falcon


def asker(req: falcon.Request) -> tuple[str, str]:
    """Return the name of who asks, '' where no key is set, and the address that the request came from."""
    return getattr(req.context, "client", None) or "", req.remote_addr
