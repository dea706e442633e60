"""Forms are read exactly or refused for a reason: by a writer of our own, by others, and against a second reader."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from falcon.media.multipart import MultipartFormHandler
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from urllib3 import encode_multipart_formdata

from service.intake.forms import boundary_of, read_form
from service.intake.header_values import split_value
from tests.support.forms import BOUNDARY, FILE, fields, named, part, whole
from workers.errors import BodyInvalid, BodyUnsupported, FramemillError, IncompleteBody, InvalidParameter

B = BOUNDARY.encode()
KINDS = (BodyInvalid, BodyUnsupported, IncompleteBody, InvalidParameter)
FRAME = b"\x89PNG\r\n\x1a\n--" + bytes(range(256)) + b"\r\n--0123456789abcde\r\n\r\n"


def _refusal(body: bytes, boundary: bytes = B) -> FramemillError:
    with pytest.raises(KINDS) as refused:
        read_form(boundary, body, "file")
    return refused.value


# what a boundary is made of, and so what a reader could stumble over
_TRAPS = st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"-", b"\r\n--", b"\r\n-", b"--" + B, b"\r\n--" + B[:-1], B,
                          b"\r\n\r\n", b"\r\n--" + B[1:], b'name="file"', b"\0"])  # fmt: skip
_CONTENTS = st.lists(st.one_of(_TRAPS, st.binary(max_size=40)), max_size=12).map(b"".join)
_BLANK = st.sampled_from(["", " ", "\t", "  \t"])
_CASES: st.SearchStrategy[Callable[[str], str]] = st.sampled_from([str.lower, str.upper, str.title])
_OTHER_HEADERS = st.sampled_from(
    ["Content-Type: image/png", "content-type:text/plain;charset=utf-8", "X-Camera: Gr\xf6\xdfe", "Content-Length: 7",
     "CONTENT-TRANSFER-ENCODING: BINARY", "Content-Transfer-Encoding: 8bit", "Content-ID: <1>", "X: a\r\n folded"]
)  # fmt: skip
_FILE_NAMES = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters='\r\n"'), max_size=12).map(str.encode),
    st.binary(max_size=12).map(lambda name: name.translate(None, b'\r\n"')),
)


@st.composite
def _disposition(draw: st.DrawFn, name: str) -> bytes:
    case, blank = draw(_CASES), draw(_BLANK)
    written = draw(st.sampled_from([f'"{name}"', name]))
    line = f"{case('Content-Disposition')}:{draw(_BLANK)}{case('form-data')}{blank};{draw(_BLANK)}{case('name')}"
    line += f"{blank}={draw(_BLANK)}{written}{draw(_BLANK)}"
    file_name = draw(_FILE_NAMES)
    return line.encode() + (b"" if file_name is None else b"; filename=" + b'"' + file_name + b'"')


@st.composite
def _part(draw: st.DrawFn, name: str, contents: st.SearchStrategy[bytes]) -> tuple[str, bytes, bytes]:
    others = draw(st.lists(_OTHER_HEADERS, max_size=3, unique_by=lambda header: header.lower()[:12]))
    headers: list[str | bytes] = [draw(_disposition(name)), *others]
    content = draw(contents)
    return name, content, part(draw(st.permutations(headers)), content)


_VALUES = st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))


@st.composite
def _form(draw: st.DrawFn) -> list[tuple[str, bytes, bytes]]:
    names = draw(st.lists(st.sampled_from(["data", "width", "api_key", "bayer", "deadline_ms", "camera"]), unique=True))
    unknown = draw(st.lists(st.sampled_from(["x", "kamera", "file2", "Files", "r\xe9my"]), max_size=3))
    parts = [draw(_part(name, _VALUES)) for name in names] + [draw(_part(name, _CONTENTS)) for name in unknown]
    return draw(st.permutations([*parts, draw(_part("file", _CONTENTS))]))


@settings(max_examples=150, deadline=None)
@given(
    parts=_form(),
    preamble=st.sampled_from([b"", b"\r\n", b"this is a form\r\n"]),
    epilogue=st.sampled_from([b"", b"\r\n", b"\r\nand that was it\r\n"]),
    padding=st.sampled_from([b"", b" ", b"\t "]),
)
def test_what_was_written_is_read(
    parts: list[tuple[str, bytes, bytes]], preamble: bytes, epilogue: bytes, padding: bytes
) -> None:
    delimiter = b"\r\n--" + B
    assume(not any(delimiter in b"\r\n" + content for _, content, _ in parts))
    body = whole(*(written for *_, written in parts)).replace(delimiter + b"\r\n", delimiter + padding + b"\r\n")
    form = read_form(B, preamble + body[:-2] + epilogue, "file")
    assert bytes(form.frame) == next(content for name, content, _ in parts if name == "file")
    expected = {name: content.decode() for name, content, _ in parts if name in {"data", "width", "api_key", "bayer",
                                                                                 "deadline_ms", "camera"}}  # fmt: skip
    assert form.fields == expected


@settings(max_examples=60, deadline=None)
@given(frame=_CONTENTS, name=st.text(max_size=20).filter(lambda name: name.isprintable()), data=_VALUES)
def test_what_another_library_writes_is_read(frame: bytes, name: str, data: bytes) -> None:
    body, kind = encode_multipart_formdata({"data": data, "file": (name.encode("utf-8", "replace").decode(), frame)})
    form = read_form(boundary_of(kind), bytearray(body), "file")
    assert (bytes(form.frame), form.fields) == (frame, {"data": data.decode()})


_VALID = whole(*fields(data="board", width="64"), part([FILE + '; filename="a.png"', "Content-Type: image/png"], FRAME))


@st.composite
def _mutant(draw: st.DrawFn) -> bytes:
    body = bytearray(_VALID)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 6))] = draw(st.one_of(_TRAPS, st.binary(max_size=3)))
    return bytes(body)


def _by_falcon(body: bytes) -> list[tuple[str | None, bytes]] | None:
    """What Falcon's reader finds, None where it finds a mistake."""
    try:
        form = MultipartFormHandler().deserialize(
            io.BytesIO(body), f"multipart/form-data; boundary={BOUNDARY}", len(body)
        )
        return [(found.name, found.stream.read()) for found in form]
    except Exception:  # noqa: BLE001 - it raises whatever it meets, which is why it is not used
        return None


@settings(max_examples=300, deadline=None)
@given(body=st.one_of(_mutant(), st.binary(max_size=80).map(lambda noise: b"--" + B + noise)))
@example(_VALID)
@example(b"\r" + _VALID)
@example(b"")
@example(b"--" + B + b"--")
def test_any_body_is_read_as_a_second_reader_reads_it_or_refused(body: bytes) -> None:
    try:
        form = read_form(B, body, "file")
    except KINDS:
        return
    # where a part has no content, not even the line end before its boundary, Falcon takes the boundary for content
    if b"\r\n\r\n--" + B not in body and (theirs := _by_falcon(body)) is not None:
        assert [content for name, content in theirs if name == "file"] == [bytes(form.frame)]
        for name, value in form.fields.items():
            assert (name, value.encode("utf-8", "surrogateescape")) in theirs


def test_a_boundary_is_found_wherever_it_lies() -> None:
    for size in [*range(65_400, 65_600), *range(130_900, 131_100)]:
        frame = bytes(size)
        form = read_form(B, whole(part([FILE], frame), *fields(data="behind")), "file")
        assert (form.frame == frame, form.fields) == (True, {"data": "behind"})


def test_the_frame_is_not_copied() -> None:
    body = bytearray(_VALID)
    frame = read_form(B, body, "file").frame
    body[body.index(FRAME)] = 0
    assert frame[0] == 0


_COSTLY = {
    "boundaries that go on": b"\r\n--" + B + b"x",
    "boundaries that nearly are": b"\r\n--" + B[:-1],
    "dashes": b"-",
    "line ends": b"\r\n",
    "zeros": b"\0",
    "parts": b"\r\n--" + B + b"\r\n" + part([named("x")], b""),
    "heads": b"\r\n--" + B + b"\r\n" + part([FILE, *["X: y"] * 1000], b""),
    "quotes": b"\r\n--" + B + b"\r\n" + part([FILE + '; filename="' + "\\" * 8000], b""),
    "blanks": b"\r\n--" + B + b"\r\n" + part([FILE + " " * 8000 + '"'], b""),
    "semicolons": b"\r\n--" + B + b"\r\n" + part([FILE + ";" * 8000 + '"'], b""),
}


@pytest.mark.parametrize("name", _COSTLY)
def test_no_form_costs_more_than_its_bytes(name: str) -> None:
    piece = _COSTLY[name]
    for opening in (b"--" + B + b"\r\n" + part([FILE], b""), b""):
        body = opening + piece * ((6 << 20) // len(piece))
        begun_s = time.process_time()
        with pytest.raises(KINDS):
            read_form(B, body, "file")
        assert time.process_time() - begun_s < 0.5


def test_a_form_that_ends_early_is_incomplete() -> None:
    assert {type(_refusal(_VALID[:cut])) for cut in range(1, len(_VALID) - 3)} == {IncompleteBody}


@settings(max_examples=200, deadline=None)
@given(value=st.text(st.sampled_from(list(' \t;="\\abfilenm*,é\r\n')), max_size=30))
def test_any_header_value_is_split_or_refused(value: str) -> None:
    with suppress(ValueError):
        word, parameters = split_value(value)
        assert word == word.strip().lower()
        assert all(name == name.lower() for name in parameters)
