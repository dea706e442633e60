"""Forms as many clients write them, odd ones included, are read; what is no form is refused for its own reason."""

from __future__ import annotations

import pytest

from service.intake.forms import boundary_of, read_form
from tests.support.forms import BOUNDARY, FILE, fields, named, part, whole
from workers.errors import BodyInvalid, BodyUnsupported, FramemillError, IncompleteBody, InvalidParameter

B = BOUNDARY.encode()
FRAME = b"\x89PNG\r\n\x1a\n--" + bytes(range(256)) + b"\r\n--0123456789abcde\r\n\r\n"


_KINDS = {
    "as libraries write it": f"multipart/form-data; boundary={BOUNDARY}",
    "capitals": f"MULTIPART/FORM-DATA; BOUNDARY={BOUNDARY}",
    "no blank": f"multipart/form-data;boundary={BOUNDARY}",
    "quotes": f'multipart/form-data; boundary="{BOUNDARY}"',
    "a semicolon behind": f"multipart/form-data; boundary={BOUNDARY};",
    "another parameter behind": f"multipart/form-data; boundary={BOUNDARY}; charset=UTF-8",
    "another parameter before": f"multipart/form-data; charset=UTF-8; boundary={BOUNDARY}",
    "blanks and tabs": f"multipart/form-data \t;\t boundary = {BOUNDARY} ",
    "an escape": f'multipart/form-data; boundary="\\0{BOUNDARY[1:]}"',
}


@pytest.mark.parametrize("kind", _KINDS.values(), ids=_KINDS)
def test_a_content_type_names_its_boundary_in_many_ways(kind: str) -> None:
    assert boundary_of(kind) == B


@pytest.mark.parametrize("boundary", ["=_Part_1=", "a b", "x" * 70, "'b'", "----WebKitFormBoundary+/:?(),._", "--"])
def test_a_boundary_may_have_odd_characters(boundary: str) -> None:
    for written in (boundary, f'"{boundary}"'):
        assert boundary_of(f"multipart/form-data; boundary={written}") == boundary.encode()
    form = read_form(boundary.encode(), whole(part([FILE], FRAME), boundary=boundary), "file")
    assert form.frame == FRAME


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("", "names no boundary"),
        ("; boundary=", "names no boundary"),
        ('; boundary=""', "names no boundary"),
        ("; boundary", "cannot be read"),
        ("; boundary=" + "a" * 71, "more than 70"),
        ("; boundary=gr\xf6\xdfe", "printable ASCII"),
        ('; boundary="a "', "ends in a blank"),
        ('; boundary="a\x00b"', "printable ASCII"),
        ("; boundary=a; boundary=b", "twice"),
        ('; boundary="a', "cannot be read"),
        ('; boundary="a"b', "cannot be read"),
    ],
)
def test_a_boundary_that_is_none_is_named(parameters: str, said: str) -> None:
    with pytest.raises(BodyInvalid, match=said):
        boundary_of("multipart/form-data" + parameters)


def _one(disposition: str | bytes, *others: str | bytes, content: bytes = FRAME) -> bytes:
    return whole(part([disposition, *others], content))


ACCEPTED = {
    "file name in Latin-1": _one(FILE + '; filename="Gr\xf6\xdfe.png"'),
    "file name in cp1250": _one(FILE.encode() + b'; filename="\x8a\xed\xf8ka.png"'),
    "file name in Shift-JIS": _one(FILE.encode() + '; filename="画像.png"'.encode("shift_jis")),
    "file name in Shift-JIS that ends in a backslash": _one(FILE.encode() + '; filename="表"'.encode("shift_jis")),
    "such a file name before the name": _one(
        b"Content-Disposition: form-data; filename=" + '"表"; name="file"'.encode("shift_jis")
    ),
    "file name in GBK": _one(FILE.encode() + '; filename="图像.png"'.encode("gbk")),
    "file name in UTF-8": _one(FILE.encode() + '; filename="零件.png"'.encode()),
    "file name with a quote": _one(FILE + r'; filename="a\"b.png"'),
    "file name with a bare quote": _one(FILE + '; filename="a"b.png"'),
    "file name with a path": _one(FILE + '; filename="C:\\dir\\a.png"'),
    "file name with a path that ends in a backslash": _one(FILE + '; filename="C:\\dir\\"'),
    "file name without an end": _one(FILE + '; filename="x.png'),
    "file name twice": _one(FILE + "; filename=a; filename=b"),
    "filename* of broken escapes": _one(FILE + "; filename=x; filename*=UTF-8''%zz%ff.png"),
    "filename* of an unknown charset": _one(FILE + "; filename*=foo''x.png"),
    "filename* of Latin-1": _one(FILE + "; filename*=ISO-8859-1''%F6.png"),
    "filename* without quotes": _one(FILE + "; filename*=x.png"),
    "file name with a zero": _one(FILE + '; filename="a\0b"'),
    "no blank behind the semicolon": _one('Content-Disposition: form-data;name="file";filename="x.png"'),
    "no blank behind the colon": _one('Content-Disposition:form-data; name="file"'),
    "capitals": _one('CONTENT-DISPOSITION: FORM-DATA; NAME="file"'),
    "tabs": _one('Content-Disposition:\tform-data;\tname\t=\t"file"'),
    "a blank before the colon": _one('Content-Disposition : form-data; name="file"'),
    "a word": _one("Content-Disposition: form-data; name=file"),
    "an escape in the name": _one(r'Content-Disposition: form-data; name="\f\i\le"'),
    "folded": _one('Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="x.png"'),
    "the type's name in Latin-1": _one(FILE, "Content-Type: image/png; name=\xf6"),
    "another header in Latin-1": _one(FILE, "X-Camera: Gr\xf6\xdfe"),
    "7bit": _one(FILE, "Content-Transfer-Encoding: 7bit"),
    "8bit": _one(FILE, "Content-Transfer-Encoding: 8Bit"),
    "BINARY": _one(FILE, "content-transfer-encoding: BINARY"),
    "content coding identity": _one(FILE, "Content-Encoding: identity"),
    "a part's length": _one(FILE, "Content-Length: 1"),
    "headers of 8 kB": _one(FILE + '; filename="' + "a" * 8000 + '"'),
    "no line end behind the last boundary": _one(FILE)[:-2],
    "a preamble": b"hello\r\n" + _one(FILE),
    "an empty line first": b"\r\n" + _one(FILE),
    "an epilogue": _one(FILE) + b"goodbye",
    "another part with a coding": whole(
        part([named("x"), "Content-Transfer-Encoding: base64"], b"="), part([FILE], FRAME)
    ),
    "another part that is large": whole(part([named("x")], bytes(1 << 20)), part([FILE], FRAME)),
    "another part that is a form": whole(
        part([named("x"), "Content-Type: multipart/mixed; boundary=in"], whole(part([], b"1"), boundary="in")),
        part([FILE], FRAME),
    ),
    "the same other part twice": whole(*fields(x="1") * 2, part([FILE], FRAME)),
    "parameters of versions to come": whole(*fields(batch="a", shift="b", recipe="c"), part([FILE], FRAME)),
    "64 parts": whole(*fields(x="") * 63, part([FILE], FRAME)),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_forms_of_many_writers_are_read(name: str) -> None:
    form = read_form(B, ACCEPTED[name], "file")
    assert bytes(form.frame) == FRAME
    assert form.fields == {}


REFUSED: dict[str, tuple[bytes, type[FramemillError], str]] = {
    "nothing": (b"", IncompleteBody, "empty"),
    "no part": (whole(), InvalidParameter, "no part named 'file'; it has no parts"),
    "another part": (_one(named("image")), InvalidParameter, "no part named 'file'; it has 'image'"),
    "capitals in the name": (_one(named("File")), InvalidParameter, "it has 'File'"),
    "a name with escapes": (_one(named("fi%6Ce")), InvalidParameter, "it has 'fi%6Ce'"),
    "many others": (whole(*[part([named(f"p{n}")], b"") for n in range(20)]), InvalidParameter,
                    "it has 'p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7' and 12 more"),
    "a long name": (_one(named("n" * 5000)), InvalidParameter, "it has '" + "n" * 32 + "'"),
    "a name that nobody can print": (_one(named("\x1b[2J\0")), InvalidParameter, r"'\x1b[2J\x00'"),
    "two frames": (whole(part([FILE], FRAME), part([FILE], FRAME)), InvalidParameter, "two parts named 'file'"),
    "a field twice": (whole(*fields(data="a") * 2, part([FILE], b"")), InvalidParameter, "data is given twice"),
    "a field in capitals": (whole(*fields(Width="1"), part([FILE], b"")), InvalidParameter, "expected width"),
    "a field as a list": (whole(part([named("data[]")], b""), part([FILE], b"")), InvalidParameter, "expected data"),
    "a field with a blank": (whole(part([named("data ")], b""), part([FILE], b"")), InvalidParameter, "expected data"),
    "a field that is too long": (whole(*fields(data="x" * 5000), part([FILE], b"")), InvalidParameter, "4096"),
    "a field that is coded": (whole(part([named("data"), "Content-Transfer-Encoding: quoted-printable"], b"=41"),
                                    part([FILE], b"")), BodyUnsupported, "'data'"),
    "a field in no charset": (whole(part([named("data"), "Content-Type: text/plain; charset=utf-7"], b"a"),
                                    part([FILE], b"")), InvalidParameter, "expected UTF-8"),
    "a field not in its charset": (whole(part([named("data"), "Content-Type: text/plain; charset=us-ascii"], b"\xe9"),
                                         part([FILE], b"")), InvalidParameter, "not in the charset"),
    "base64": (_one(FILE, "Content-Transfer-Encoding: base64"), BodyUnsupported, "Content-Transfer-Encoding"),
    "quoted-printable": (_one(FILE, "Content-Transfer-Encoding: Quoted-Printable"), BodyUnsupported, "is coded"),
    "an unknown coding": (_one(FILE, "Content-Transfer-Encoding: x-uuencode"), BodyUnsupported, "is coded"),
    "gzip": (_one(FILE, "Content-Encoding: gzip"), BodyUnsupported, "Content-Encoding"),
    "a frame of parts": (_one(FILE, "Content-Type: multipart/mixed; boundary=x"), BodyUnsupported, "of parts itself"),
    "name* instead": (_one("Content-Disposition: form-data; name*=UTF-8''file"), BodyInvalid, "part 1 of the form has"),
    "no name": (_one("Content-Disposition: form-data"), BodyInvalid, "has no name"),
    "no disposition": (_one("Content-Type: image/png"), BodyInvalid, "has no name"),
    "no headers": (whole(b"\r\n" + FRAME), BodyInvalid, "has no name"),
    "attachment": (_one('Content-Disposition: attachment; name="file"'), BodyInvalid, "expected Content-Disposition"),
    "name twice": (_one(FILE + "; name=x"), BodyInvalid, "the parameter 'name' twice"),
    "disposition twice": (_one(FILE, FILE), BodyInvalid, "Content-Disposition twice"),
    "coding twice": (_one(FILE, *["Content-Transfer-Encoding: 8bit"] * 2), BodyInvalid, "twice"),
    "a name without an end": (_one('Content-Disposition: form-data; name="file'), BodyInvalid, "cannot be read"),
    "a header without a colon": (_one(FILE, "nothing"), BodyInvalid, "header of part 1 of the form is malformed"),
    "a header without a name": (_one(FILE, ": x"), BodyInvalid, "malformed"),
    "a bare LF in the head": (_one(FILE + "\nContent-Type: image/png"), BodyInvalid, "CR LF"),
    "bare LF": (_one(FILE).replace(b"\r\n", b"\n"), BodyInvalid, "bare LF"),
    "bare LF behind an empty line": (b"\n" + _one(FILE).replace(b"\r\n", b"\n"), BodyInvalid, "bare LF"),
    "bare LF in the head alone": (_one(FILE).replace(b"\r\n\r\n", b"\n\n", 1), BodyInvalid, "CR LF"),
    "bare LF before boundaries alone": (_one(FILE).replace(b"\r\n--" + B, b"\n--" + B), BodyInvalid, "bare LF"),
    "another boundary": (_one(FILE).replace(B, b"other"), BodyInvalid, "does not begin a line"),
    "a first boundary behind a bare CR": (b"\r" + _one(FILE), BodyInvalid, "begin a line"),
    "a first boundary inside a line": (b"x" + whole(*fields(data="x"), part([FILE], b"")), BodyInvalid, "begin a line"),
    "a first boundary behind a bare LF": (b"\n" + whole(*fields(data="x"), part([FILE], b"")), BodyInvalid, "bare LF"),
    "a boundary that goes on": (_one(FILE, content=b"\r\n--" + B + b"0"), BodyInvalid, "goes on"),
    "a boundary at the frame's begin": (_one(FILE, content=b"--" + B + b"0"), BodyInvalid, "goes on"),
    "a closing boundary that goes on": (_one(FILE, content=b"\r\n--" + B + b"--0"), BodyInvalid, "goes on"),
    "a closing boundary in the frame": (_one(FILE, content=b"\r\n--" + B + b"--\r\n"), BodyInvalid, "behind its clos"),
    "parts behind the end": (whole(part([FILE], b"")) + whole(*fields(data="x")), BodyInvalid, "behind its closing"),
    "65 parts": (whole(*fields(x="") * 64, part([FILE], b"")), BodyInvalid, "more than 64 parts"),
    "headers of 9 kB": (_one(FILE + '; filename="' + "a" * 9000 + '"'), BodyInvalid, "more than 8192 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_with_a_mistake_is_refused_for_its_reason(name: str) -> None:
    body, kind, said = REFUSED[name]
    with pytest.raises(kind) as refused:
        read_form(B, body, "file")
    assert said in refused.value.message
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("charset", "text"),
    [("utf-8", "Řeřicha"), ("UTF8", "零件"), ("iso-8859-1", "Größe"), ("windows-1250", "Šířka"), ("Shift_JIS", "部品"),
     ("gbk", "零件"), ("gb18030", "零件"), ("koi8-r", "деталь"), ("cp1252", "Größe"),
     ("us-ascii", "plain")],
)  # fmt: skip
def test_a_field_is_in_the_charset_that_it_names(charset: str, text: str) -> None:
    kind = f"Content-Type: text/plain; charset={charset}"
    body = whole(part([named("data"), kind], text.encode(charset)), part([FILE], b"x"))
    assert read_form(B, body, "file").fields == {"data": text}


def test_without_a_part_to_look_for_only_fields_count() -> None:
    form = read_form(B, whole(*fields(width="4", name="psm_0123abcd", x="y"), part([FILE], FRAME)), None)
    assert (bytes(form.frame), form.fields) == (b"", {"width": "4", "name": "psm_0123abcd"})
