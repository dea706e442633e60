"""The least that a server with worker processes can cost in Python: what every frame needs, and nothing else.

    python -m bench.smallest_server WORKERS

A thread for each connection finds the length of a body in its head, receives the frame into shared memory, sends 16
bytes down a pipe and waits for an eventfd; a worker reads them, does the job of the peers (peers/job.py) on the frame
where it lies and leaves its JSON behind it. There is no framework, no parser, no limit, no deadline and no check, and
the death of a worker would end it all. It prints the port it listens on.
"""

from __future__ import annotations

import importlib
import itertools
import mmap
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from workers.this_process import die_with_parent

_PEERS = Path(__file__).parent / "peers"
_SLOTS = 8
_SLOT_BYTES = 8 << 20
_REPLY_BYTES = 4096
_HEAD_BYTES = 8192
_JOB = struct.Struct("QQ")
_LENGTH = struct.Struct("Q")
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class _Pool:
    """Slots of shared memory, a pipe for jobs, and an eventfd for each slot."""

    def __init__(self) -> None:
        memory_fd = os.memfd_create("framemill-smallest-server")
        os.ftruncate(memory_fd, _SLOTS * _SLOT_BYTES)
        memory = memoryview(mmap.mmap(memory_fd, _SLOTS * _SLOT_BYTES))
        self.slots = [memory[start : start + _SLOT_BYTES] for start in range(0, len(memory), _SLOT_BYTES)]
        self.replies = [slot[-_REPLY_BYTES:] for slot in self.slots]
        self.jobs_read, self.jobs_write = os.pipe()
        self.done_fds = [os.eventfd(0, 0) for _ in range(_SLOTS)]

    def work(self, inspect: Callable[[memoryview], bytes]) -> None:
        """Answer job after job."""
        while job := os.read(self.jobs_read, _JOB.size):
            slot, length = _JOB.unpack(job)
            said = inspect(self.slots[slot][:length])
            reply = self.replies[slot]
            _LENGTH.pack_into(reply, 0, len(said))
            reply[_LENGTH.size : _LENGTH.size + len(said)] = said
            os.eventfd_write(self.done_fds[slot], 1)

    def serve(self, connection: socket.socket, slot: int) -> None:
        """Answer the requests of a connection, one after the other."""
        frame, reply, done_fd = self.slots[slot], self.replies[slot], self.done_fds[slot]
        while received := connection.recv(_HEAD_BYTES):
            head, _, rest = received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            frame[: len(rest)] = rest
            connection.recv_into(frame[len(rest) : length], 0, socket.MSG_WAITALL)
            os.write(self.jobs_write, _JOB.pack(slot, length))
            os.eventfd_read(done_fd)
            (said_bytes,) = _LENGTH.unpack_from(reply)
            connection.send(_ANSWER % (said_bytes, reply[_LENGTH.size : _LENGTH.size + said_bytes]))


def main(workers: int) -> None:
    """Fork the workers, then serve until killed."""
    sys.path.insert(0, str(_PEERS))
    job = importlib.import_module("job")
    pool = _Pool()
    parent = os.getpid()
    for _ in range(workers):
        if os.fork() == 0:
            die_with_parent(parent)
            pool.work(job.inspect)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(listener.getsockname()[1], flush=True)
        for slot in itertools.cycle(range(_SLOTS)):
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=pool.serve, args=(connection, slot), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
