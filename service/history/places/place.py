"""Where the history is: a file of SQLite, or a database of PostgreSQL, named by its URL.

Such a URL may hold a password. It is told in no log, error or command line: what is shown of it has no password in it.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from service.environment import stripped
from workers.errors import SettingsInvalid
from workers.text import as_text

if TYPE_CHECKING:
    from service.history_settings import HistorySettings

CREDENTIAL = "framemill.history_url"
NO_DRIVER = "PostgreSQL needs a driver that is not installed: pip install 'framemill[postgres]'"
_HIDDEN = "***"
_LONGEST = 4096
_URL = re.compile(
    r"postgres(ql)?://"
    r"([^\s:@/?#\[\]]*(:[^\s:@/?#\[\]]*)?@)?"  # a user, a password
    r"[^\s@/?#]*"  # hosts and ports; none: a socket of this machine
    r"(/[^\s@/?#]*)?"  # the database
    r"(\?[^\s#]*)?"
)
_WRONG_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_EXPECTED = "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, what is no letter or digit in a password as %40"


class PostgresUrl:
    """A database of PostgreSQL. Only `secret` has the password."""

    __slots__ = ("secret",)

    def __init__(self, text: str) -> None:
        """Take a URL; raises ValueError, which quotes nothing of it, where it is none."""
        if len(text) > _LONGEST or not _URL.fullmatch(text) or _WRONG_PERCENT.search(text):
            raise ValueError(f"this is no URL of PostgreSQL; {_EXPECTED}")
        self.secret = text

    def __repr__(self) -> str:
        """Without its password."""
        return f"<PostgreSQL at {self}>"

    def __str__(self) -> str:
        """Without its password."""
        return self.redacted(self.secret)

    def redacted(self, text: str) -> str:
        """Return what somebody said about this database without its password."""
        for secret in self._secrets():
            text = text.replace(secret, _HIDDEN)
        return text

    def _secrets(self) -> list[str]:
        """The password as it stands in the URL, and as it is meant; the longest first."""
        parts = urlsplit(self.secret)
        userinfo, at, _ = parts.netloc.rpartition("@")
        raw = [userinfo.partition(":")[2]] if at else []
        raw += [pair.partition("=")[2] for pair in parts.query.split("&") if "password" in pair.partition("=")[0]]
        meant = [unquote(one) for one in raw] + [value for key, value in parse_qsl(parts.query) if "password" in key]
        return sorted({one for one in (*raw, *meant) if one}, key=len, reverse=True)


Place: TypeAlias = Path | PostgresUrl


def sqlite_in(folder: Path) -> Path:
    """Return where the database of a server lies, by its state folder."""
    return folder / "history" / "history.sqlite"


def place_in(folder: Path, url: str | None) -> Place:
    """Return the place by a server's state folder and its URL, None where it is a file."""
    return sqlite_in(folder) if url is None else PostgresUrl(url)


def read_url(settings: HistorySettings) -> str | None:
    """Return the URL that the settings or systemd's credentials name; None where the history is a file.

    Raises:
        SettingsInvalid: it cannot be read, is no URL of PostgreSQL, or there is no driver for it.
    """
    path = settings.history_url_file
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if path is None and credentials and os.access(Path(credentials) / CREDENTIAL, os.F_OK):
        path = Path(credentials) / CREDENTIAL
    if path is None:
        return None
    try:
        text = stripped(as_text(path.read_bytes()).partition("\n")[0])
        url = PostgresUrl(text).secret
    except OSError as error:
        raise SettingsInvalid(f"history_url_file: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        told = f"it is not UTF-8; {_EXPECTED}" if isinstance(error, UnicodeDecodeError) else error
        raise SettingsInvalid(f"history_url_file: the first line of {path}: {told}") from None
    if find_spec("psycopg") is None:
        raise SettingsInvalid(f"history_url_file: {NO_DRIVER}")
    return url
