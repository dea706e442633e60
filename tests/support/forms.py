"""Forms as bytes, written by hand: what libraries write and what they never would."""

from __future__ import annotations

from collections.abc import Sequence

BOUNDARY = "0123456789abcdef"
FILE = 'Content-Disposition: form-data; name="file"'


def named(name: str) -> str:
    """The header of a part."""
    return f'Content-Disposition: form-data; name="{name}"'


def part(headers: Sequence[str | bytes], content: bytes) -> bytes:
    """A part behind its boundary line; headers that are text are Latin-1."""
    lines = [header if isinstance(header, bytes) else header.encode("latin-1") for header in headers]
    return b"\r\n".join([*lines, b"", content])


def whole(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """The parts with boundaries between and around them."""
    line = b"--" + boundary.encode("latin-1")
    return b"".join(line + b"\r\n" + one + b"\r\n" for one in parts) + line + b"--\r\n"


def fields(**values: str) -> list[bytes]:
    """A part for each."""
    return [part([named(name)], value.encode()) for name, value in values.items()]


def request(
    body: bytes, *lines: str, path: str = "/analyze_image", kind: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> bytes:
    """The request that posts a form with its length."""
    head = [f"POST {path} HTTP/1.1", "Host: line", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *lines: str, path: str = "/analyze_image", size: int = 1000) -> bytes:
    """The request that posts a form in chunks."""
    head = [f"POST {path} HTTP/1.1", "Host: line", f"Content-Type: multipart/form-data; boundary={BOUNDARY}"]
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    return "\r\n".join([*head, "Transfer-Encoding: chunked", *lines, "", ""]).encode("latin-1") + coded
