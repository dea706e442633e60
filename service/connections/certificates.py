"""The TLS context of now: made once, in the fronts' master before it forks, and followed like the keys' file.

All connections share it, so none costs a look at the disk, and a session that one front has begun can be resumed at
another: they inherit the keys of its tickets. A new pair of certificate and key, with the authority where one is set,
is taken over when all of it loads and fits together; until then the old one stays.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from typing import TYPE_CHECKING

from service.access.key_watch import LOOK_EVERY_S, Look, look_at
from service.wire.unsent import TlsClient

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_TRY_AGAIN_S = 10.0  # not only the files may have been at fault


class Certificates:
    """Holds the context; `begin` is for each front."""

    def __init__(self, certfile: Path, keyfile: Path | None, client_ca_file: Path | None) -> None:
        """Load it; raises OSError, of which SSLError is one, where that cannot be done."""
        self._certfile = certfile
        self._keyfile = keyfile
        self._client_ca_file = client_ca_file
        self._seen = self._changing = self._look()
        self._try_again_s: float | None = None
        self.context = self._load()

    def begin(self) -> None:
        """Take over what has changed since the master loaded it, and from now on follow it."""
        self.look(settled=True)
        threading.Thread(target=self._follow, name="certificates", daemon=True).start()

    def _follow(self) -> None:
        waiting = threading.Event()
        while not waiting.wait(LOOK_EVERY_S):
            self.look()

    def look(self, *, settled: bool = False) -> None:
        """Take the files over if they have changed, and have stayed so since the last look, or are `settled`."""
        now = self._look()
        settled, self._changing = settled or now == self._changing, now
        if settled and now != self._seen:
            self._seen = now
            self._take_over(tell=True)
        elif self._try_again_s is not None and time.monotonic() >= self._try_again_s:
            self._take_over(tell=False)

    def _take_over(self, *, tell: bool) -> None:
        try:
            self.context = self._load()
        except OSError as error:
            self._try_again_s = time.monotonic() + _TRY_AGAIN_S
            if tell:
                why = getattr(error, "reason", None) or error.strerror or error
                _log.error("the certificate stays as it was: what is in %s cannot be used: %s", self._names(), why)
            return
        self._try_again_s = None
        _log.warning("the certificate has changed: new connections get the one of now")

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # a key under a passphrase is a mistake: nobody is there to type it
        context.load_cert_chain(self._certfile, self._keyfile, password=lambda: b"")
        if self._client_ca_file is not None:
            context.load_verify_locations(self._client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        context.sslsocket_class = TlsClient  # it makes nobody wait who writes to it
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _look(self) -> tuple[Look | None, ...]:
        return tuple(None if path is None else look_at(path) for path in self._files)

    def _names(self) -> str:
        return ", ".join(str(path) for path in self._files if path is not None)

    @property
    def _files(self) -> tuple[Path | None, ...]:
        return self._certfile, self._keyfile, self._client_ca_file
