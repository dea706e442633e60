"""gunicorn's response with two differences: a short one leaves at once, and a refused body ends the connection."""

from __future__ import annotations

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.body import LengthReader

from service.wire.chunks import BoundedChunks
from service.wire.gathered import drop_gathered
from service.wire.plain_body import response_head

_SHORT_BYTES = 65_536


class OneWrite(wsgi.Response):  # type: ignore[misc]  # gunicorn publishes no types
    """Sends headers and a short body together: one system call, and the client wakes up once."""

    def write(self, arg: bytes) -> None:
        """See WSGI's write callable."""
        whole = self.response_length == len(arg) and 0 < len(arg) <= _SHORT_BYTES
        if self.headers_sent or self.chunked or self._omits_body or self.upgrade or not whole:
            super().write(arg)
            return
        self._settle_body()
        major, minor = self.req.version
        head = response_head(f"{major}.{minor}", self.status, self.headers, keep=not self.should_close())
        self.headers_sent: bool = True
        self.sent: int = len(arg)
        util.write(self.sock, head + arg)

    def send_headers(self) -> None:
        """See gunicorn."""
        if not self.headers_sent:
            self._settle_body()
        super().send_headers()

    def _settle_body(self) -> None:
        """Close after an answer that did not wait for the body: the rest would hold a thread for as long as it takes.

        A body that came together with its head is dropped instead, and the connection goes on.
        """
        reader = self.req.body.reader
        if getattr(self.req.body, "failed", False):
            self.force_close()
        elif type(reader) is LengthReader and reader.length:
            if reader.length > len(reader.unreader.buf.getvalue()):
                self.force_close()
            else:
                reader.unreader.unread(reader.unreader.take_buffered()[reader.length :])
                reader.length = 0
        elif type(reader) is BoundedChunks:
            self.force_close()
        drop_gathered(self.req.body)
