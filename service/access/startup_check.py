"""Keys and certificates, checked before anything is started: all their mistakes are told together."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from service.access.key_file import clients, read_text
from workers.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service.settings import Settings


def check_entrance(settings: Settings) -> str | None:
    """Return the one API key, None where there is none; raises SettingsInvalid with every mistake on a line."""
    mistakes: list[str] = []
    api_key = _tell(settings.read_api_key, mistakes)
    if settings.keys_file is not None:
        _tell(lambda: _check_keys(settings), mistakes)
    _tell(lambda: _check_certificates(settings), mistakes)
    _tell(settings.read_webhook_key, mistakes)
    if (authority := settings.alert_webhook_ca_file) is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _tell(
            lambda: _load("alert_webhook_ca_file", authority, lambda: context.load_verify_locations(authority)),
            mistakes,
        )
    if mistakes:
        raise SettingsInvalid("\n".join(mistakes))
    return api_key


def _tell(check: Callable[[], str | None], mistakes: list[str]) -> str | None:
    try:
        return check()
    except SettingsInvalid as error:
        mistakes.append(error.message)
        return None


def _check_keys(settings: Settings) -> None:
    assert settings.keys_file is not None
    if not clients(read_text(settings.keys_file)):
        raise SettingsInvalid(f"keys_file: no key is in {settings.keys_file}; framemill keys add NAME --scope analyze")


def _check_certificates(settings: Settings) -> None:
    given = {name: getattr(settings, name) for name in ("certfile", "keyfile", "client_ca_file")}
    if not any(given.values()):
        return
    if settings.certfile is None:
        raise SettingsInvalid("certfile: it is missing; keyfile and client_ca_file are for TLS, which needs it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mistakes: list[str] = []
    _tell(lambda: _load("certfile, keyfile", settings.certfile, lambda: _load_chain(context, settings)), mistakes)
    authority = settings.client_ca_file
    if authority is not None:
        _tell(lambda: _load("client_ca_file", authority, lambda: context.load_verify_locations(authority)), mistakes)
    if mistakes:
        raise SettingsInvalid("\n".join(mistakes))


def _load_chain(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.certfile is not None
    asked: list[bool] = []

    def passphrase() -> bytes:
        asked.append(True)
        return b""

    try:
        context.load_cert_chain(settings.certfile, settings.keyfile, password=passphrase)
    except ssl.SSLError:
        if not asked:
            raise
        name, path = ("keyfile", settings.keyfile) if settings.keyfile else ("certfile", settings.certfile)
        raise SettingsInvalid(
            f"{name}: the key in {path} is encrypted, and nobody is there to type its passphrase; "
            f"store it without one: openssl pkey -in {path}"
        ) from None


def _load(name: str, path: Path | None, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise SettingsInvalid(f"{name}: what is in {path} is not what TLS needs: {error.reason or error}") from None
    except OSError as error:
        raise SettingsInvalid(f"{name}: {path} or what belongs to it cannot be read: {error.strerror}") from None
