"""Header values of the kind `form-data; name="file"`, as their many writers write them. Pure: this file does no I/O.

Words and names of parameters are in any case, blanks and tabs are anywhere, values are words or quoted strings. Some
writers escape quotes and backslashes inside quotes and others do not, which file names in Shift-JIS or GBK, whose
second bytes may be backslashes, and Windows' own paths make visible. So a value is read with escapes, and where that
leads nowhere without. A file name matters to nobody here: what is wrong with one alone is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r'[ \t]*;[ \t]*(?:([^\s;="\\,]+)[ \t]*=[ \t]*'
_READINGS = (
    re.compile(_NAME + r'("(?:[^"\\]|\\.)*"|[^;"]*)[ \t]*)?', re.DOTALL),
    re.compile(_NAME + r'("[^"]*"|[^;"]*)[ \t]*)?', re.DOTALL),
)
_FILE_NAME = re.compile(r";[ \t]*filename\*?[ \t]*=", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OF_NO_ACCOUNT = frozenset({"filename", "filename*"})


def split_value(value: str) -> tuple[str, Mapping[str, str]]:
    """Return the first word of a header value, in small letters, and its parameters by their names in small letters.

    Raises:
        ValueError: it is not of that form, or has a parameter twice; the message says which.
    """
    word, _, _ = value.partition(";")
    rest = value[len(word) :]
    found = _parameters(rest, _READINGS[0], escaped=True)
    if found is None:
        found = _parameters(rest, _READINGS[1], escaped=False)
    if found is None and (file_name := _FILE_NAME.search(rest)):
        found = _parameters(rest[: file_name.start()], _READINGS[0], escaped=True)
    if found is None:
        raise ValueError("its parameters are not of the form name=word or name=\"words\", each behind a ';'")
    return word.strip().lower(), found


def _parameters(text: str, reading: re.Pattern[str], *, escaped: bool) -> dict[str, str] | None:
    """Return what `; name=value; ...` holds; None where it is something else."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = reading.match(text, at)
        if match is None:
            return None if text[at:].strip() else found
        at = match.end()
        name, value = (match[1] or "").lower(), (match[2] or "").strip(" \t")
        if value.startswith('"'):
            value = _ESCAPED.sub(r"\1", value[1:-1]) if escaped else value[1:-1]
        if name in found and name not in _OF_NO_ACCOUNT:
            raise ValueError(f"it has the parameter {name[:40]!r} twice")
        if name:
            found[name] = value
    return found
