"""How a block of header fields ends: the head of a message or of a form's part, the trailers of a chunked body."""

from __future__ import annotations

HEAD_END = b"\r\n\r\n"
