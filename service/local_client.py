"""What an address says of a client, above all whether it is on this machine: for what is handed over in memory, and for
who may stop the server.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

# what proxies add; a client that lies with them only shuts itself out
_PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def address_in(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, None where it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_local(env: Mapping[str, Any]) -> bool:
    """Whether the client itself is on this machine: what a proxy hands on may come from anywhere."""
    if any(name in env for name in _PROXIED):
        return False
    address = address_in(env.get("REMOTE_ADDR", ""))
    if address is None:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
