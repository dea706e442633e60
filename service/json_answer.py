"""Answers in JSON that are of this moment: nobody keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import falcon

_JSON = "application/json"


def answer_with(resp: falcon.Response, document: Any) -> None:
    """Answer with a document; no cache on the way keeps it."""
    resp.content_type = _JSON
    resp.set_header("Cache-Control", "no-store")
    resp.data = orjson.dumps(document)
