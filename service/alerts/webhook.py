"""One delivery of a webhook: signed as Standard Webhooks has it, sent within a deadline, believed if it says 2xx.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over id, timestamp and body, joined by dots: who receives it
verifies all three (https://www.standardwebhooks.com, as GitHub's X-Hub-Signature-256 but against replay, too).

A socket of our own, for http.client's time limit is one for each piece that comes, and a receiver that drips its answer
would hold it for good. What it says beyond the first line is not read, so it cannot send us anywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX = "whsec_"
_LINE_BYTES = 8192
_PROXY_PORT = 3128
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")


class NotDelivered(Exception):
    """Why a delivery failed; `is_unwanted` where its receiver wants no more of them."""

    def __init__(self, why: str, *, is_unwanted: bool = False) -> None:
        super().__init__(why)
        self.is_unwanted = is_unwanted


class Message(NamedTuple):
    """What is sent, each time in the same words under the same id: so a receiver knows one that comes twice."""

    id: str
    body: str


def key_bytes(key: str) -> bytes:
    """Return the key itself: one that begins with `whsec_` is base64 behind it, another one is what it is."""
    if key.startswith(_PREFIX):
        try:
            return base64.b64decode(key[len(_PREFIX) :], validate=True)
        except binascii.Error:
            pass
    return key.encode("utf-8", "surrogateescape")


def signature(key: bytes, message: Message, timestamp_s: int) -> str:
    """Return what `webhook-signature` says."""
    signed = f"{message.id}.{timestamp_s}.{message.body}".encode()
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


class Webhook:
    """A receiver. `ca_file` has the certificates that its own must come from; without it the machine's do.

    Through a `proxy` TLS goes as it is (CONNECT), so the proxy learns the receiver's name alone; what is no TLS it is
    asked to pass on. Nothing is ever sent in the clear where the address says https.
    """

    def __init__(self, url: str, key: str, ca_file: Path | None = None, proxy: str | None = None) -> None:
        """Raises OSError, ssl.SSLError for a file of certificates that is none."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._at = parts.netloc
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._key = key_bytes(key)
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        through = urlsplit(proxy) if proxy else None
        self._first = (through.hostname or "", through.port or _PROXY_PORT) if through else (self._host, self._port)
        self._proxy = through.netloc if through else ""
        if through and not self._tls:
            self._target = f"http://{self._at}{self._target}"

    def send(self, message: Message, within_s: float) -> None:
        """Deliver it; raises NotDelivered."""
        until_s = time.monotonic() + within_s
        try:
            with socket.create_connection(self._first, timeout=within_s) as plain:
                if self._proxy and self._tls:
                    self._pass_through(plain, until_s)
                _limit(plain, until_s)
                connection = self._tls.wrap_socket(plain, server_hostname=self._host) if self._tls else plain
                with connection:
                    _send(connection, self._request(message), until_s)
                    status = _status(connection, until_s)
        except TimeoutError:
            raise NotDelivered(f"it took longer than {within_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NotDelivered(f"its certificate is not trusted: {error.verify_message}") from None
        except OSError as error:
            raise NotDelivered(error.strerror or str(error)) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"the receiver answered {status}", is_unwanted=status == 410)

    def _pass_through(self, plain: socket.socket, until_s: float) -> None:
        """Have the proxy join us to the receiver; nothing of what is sent is said before that."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        _send(plain, f"CONNECT {host}:{self._port} HTTP/1.1\r\nHost: {host}:{self._port}\r\n\r\n".encode(), until_s)
        head = b""
        while not head.endswith(b"\r\n\r\n") and len(head) < _LINE_BYTES:
            _limit(plain, until_s)
            piece = plain.recv(1)  # what comes behind the head is the receiver's
            if not piece:
                break
            head += piece
        found = _STATUS.match(head)
        if found is None or not 200 <= int(found[1]) < 300:
            said = f"answered {int(found[1])}" if found else "did not answer in HTTP"
            raise NotDelivered(f"the proxy {self._proxy} {said}")

    def _request(self, message: Message) -> bytes:
        body, now_s = message.body.encode(), int(time.time())
        head = (
            f"POST {self._target} HTTP/1.1\r\nHost: {self._at}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nUser-Agent: framemill\r\nConnection: close\r\n"
            f"webhook-id: {message.id}\r\nwebhook-timestamp: {now_s}\r\n"
            f"webhook-signature: {signature(self._key, message, now_s)}\r\n\r\n"
        )
        return head.encode("ascii") + body


def _limit(connection: socket.socket, until_s: float) -> None:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    connection.settimeout(left_s)


def _send(connection: socket.socket, request: bytes, until_s: float) -> None:
    rest = memoryview(request)
    while rest:
        _limit(connection, until_s)
        rest = rest[connection.send(rest) :]


def _status(connection: socket.socket, until_s: float) -> int:
    """Return the status of the answer; raises NotDelivered where it is none of HTTP."""
    line = b""
    while b"\n" not in line and len(line) < _LINE_BYTES:
        _limit(connection, until_s)
        piece = connection.recv(_LINE_BYTES)
        if not piece:
            break
        line += piece
    found = _STATUS.match(line)
    if found is None:
        raise NotDelivered("the receiver did not answer in HTTP")
    return int(found[1])
