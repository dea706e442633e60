"""What of gunicorn is replaced, by what, and why: the only place that changes it.

gunicorn has no settings for these. It makes whatever stands under the three names below, each time that it needs one.
"""

from __future__ import annotations

from gunicorn.http import message, wsgi
from gunicorn.http.parser import RequestParser

from service.wire.chunks import BoundedChunks
from service.wire.gunicorn_response import OneWrite
from service.wire.request_head import NotedHead


def install() -> None:
    """Put our objects into gunicorn; before its first worker starts. Doing it again changes nothing."""
    # the head's bytes are kept, for requests that are recognised or set aside; what gunicorn would let pass is refused
    RequestParser.mesg_class = NotedHead
    # gunicorn's would wait for a chunked body in a thread; this one marks it, and gathered.py reads it
    message.ChunkedReader = BoundedChunks
    # a short answer leaves in one call, and no thread waits for a body that was refused
    wsgi.Response = OneWrite
