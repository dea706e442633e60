"""What the environment of a server means to it: settings, names that others set, and what its fronts are told of it.

Kubernetes gives every container the addresses of the services beside it, and Docker those of linked containers. Of a
service called `framemill` they look like settings of ours: FRAMEMILL_PORT=tcp://10.0.0.1:8000, FRAMEMILL_SERVICE_HOST.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping

_log = logging.getLogger(__name__)

PREFIX = "FRAMEMILL_"
# how the command line, the vendor's starter and user code are told where things are: not settings
_INTERNAL = frozenset({"FRAMEMILL_URL", "FRAMEMILL_PYTHON", "FRAMEMILL_DATA", "FRAMEMILL_WORKER", "FRAMEMILL_PROOF"})

_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
# of services called framemill, or framemill and a dash and something
_OF_A_SERVICE = re.compile(
    r"FRAMEMILL_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_PORT_OF_A_SERVICE = re.compile(r"FRAMEMILL_(\w+_)?PORT")
_OF_A_LINK = re.compile(r"FRAMEMILL_(NAME|ENV_\w+)")

# fronts run no code of a project: they are told the language and time of the machine, and what the loader, libc and
# OpenSSL are told. gunicorn would take SCRIPT_NAME, FORWARDED_ALLOW_IPS, GUNICORN_PID and others for meant for it
_FOR_FRONTS = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"})
_FOR_FRONTS_BEGIN = ("LC_", "LD_", "GLIBC_", "MALLOC_", "OPENSSL_")

# what some editor or shell leaves around a value; nothing that we read begins or ends with it
_AROUND = "\ufeff \t\r\n\f\v\0"


def stripped(text: str) -> str:
    """Return `text` without blanks, ends of lines and a mark of its encoding around it."""
    return text.strip(_AROUND)


def settings_variables(known: Collection[str]) -> dict[str, str]:
    """Return the settings in the environment: those `known` by their names, all others as they stand there.

    Names that Kubernetes or Docker set for a service called `framemill` are passed by, with a line in the log.
    """
    found = {name: stripped(value) for name, value in os.environ.items() if name.startswith(PREFIX)}
    passed_by = _of_others(found)
    if passed_by:
        _log.info("of a service called framemill, and no settings: %s", ", ".join(sorted(passed_by)))
    names = {PREFIX + name.upper(): name for name in known}
    return {
        names.get(variable, variable): value
        for variable, value in found.items()
        if variable not in passed_by and variable not in _INTERNAL
    }


def _of_others(variables: Mapping[str, str]) -> set[str]:
    ports = {name for name in variables if _PORT_OF_A_SERVICE.fullmatch(name) and _ADDRESS.match(variables[name])}
    services = {name for name in variables if _OF_A_SERVICE.fullmatch(name)}
    links = {name for name in variables if _OF_A_LINK.fullmatch(name)} if f"{PREFIX}PORT" in ports else set()
    return ports | services | links


def for_fronts() -> dict[str, str]:
    """Return the environment of the fronts."""
    return {name: value for name, value in os.environ.items() if _is_for_fronts(name)}


def _is_for_fronts(name: str) -> bool:
    return name in _FOR_FRONTS or name.startswith(_FOR_FRONTS_BEGIN)
