"""What the fronts of a server cost: memory of their own, processor time, sockets."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from tests.support.faults import children_of, command_of
from tests.support.running import Server

# numbers of sendto and sendmsg (<asm/unistd.h>)
_SENDING = {"x86_64": {"44", "46"}, "aarch64": {"206", "211"}}.get(platform.machine(), set())


def _fronts(server: Server) -> list[int]:
    children = [pid for child in children_of(server.process.pid) for pid in children_of(child)]
    return [
        pid for pid in children if "service.server.front" in command_of(pid) or "framemill-front" in command_of(pid)
    ]


def front_bytes(server: Server) -> int:
    """The memory of the fronts' own, without the frame memory, which they share."""
    rows = [row for pid in _fronts(server) for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith(("Anonymous:", "Swap:")))


def front_cpu_s(server: Server) -> float:
    """The processor time that the fronts have taken so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in _fronts(server)]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def front_sockets(server: Server) -> int:
    """How many sockets the fronts have open."""
    links = [link for pid in _fronts(server) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(link.is_symlink() and str(link.readlink()).startswith("socket:") for link in links)


def blocked_in_send(server: Server) -> int:
    """How many threads of the fronts are in a call that sends; none where the kernel does not say."""
    calls = []
    for pid in _fronts(server):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                calls.append((task / "syscall").read_text().split()[0])
    return sum(call in _SENDING for call in calls)
