"""What is written of an operation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pydantic import BaseModel

JSON, PNG, JPEG, HTML = "application/json", "image/png", "image/jpeg", "text/html"
TEXT, STREAM, CSV, FORM = "text/plain", "text/event-stream", "text/csv", "application/x-www-form-urlencoded"
DONE: Mapping[int, type[BaseModel] | None] = MappingProxyType({200: None})


class Operation(NamedTuple):
    """What it does, in a sentence, and its models: of its query, of a body in JSON, of a form.

    `sent` are types of a body that no model describes. `answers` has the model of each status that is no error, where
    its answer is JSON of a fixed shape; `kinds` are the types of answers that are none of those.
    """

    summary: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    form: type[BaseModel] | None = None
    sent: tuple[str, ...] = ()
    answers: Mapping[int, type[BaseModel] | None] = DONE
    kinds: tuple[str, ...] = ()


def read(
    summary: str, *kinds: str, query: type[BaseModel] | None = None, answer: type[BaseModel] | None = None
) -> dict[str, Operation]:
    """Return what a path that is read has: GET, and HEAD, which answers without a body."""
    told = Operation(summary, query, answers={200: answer}, kinds=kinds)
    return {"GET": told, "HEAD": told._replace(answers=DONE, kinds=())}
