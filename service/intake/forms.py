"""Forms, multipart/form-data (RFC 7578, RFC 2046): a body that is whole in memory is taken apart without a copy.

::

    --boundary CRLF                                  the first may stand behind a preamble, which is passed over
    Content-Disposition: form-data; name="file" CRLF
    CRLF
    (the part's bytes) CRLF
    --boundary CRLF                                  the next part ...
    (...) CRLF
    --boundary--                                     the end; without it the form is incomplete

Where a part ends is found in steps of a few kilobytes, each looked at once. A line that begins with the boundary and
goes on in another way is an error, as RFC 2046 forbids it inside a part: whoever could go on there would decide what is
looked at twice, and a frame could be cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from service.head_end import HEAD_END
from service.intake.header_values import split_value
from service.intake.params import is_parameter, once
from workers.errors import BodyInvalid, BodyUnsupported, IncompleteBody, InvalidParameter

if TYPE_CHECKING:
    import falcon

_MOST_PARTS = 64
_HEAD_BYTES = 8192  # of a part
_FIELD_BYTES = 4096
_LONGEST_BOUNDARY = 70  # RFC 2046
_PADDING_BYTES = 256  # blanks behind a boundary, which some gateways add
_STEP_BYTES = 1 << 16
_SHOWN_NAMES = 8
_SHOWN_CHARS = 32
_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")
_PLAIN_CODINGS = frozenset({"", "7bit", "8bit", "binary"})
_CHARSET = re.compile(
    r"utf-?8|(us-)?ascii|latin-?1|iso-8859-1?\d|(windows-|cp)125\d|koi8-[ru]|"
    r"shift[_-]jis|gb(k|2312|18030)|big5|euc-(jp|kr)"
)
_READ_ONCE = frozenset({"content-disposition", "content-type", "content-transfer-encoding", "content-encoding"})
_BARE_NEWLINE = re.compile(rb"(?<!\r)\n")
_FORM = "multipart/form-data"


class Form(NamedTuple):
    """The frame, a view of the form's bytes, empty where no part was asked for; and the parameters among its fields."""

    frame: memoryview
    fields: Mapping[str, str]


def is_form(req: falcon.Request) -> bool:
    """Whether the body is multipart/form-data."""
    return _media_type(req) == _FORM


def refuse_other_parts(req: falcon.Request) -> None:
    """Raise BodyUnsupported where the body consists of parts, but not in the way of a form."""
    kind = _media_type(req)
    if kind.startswith("multipart/") and kind != _FORM:
        raise BodyUnsupported(f"a body of the kind {kind[:40]!r} is not read; expected {_FORM}, or the frame itself")


def _media_type(req: falcon.Request) -> str:
    return (req.content_type or "").partition(";")[0].strip().lower()


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a form's `Content-Type` names; raises BodyInvalid."""
    try:
        _, parameters = split_value(content_type)
    except ValueError as error:
        raise BodyInvalid(f"the form's Content-Type cannot be read: {error}") from None
    boundary = parameters.get("boundary", "")
    if not boundary:
        raise BodyInvalid("the form's Content-Type names no boundary; expected multipart/form-data; boundary=...")
    if len(boundary) > _LONGEST_BOUNDARY:
        raise BodyInvalid(f"the form's boundary has more than {_LONGEST_BOUNDARY} characters")
    if not _BOUNDARY.fullmatch(boundary):
        raise BodyInvalid("the form's boundary has characters other than printable ASCII, or ends in a blank")
    return boundary.encode("ascii")


def read_form(boundary: bytes, body: bytes | bytearray | memoryview, part: str | None) -> Form:
    """Take a form apart: the frame is the part named `part`; other parts count where they are parameters of ours.

    Raises:
        BodyInvalid, IncompleteBody: it is no form, or ends too early.
        BodyUnsupported: the frame or a parameter is coded.
        InvalidParameter: it has no frame or two, or a parameter twice, in another spelling, or too long.
    """
    view = memoryview(body)
    if not view:
        raise IncompleteBody("the body is empty; a form was expected")
    pieces = [_Piece.of(number, *found) for number, found in enumerate(_parts(view, boundary), 1)]
    frames = [piece for piece in pieces if piece.name == part]
    if len(frames) > 1:
        raise InvalidParameter(f"the form has two parts named {part!r}; one was expected")
    if part is not None and not frames:
        raise InvalidParameter(f"the form has no part named {part!r}; it has {_shown(pieces)}")
    fields = once((piece.name, piece.text()) for piece in pieces if is_parameter(piece.name))
    return Form(frames[0].plain() if frames else memoryview(b""), fields)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a form; its headers by their names in small letters."""

    name: str
    headers: Mapping[str, str]
    content: memoryview

    @classmethod
    def of(cls, number: int, head: bytes, content: memoryview) -> _Piece:
        headers = _headers(number, head)
        try:
            word, parameters = split_value(headers.get("content-disposition", ""))
        except ValueError as error:
            raise BodyInvalid(f"the Content-Disposition of part {number} of the form cannot be read: {error}") from None
        if word != "form-data" or "name" not in parameters:
            raise BodyInvalid(
                f'part {number} of the form has no name; expected Content-Disposition: form-data; name="..."'
            )
        # a name is in UTF-8 (RFC 7578); ours are ASCII, and others are shown at most
        name = parameters["name"].encode("latin-1").decode("utf-8", "replace")
        return cls(name, headers, content)

    def plain(self) -> memoryview:
        """Return the content; raises BodyUnsupported where it is coded."""
        for header in ("content-transfer-encoding", "content-encoding"):
            coding = self.headers.get(header, "").strip().lower()
            if coding not in (_PLAIN_CODINGS if "transfer" in header else {"", "identity"}):
                raise BodyUnsupported(
                    f"the part {self.name!r} of the form is coded ({header.title()}); expected its bytes as they are"
                )
        if self.headers.get("content-type", "").strip().lower().startswith("multipart/"):
            raise BodyUnsupported(f"the part {self.name!r} of the form consists of parts itself; one frame is expected")
        return self.content

    def text(self) -> str:
        """Return a parameter's value."""
        content = self.plain()
        if len(content) > _FIELD_BYTES:
            raise InvalidParameter(f"{self.name} has more than {_FIELD_BYTES} bytes")
        charset = self._charset()
        if charset is None:
            return str(content, "utf-8", "surrogateescape")  # what is not UTF-8 is told as in the query
        try:
            return str(content, charset)
        except (UnicodeDecodeError, LookupError):
            raise InvalidParameter(f"{self.name} is not in the charset that its Content-Type names") from None

    def _charset(self) -> str | None:
        try:
            _, parameters = split_value(self.headers.get("content-type", ""))
        except ValueError:
            parameters = {}
        charset = parameters.get("charset", "utf-8").lower()
        if not _CHARSET.fullmatch(charset):
            raise InvalidParameter(f"{self.name} is in a charset that is not read; expected UTF-8")
        return None if charset.startswith("utf") else charset


def _shown(pieces: list[_Piece]) -> str:
    if not pieces:
        return "no parts"
    names = ", ".join(f"{piece.name[:_SHOWN_CHARS]!r}" for piece in pieces[:_SHOWN_NAMES])
    return names + (f" and {len(pieces) - _SHOWN_NAMES} more" if len(pieces) > _SHOWN_NAMES else "")


def _headers(number: int, head: bytes) -> Mapping[str, str]:
    """Return the headers of a part; a line that begins with a blank belongs to the one before (obsolete folding)."""
    found: dict[str, str] = {}
    for line in re.sub(rb"\r\n[ \t]+", b" ", head).decode("latin-1").split("\r\n") if head else ():
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name or "\n" in line:
            raise BodyInvalid(f"a header of part {number} of the form is malformed; expected Name: value, and CR LF")
        if name in found and name in _READ_ONCE:
            raise BodyInvalid(f"part {number} of the form has {name.title()} twice")
        found[name] = value.strip()
    return found


def _parts(body: memoryview, boundary: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield head and content of each part, in order, up to the closing boundary, without which the end is an error."""
    delimiter = b"\r\n--" + boundary
    at = _behind_first(body, delimiter)
    for number in range(1, _MOST_PARTS + 1):
        if _closes(body, at, delimiter):
            return
        at = _behind_line(body, at)
        head, begin = _head(body, at, number)
        # the line end of an empty head's last line may be the delimiter's
        end = _find(body, delimiter, begin - 2)
        if end < 0 and _find(body, delimiter[1:], begin) >= 0:
            raise _bare_newline()
        if end < 0:
            raise IncompleteBody(f"the form ends inside its part {number}: no closing boundary came")
        yield head, body[begin : max(begin, end)]
        at = end + len(delimiter)
    if not _closes(body, at, delimiter):
        raise BodyInvalid(f"the form has more than {_MOST_PARTS} parts")


def _find(body: memoryview, wanted: bytes, start: int) -> int:
    """Return where `wanted` begins at or behind `start`, -1 where it does not; in steps that the cache holds."""
    while start < len(body):
        at = bytes(body[start : start + _STEP_BYTES]).find(wanted)
        if at >= 0:
            return start + at
        start += _STEP_BYTES - len(wanted) + 1
    return -1


def _behind_first(body: memoryview, delimiter: bytes) -> int:
    """Return where the first boundary ends; it begins the body, or a line behind a preamble without any boundary."""
    opening = delimiter[2:]
    at = _find(body, opening, 0)
    if at == 0 or (at > 0 and bytes(body[max(at - 2, 0) : at]) == b"\r\n"):
        return at + len(opening)
    if at > 0 and bytes(body[at - 1 : at]) == b"\n":
        raise _bare_newline()
    if at < 0 and bytes(body[: len(opening)]) == opening[: len(body)]:
        raise IncompleteBody("the form ends inside its first boundary")
    raise BodyInvalid("the boundary that the form's Content-Type names does not begin a line of the body")


def _closes(body: memoryview, at: int, delimiter: bytes) -> bool:
    """Whether the boundary that ends at `at` is the closing one."""
    if bytes(body[at : at + 2]) != b"--":
        return False
    line = bytes(body[at + 2 : at + 2 + _PADDING_BYTES]).lstrip(b" \t")
    if line and not line.startswith(b"\r\n"):
        raise _goes_on()
    # what follows is passed over, unless somebody could take it for parts that were meant
    if _find(body, delimiter, at) >= 0:
        raise BodyInvalid("the form goes on behind its closing boundary")
    return True


def _behind_line(body: memoryview, at: int) -> int:
    """Return where the line of the boundary that ends at `at` ends."""
    line = bytes(body[at : at + _PADDING_BYTES])
    rest = line.lstrip(b" \t")
    if rest.startswith(b"\r\n"):
        return at + len(line) - len(rest) + 2
    if rest in {b"", b"\r", b"-"} and at + len(line) == len(body):
        raise IncompleteBody("the form ends in the line of a boundary: no closing boundary came")
    raise _bare_newline() if rest.startswith(b"\n") else _goes_on()


def _head(body: memoryview, at: int, number: int) -> tuple[bytes, int]:
    """Return the head of the part that begins at `at`, without its empty line, and where its content begins."""
    window = bytes(body[at - 2 : at + _HEAD_BYTES + len(HEAD_END)])
    end = window.find(HEAD_END)
    if end >= 0:
        return window[2:end], at + end + 2
    if _BARE_NEWLINE.search(window):
        raise _bare_newline()
    if at + _HEAD_BYTES < len(body):
        raise BodyInvalid(f"the headers of part {number} of the form have more than {_HEAD_BYTES} bytes")
    raise IncompleteBody(f"the form ends inside the headers of its part {number}: no closing boundary came")


def _bare_newline() -> BodyInvalid:
    return BodyInvalid("a line of the form ends in a bare LF; expected CR LF")


def _goes_on() -> BodyInvalid:
    return BodyInvalid("a line of the form begins with its boundary and goes on; a boundary may not occur in a part")
