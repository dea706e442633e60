"""Each request that gets as far as the application has its ids, and a line once it has its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.logs.request_log import LOG
from service.logs.trace import TRACE, Trace, said_by

if TYPE_CHECKING:
    import falcon


class Traced:
    """Falcon middleware, before all others: whatever they refuse has an id and a line, too."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give the request its ids, and its answer."""
        trace = req.env[TRACE] = Trace(req.method, req.path, said_by(req.env))
        for name, value in trace.headers:
            resp.set_header(name, value)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Tell of it."""
        del resource, req_succeeded
        trace: Trace | None = req.env.get(TRACE)
        if trace is None or not LOG.is_on:
            return
        client = getattr(req.context, "client", None) or str(req.remote_addr)
        LOG.tell(trace, client, resp.status_code, getattr(resp.context, "code", ""), _length(resp))


def _length(resp: falcon.Response) -> int:
    if resp.content_length is not None:
        return int(resp.content_length)
    if resp.text is not None:
        return len(resp.text.encode())
    return len(resp.data or b"")
