"""Whether the time of a refusal tells how much of a key was right: Welch's t test over HTTP.

    python -m bench.key_timing [--tries 20000]

A server with 16 random keys of clients and one chosen key gets two kinds of wrong keys, in random order, on one
connection: near ones, which differ from a right one in their last character, and far ones, which have nothing in common
with it; both are as long. As in "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, DATE 2017): t beyond
4.5 on either side is a difference, the slowest tries are left out, and the very same classes are first measured against
themselves, to see that the machine is quiet enough to tell.
"""

from __future__ import annotations

import argparse
import math
import random
import secrets
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.access.key_file import Entry, changing
from service.access.keyring import Client, Keyring, Scope, digest_of, new_key
from service.trial.step import trial_server

LIMIT = 4.5
_KEPT = 0.9  # of the tries, the fastest: what is slower was interrupted
_WARM_UP = 500
_CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of two classes of tries: their medians in microseconds, and Welch's t."""

    what: str
    near_us: float
    far_us: float
    t: float

    @property
    def is_told(self) -> bool:
        """Whether the classes can be told apart."""
        return abs(self.t) >= LIMIT

    def line(self) -> str:
        """Return the line to print."""
        return f"{self.what:24} {self.near_us:9.1f} {self.far_us:9.1f} us   t = {self.t:+.2f}"


def welch_t(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t of two samples (B. L. Welch, Biometrika 34, 1947)."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread) if spread else 0.0


def compare(what: str, tries: int, near: Callable[[], float], far: Callable[[], float]) -> Compared:
    """Take `tries` times of each, in random order; `near` and `far` make one try and return its time in seconds."""
    order = [near, far] * tries
    random.SystemRandom().shuffle(order)
    taken: dict[Callable[[], float], list[float]] = {near: [], far: []}
    for one in order:
        taken[one].append(one())
    # one limit for both, or the cut itself would make a difference
    limit = sorted(taken[near] + taken[far])[int(2 * tries * _KEPT) - 1]
    kept = [[time_s for time_s in taken[kind] if time_s <= limit] for kind in (near, far)]
    medians = [statistics.median(times) * 1e6 for times in kept]
    return Compared(what, medians[0], medians[1], welch_t(kept[0], kept[1]))


def refused_s(line: socket.socket, key: str) -> float:
    """Try `key` on a connection; returns how long the answer took."""
    request = f"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n\r\n".encode()
    begun = time.perf_counter()
    line.sendall(request)
    answer = line.recv(65536)
    taken_s = time.perf_counter() - begun
    if not answer.startswith((b"HTTP/1.1 429", b"HTTP/1.1 401")) or not answer.endswith(b"}"):
        raise AssertionError(answer[:100])
    return taken_s


def near_to(key: str) -> str:
    """Return a key that is wrong in its last character only."""
    return key[:-1] + ("A" if key[-1] != "A" else "B")


def far_from(key: str) -> str:
    """Return a key of the same length that differs from the first character on."""
    return "~" + secrets.token_urlsafe(len(key))[: len(key) - 1]


def measure(port: int, keys: dict[str, str], tries: int) -> list[Compared]:
    """Compare wrong keys that are near to those in `keys`, by what they are, with keys that are not."""
    found = []
    with socket.create_connection(("127.0.0.1", port), 60) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for what, key in keys.items():
            near, far = partial(refused_s, line, near_to(key)), partial(refused_s, line, far_from(key))
            for _ in range(_WARM_UP):
                near()
            found.append(compare(f"{what}, itself", tries, near, partial(refused_s, line, near_to(key))))
            found.append(compare(what, tries, near, far))
    return found


def measure_ring(tries: int) -> Compared:
    """The same without a server: how long it takes to look for a key, where a difference of nanoseconds shows."""
    keys = [new_key() for _ in range(_CLIENTS)]
    ring = Keyring(Client(f"client-{n}", Scope.ANALYZE, digest_of(key)) for n, key in enumerate(keys))

    def find_s(key: str) -> float:
        begun = time.perf_counter()
        ring.find(key)
        return time.perf_counter() - begun

    return compare("in the ring", tries, partial(find_s, near_to(keys[0])), partial(find_s, far_from(keys[0])))


def run(tries: int) -> list[Compared]:
    """Start a server with keys and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        project, file = Path(folder) / "project", Path(folder) / "keys.toml"
        project.mkdir()
        (project / "framemill.toml").write_text('[project]\nname = "timing"\n')
        keys = [new_key() for _ in range(_CLIENTS)]
        with changing(file) as entries:
            for number, key in enumerate(keys):
                entries[f"client-{number}"] = Entry(scope="analyze", sha256=digest_of(key).hex())
        chosen = Path(folder) / "chosen"
        chosen.write_text("a-key-that-a-person-chose")
        arguments = ("--keys-file", str(file), "--api-key-file", str(chosen), "--workers", "1", "--fronts", "1")
        with trial_server(project, *arguments) as server:
            wanted = {"first key": keys[0], "last key": keys[-1], "chosen key": chosen.read_text()}
            return [measure_ring(tries), *measure(server.port, wanted, tries)]


def main() -> None:
    """Print a line for each comparison; exit status 1 where one tells something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=20_000, help="of each class")
    found = run(parser.parse_args().tries)
    for one in found:
        print(one.line())
    sys.exit(any(one.is_told for one in found))


if __name__ == "__main__":
    main()
