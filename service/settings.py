"""Settings of the server: the pool's (workers/settings.py) and what concerns HTTP.

Each may stand in the project's `[server]` table, in the environment as `FRAMEMILL_<NAME>`, or on the command line; the
latter wins over the former. All mistakes are reported together, and an unknown key is a mistake.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError

from service.alert_settings import AlertSettings, TextPath
from service.environment import PREFIX, settings_variables, stripped
from workers.errors import SettingsInvalid
from workers.settings import split_names
from workers.text import as_text, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_API_KEY, _WEBHOOK_KEY = "framemill.api_key", "framemill.webhook_key"  # credentials of systemd


def _key(given: object) -> object:
    """Leave out what no key has around it; none at all is a mistake, not a server that is open to everybody."""
    if not isinstance(given, str):
        return given
    if not (key := stripped(given)):
        raise ValueError("a key was expected, and this is empty")
    return key


_Key = Annotated[SecretStr | None, BeforeValidator(_key)]


class Settings(AlertSettings):
    """Everything that can be set."""

    host: Annotated[str, Field(description="address to listen on; 0.0.0.0 for all")] = (
        "127.0.0.1"  # nobody outside is served before somebody decides so
    )
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 for any free one")] = 8000
    api_key_file: Annotated[TextPath, Field(description="file whose first line is the API key")] = None
    api_key: Annotated[_Key, Field(description="the API key itself; a file is safer")] = None
    keys_file: Annotated[TextPath, Field(description="file with a key for each client, see framemill keys")] = None
    stop_key: Annotated[_Key, Field(description="key that /stop asks for; none switches /stop off")] = None
    stop_from_anywhere: Annotated[bool, Field(description="/stop may come from other machines too")] = (
        False  # the vendor's SDK stops servers that it started itself, on its own machine
    )
    allowed_hosts: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(split_names, json_schema_input_type=tuple[str, ...] | str),
        Field(description="names that requests may have in Host, * for any; addresses and localhost always may"),
    ] = None  # cross_site.py says what is allowed then
    state_dir: Annotated[TextPath, Field(description="where the Process switch and kept frames live")] = None
    shared_memory: Annotated[bool, Field(description="accept frames in shared memory from this host")] = True
    body_ms: Annotated[int, Field(ge=100, le=600_000, description="time for a body to arrive")] = (
        10_000  # a 24 MiB frame at 20 Mbit/s
    )
    send_ms: Annotated[int, Field(ge=100, le=600_000, description="time for a client to take its answer")] = 10_000
    max_held_mib: Annotated[
        int, Field(ge=16, le=1 << 20, description="memory of a front for what clients leave with it, in MiB")
    ] = 256  # ten of the largest bodies that come slowly; see service/wire/holdings.py
    log_requests: Annotated[
        Literal["none", "errors", "all"], Field(description="which requests have a line on standard output")
    ] = "none"
    log_format: Annotated[Literal["text", "json"], Field(description="how such a line is written")] = "text"
    keepalive_s: Annotated[int, Field(ge=0, le=3600, description="how long an idle connection stays open")] = (
        75  # cameras pause between parts
    )
    certfile: Annotated[TextPath, Field(description="TLS certificate, PEM")] = None
    keyfile: Annotated[TextPath, Field(description="key of the TLS certificate, PEM")] = None
    client_ca_file: Annotated[
        TextPath, Field(description="TLS: only clients with a certificate of this authority, PEM, are answered")
    ] = None
    disable_code: Annotated[bool, Field(description="refuse projects with code modules")] = False

    def read_api_key(self) -> str | None:
        """Return the API key, from its file, from systemd's credentials, or as set; None where there is none.

        Raises:
            SettingsInvalid: the file cannot be read or is empty.
        """
        key = _first_line("api_key_file", self.api_key_file, _API_KEY)
        return self.api_key.get_secret_value() if key is None and self.api_key else key

    def read_webhook_key(self) -> str | None:
        """Return the key that alerts are signed with, from its file or from systemd's credentials.

        Raises:
            SettingsInvalid: the file cannot be read or is empty, or alerts are to be sent and there is none.
        """
        if self.alert_webhook is None:
            return None
        key = _first_line("alert_webhook_key_file", self.alert_webhook_key_file, _WEBHOOK_KEY)
        if key is None:
            raise SettingsInvalid(
                "alert_webhook: what is sent is signed, so a key is needed: alert_webhook_key_file, or the credential "
                f"{_WEBHOOK_KEY}; `openssl rand -base64 32` makes one"
            )
        return key


def _first_line(name: str, path: Path | None, credential: str) -> str | None:
    """Return the secret in the file of a setting, or in systemd's credential; None where there is neither."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    # systemd makes the folder accessible to the service only where it has put something in
    if path is None and credentials and os.access(Path(credentials) / credential, os.F_OK):
        path = Path(credentials) / credential
    if path is None:
        return None
    try:
        key = stripped(as_text(path.read_bytes()).partition("\n")[0])
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{name}: {path} cannot be read: {error}") from None
    if not key:
        raise SettingsInvalid(f"{name}: the first line of {path} is empty, a key was expected")
    return key


def load_settings(server_table: dict[str, Any], command_line: dict[str, Any]) -> Settings:
    """Merge file, environment and command line and validate the result once.

    Raises:
        SettingsInvalid: every mistake on a line of its own, with where it came from.
    """
    environment = settings_variables(Settings.model_fields)
    given = {name: value for name, value in command_line.items() if value is not None}
    try:
        return Settings(**{**server_table, **environment, **given})
    except ValidationError as error:
        mistakes = [mistake for mistake in error.errors() if mistake["type"] not in _FOLLOWS_FROM_OTHERS]
        lines = [_explain(mistake, environment, given) for mistake in mistakes]
        raise SettingsInvalid("\n".join(lines)) from None


# a default that is made from other settings cannot be made where one of them is wrong
_FOLLOWS_FROM_OTHERS = {"default_factory_not_called"}


def _explain(mistake: ErrorDetails, environment: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    name, *within = mistake["loc"] or ("settings",)
    name = str(name)
    where = f"[server] {name}"
    if name in given:
        where = f"--{name.replace('_', '-')}"
    elif name in environment:
        where = name if name.startswith(PREFIX) else PREFIX + name.upper()
    where += "".join(f", {part + 1}" if isinstance(part, int) else f", {part}" for part in within)
    if mistake["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    if mistake["type"] == "value_error":
        return f"{where}: {mistake['ctx']['error']}"
    return f"{where}: {mistake['msg']}" + ("" if name in _SECRETS else f", got {shown(mistake['input'])}")


_SECRETS = {"api_key", "stop_key"}  # what is wrong with them is told, and not what they are
