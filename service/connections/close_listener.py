"""Closing a listening socket without resetting anybody.

A connection whose handshake is done waits in the kernel until it is accepted, and is reset when the listener closes;
between the last accept and the closing there is always room for one. So new handshakes are stopped first, by a packet
filter on the listener: who knocks then gets no answer, knocks again after a second (RFC 6298), and finds the port
closed or the next server behind it. What is on its way is accepted meanwhile.

Where the kernel keeps filters on TCP sockets for CAP_NET_ADMIN, the listener demands packets that have passed no router
and count from 255 instead (IP_MINTTL, RFC 5082), which none does: hosts begin with 64 or 128. Connections inherit that
from the listener at the end of their handshake, so who is accepted then must be let in.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import struct

_log = logging.getLogger(__name__)

_SO_ATTACH_FILTER = 26
_LEAST_HOPS = ((socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73))  # IP_MINTTL, IPV6_MINHOPCOUNT
_SYN, _SYN_OR_ACK = 0x02, 0x12
# classic BPF over the TCP header (Linux, Documentation/networking/filter.rst): load byte 13, the flags; mask; a SYN
# alone is dropped, all else passes
_NO_NEW_HANDSHAKE = b"".join(
    struct.pack("HBBI", code, if_true, if_false, value)
    for code, if_true, if_false, value in (
        (0x30, 0, 0, 13),
        (0x54, 0, 0, _SYN_OR_ACK),
        (0x15, 0, 1, _SYN),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)


def stop_handshakes(listener: socket.socket) -> None:
    """Let no new connection begin; those that have begun can still be accepted."""
    program = ctypes.create_string_buffer(_NO_NEW_HANDSHAKE, len(_NO_NEW_HANDSHAKE))
    try:
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HP", len(_NO_NEW_HANDSHAKE) // 8, ctypes.addressof(program)),
        )
    except PermissionError:
        if not _demand_hops(listener, 255):
            _log.warning("connections that begin while the server ends may be reset")
    except OSError as error:
        _log.warning("connections that begin while the server ends may be reset: %s", error)


def let_in(connection: socket.socket) -> None:
    """Hear what a connection says that was accepted after `stop_handshakes`."""
    _demand_hops(connection, 0)


def _demand_hops(sock: socket.socket, hops: int) -> bool:
    """For both kinds of addresses, since a socket may have both; returns whether there was one."""
    done = 0
    for level, option in _LEAST_HOPS:
        try:
            sock.setsockopt(level, option, hops)
        except OSError:
            continue
        done += 1
    return done > 0


def shut(connection: socket.socket) -> None:
    """End a socket for everybody who has it, whoever waits in it."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("a socket had ended already: %s", error)
