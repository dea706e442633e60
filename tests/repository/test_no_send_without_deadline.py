"""An audit of the source: nothing waits for who does not read, for each call that sends is one that cannot."""

from __future__ import annotations

import ast
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import gunicorn

from service.wire.unsent import Outgoing, PlainClient, TlsClient
from tests.support.running import CHECKOUT

_SENDS = {"send", "sendall", "sendto", "sendmsg", "sendfile", "send_bytes", "makefile", "wrap_socket", "write_chunk",
          "write_error", "write_nonblock"}  # fmt: skip
_WRITES = {"os", "util"}  # whose `write` may go to a socket; that of a file does not

_OURS = {
    # to clients: all of these write to an Outgoing, which never blocks
    "service/connections/lobby.py: guest.conn.sock.sendall": "an Outgoing",
    "service/threads/malformed.py: util.write": "gunicorn's, calls sendall of an Outgoing",
    "service/wire/gunicorn_response.py: util.write": "gunicorn's, calls sendall of an Outgoing",
    "service/threads/repeat.py: connection.sendall": "an Outgoing",
    "service/connections/outbox.py: connection.unsent.send": "takes what the socket takes; it has a deadline",
    "service/wire/unsent.py: self.sendall": "it is the Outgoing",
    "service/live/stream.py: unsent.send": "takes what the socket takes; it has a deadline",
    "service/connections/handshakes.py: self._certificates.context.wrap_socket": "makes an Outgoing",
    # to a receiver of webhooks, from a process of its own that no frame waits for
    "service/alerts/webhook.py: self._tls.wrap_socket": "its time limit is set before",
    "service/alerts/webhook.py: connection.send": "its time limit is set before each",
    # to others, who are ours
    "workers/pool/to_supervisor.py: os.write": "a word for the supervisor, which reads; its death is an error",
    "workers/pool/to_supervisor.py: ours.send": "64 kB at most into a new socket that does not block",
    "workers/pool/to_supervisor.py: link.send": "the supervisor's, on a socket that does not block",
    "service/server/start.py: os.write": "the plan of the fronts, into a memfd",
    "service/server/takeover.py: self.link.send": "a byte on a socket of its own, that nothing was sent on before",
    "service/server/systemd.py: sender.sendto": "a datagram for systemd, on a socket that does not block",
    "service/results/door.py: link.send": "the supervisor's, on a socket that does not block",
    "service/results/follow.py: link.send": "a follower's first word, in its own process, with a time limit",
    "service/history/before_answer/asking.py: self._link.send": "the recorder's, MSG_DONTWAIT",
    "service/history/before_answer/hearing.py: self._links[front].send": "a front's, MSG_DONTWAIT",
    "service/parts/desk/asking.py: link.send": "MSG_DONTWAIT, and no client's",
    "service/parts/link.py: self._link.send": "MSG_DONTWAIT, and no client's",
    # of the command line: clients themselves, in a process of their own
    "service/cli/__main__.py: os.write": "a line of the command line's own, for whoever interrupted it",
    "service/trial/load_process.py: connection.sendmsg": "`framemill bench`, on sockets that do not block",
}
_GUNICORNS = {
    "http/wsgi.py: sock.send": "100 Continue, to an Outgoing",
    "http/wsgi.py: util.write": "an Outgoing",
    "http/wsgi.py: util.write_chunk": "an Outgoing",
    "http/wsgi.py: self.sock.sendall": "around sendfile, which is off",
    "http/wsgi.py: self.sendfile": "does nothing: it is off",
    "http/wsgi.py: self.sock.sendfile": "it is off",
    "workers/gthread.py: util.write": "to switch to HTTP/2, which is off",
    "workers/gthread.py: os.write": "the main loop's own pipe, which does not block",
    "workers/base.py: os.write": "the main loop's own pipe, which does not block",
    "workers/base.py: util.write_error": "malformed.py has another in its place",
    "util.py: sock.sendall": "an Outgoing",
    "sock.py: ssl_context(conf).wrap_socket": "handshakes.py has done it before",
}


def _calls(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            whose = ast.unparse(node.func.value)
            if node.func.attr in _SENDS or (node.func.attr == "write" and whose in _WRITES):
                yield f"{whose}.{node.func.attr}"


def test_each_call_of_ours_that_sends_is_known_not_to_wait() -> None:
    files = [*(CHECKOUT / "service").rglob("*.py"), CHECKOUT / "workers" / "pool" / "to_supervisor.py"]
    found = {f"{file.relative_to(CHECKOUT)}: {call}" for file in files for call in _calls(file)}
    assert found == _OURS.keys()


def test_each_call_of_gunicorns_on_the_way_of_an_answer_is_known_not_to_wait() -> None:
    folder = Path(gunicorn.__file__).parent
    files = ["http/wsgi.py", "http/body.py", "http/message.py", "http/parser.py", "http/unreader.py",
             "workers/gthread.py", "workers/base.py", "util.py", "sock.py"]  # fmt: skip
    assert {f"{name}: {call}" for name in files for call in _calls(folder / name)} == _GUNICORNS.keys()


def test_what_those_calls_say_to_a_client_never_waits() -> None:
    for kind in (PlainClient, TlsClient):
        assert kind.send is Outgoing.send
        assert kind.sendall is Outgoing.sendall
        assert kind.take not in {Outgoing.take, socket.socket.send, ssl.SSLSocket.send}
