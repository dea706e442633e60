"""HAProxy and nginx with the files of deploy/, on free ports, and what they say of the requests they passed on."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.children import from_debian
from tests.support.faults import until
from tests.support.running import CHECKOUT

_FILES = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}
_TEMPORARY = "client_body proxy fastcgi uwsgi scgi"
# HAProxy: `line/one 0/0/0/0/0 200 1234 -- POST /path`; nginx: `] 200 1234 0.001 200 POST "/path"`
_LINES = {
    "haproxy": re.compile(r"(?P<server>\S+)/\S+ \S+ (?P<status>-?\d+) \d+ \S\S (?P<method>\S+) (?P<path>\S*)$"),
    "nginx": re.compile(r"\] (?P<status>\d+) \d+ \S+ (?P<server>\S+) (?:.* )?(?P<method>\S+) \"(?P<path>.*)\"$"),
}


@dataclass(slots=True)
class Proxy:
    """A running proxy: its port, and its log so far."""

    name: str
    port: int
    log: list[str] = field(default_factory=list)

    def statuses(self, start: int = 0) -> list[int]:
        """The status of each request in the log, from line `start` on, that is about a frame."""
        found = [_LINES[self.name].search(line.rstrip()) for line in self.log[start:]]
        return [
            int(line["status"]) for line in found if line and "nalyze" in line["path"] and line["method"] != "OPTIONS"
        ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _command(name: str, folder: Path, port: int, origin: int, second: int) -> list[str]:
    text = (CHECKOUT / "deploy" / _FILES[name]).read_text()
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("127.0.0.1:8000", f"127.0.0.1:{origin}")
    if second:
        assert "#server two 127.0.0.1:8001" in text
        text = text.replace("#server two 127.0.0.1:8001", f"server two 127.0.0.1:{second}")
    # of two threads of HAProxy that write a line at once one leaves it out, rather than wait for the other
    text = text.replace("    log stdout format raw local0\n", "    log stdout format raw local0\n    nbthread 1\n")
    # where the package's own folders are may only root write
    places = "".join(f"{what}_temp_path {folder}/{what};" for what in _TEMPORARY.split())
    file = folder / _FILES[name]
    file.write_text(text.replace("http {", f"http {{ {places}"))
    if name == "haproxy":
        return ["haproxy", "-db", "-f", str(file)]
    return ["nginx", "-p", str(folder), "-c", str(file), "-g", f"daemon off; pid {folder}/pid;"]


@contextmanager
def in_front(name: str, folder: Path, origin: int, second: int = 0) -> Iterator[Proxy]:
    """Run the proxy `name` in front of the port `origin`, and of `second`; see from_debian."""
    program = from_debian(name)
    port = _free_port()
    _, *arguments = _command(name, folder, port, origin, second)
    process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    proxy = Proxy(name, port)
    assert process.stdout is not None
    reader = threading.Thread(target=proxy.log.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, "".join(proxy.log)
        yield proxy
    finally:
        process.terminate()
        process.wait(60)
        reader.join()
        process.stdout.close()
