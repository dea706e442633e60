"""What a form of a page holds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from service.intake.body import small_body
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    import falcon

_FORM_BYTES = 1 << 16
_MOST_FIELDS = 1000


def form_of(req: falcon.Request, most_bytes: int = _FORM_BYTES) -> dict[str, str]:
    """Return the fields of a form as a browser sends it; of fields with one name the last.

    Raises:
        InvalidParameter: it is no form. And what `small_body` raises.
    """
    body = small_body(req, most_bytes)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"))
    except (UnicodeDecodeError, ValueError):
        raise InvalidParameter("the body was expected to be a form: fields as name=value, joined by &") from None
