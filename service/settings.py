"""Settings of the server: the pool's (workers/settings.py) and what concerns HTTP.

Each may stand in the project's `[server]` table, in the environment as `FRAMEMILL_<NAME>`, or on the command line; the
latter wins over the former. All mistakes are reported together, and an unknown key is a mistake.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from workers.errors import SettingsInvalid
from workers.settings import PoolSettings, split_names

_PREFIX = "FRAMEMILL_"
_NOT_CHOSEN = "default_factory_not_called"  # a default that depends on a setting with a mistake of its own
_CREDENTIAL = "framemill.api_key"


class Settings(PoolSettings, BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=_PREFIX)

    host: Annotated[str, Field(description="address to listen on; 0.0.0.0 for all")] = (
        "127.0.0.1"  # nobody outside is served before somebody decides so
    )
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 for any free one")] = 8000
    api_key_file: Annotated[Path | None, Field(description="file whose first line is the API key")] = None
    api_key: Annotated[SecretStr | None, Field(description="the API key itself; a file is safer")] = None
    keys_file: Annotated[Path | None, Field(description="file with a key for each client, see framemill keys")] = None
    stop_key: Annotated[SecretStr | None, Field(description="key that /stop asks for; none switches /stop off")] = None
    stop_from_anywhere: Annotated[bool, Field(description="/stop may come from other machines too")] = (
        False  # the vendor's SDK stops servers that it started itself, on its own machine
    )
    allowed_hosts: Annotated[
        tuple[str, ...] | None,
        NoDecode,
        BeforeValidator(split_names),
        Field(description="names that requests may have in Host, * for any; addresses and localhost always may"),
    ] = None  # sites.py says what is allowed then
    state_dir: Annotated[Path | None, Field(description="where the Process switch and kept frames live")] = None
    shared_memory: Annotated[bool, Field(description="accept frames in shared memory from this host")] = True
    body_ms: Annotated[int, Field(ge=100, le=600_000, description="time for a body to arrive")] = (
        10_000  # a 24 MiB frame at 20 Mbit/s
    )
    send_ms: Annotated[int, Field(ge=100, le=600_000, description="time for a client to take its answer")] = 10_000
    keepalive_s: Annotated[int, Field(ge=0, le=3600, description="how long an idle connection stays open")] = (
        75  # cameras pause between parts
    )
    certfile: Annotated[Path | None, Field(description="TLS certificate, PEM")] = None
    keyfile: Annotated[Path | None, Field(description="key of the TLS certificate, PEM")] = None
    client_ca_file: Annotated[
        Path | None, Field(description="TLS: only clients with a certificate of this authority, PEM, are answered")
    ] = None
    disable_code: Annotated[bool, Field(description="refuse projects with code modules")] = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the order of sources to `load_settings`, which hands in one merged set."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def read_api_key(self) -> str | None:
        """Return the API key, from its file, from systemd's credentials, or as set; None where there is none.

        Raises:
            SettingsInvalid: the file cannot be read or is empty.
        """
        path = self.api_key_file
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        # systemd makes the folder accessible to the service only where it has put something in
        if path is None and credentials and os.access(Path(credentials) / _CREDENTIAL, os.F_OK):
            path = Path(credentials) / _CREDENTIAL
        if path is None:
            return self.api_key.get_secret_value() if self.api_key else None
        try:
            key = path.read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsInvalid(f"api_key_file: {path} cannot be read: {error}") from None
        if not key:
            raise SettingsInvalid(f"api_key_file: the first line of {path} is empty, a key was expected")
        return key


def _environment() -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    values = {name: value for name, value in source().items() if name in Settings.model_fields}
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(_PREFIX) and variable not in known | _INTERNAL:
            values[variable] = os.environ[variable]
    return values


# how the supervisor and the command line tell our own processes where things are: not settings
_INTERNAL = {"FRAMEMILL_URL", "FRAMEMILL_PYTHON"}


def load_settings(server_table: dict[str, Any], command_line: dict[str, Any]) -> Settings:
    """Merge file, environment and command line and validate the result once.

    Raises:
        SettingsInvalid: every mistake on a line of its own, with where it came from.
    """
    environment = _environment()
    given = {name: value for name, value in command_line.items() if value is not None}
    merged = {**server_table, **environment, **given}
    try:
        return Settings(**merged)
    except ValidationError as error:
        mistakes = [dict(mistake) for mistake in error.errors() if mistake["type"] != _NOT_CHOSEN]
        lines = [_explain(mistake, environment, given) for mistake in mistakes]
        raise SettingsInvalid("\n".join(lines)) from None


def _explain(mistake: dict[str, Any], environment: dict[str, Any], given: dict[str, Any]) -> str:
    name = str(mistake["loc"][0]) if mistake["loc"] else "settings"
    where = f"[server] {name}"
    if name in given:
        where = f"--{name.replace('_', '-')}"
    elif name in environment:
        where = name if name.startswith(_PREFIX) else _PREFIX + name.upper()
    if mistake["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    return f"{where}: {mistake['msg']}, got {mistake['input']!r}"
