"""No code path waits on a socket without a deadline: every call that might is listed here, with what bounds it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.running import CHECKOUT

# what receives from a connection, or waits for one, in Python's sockets, in TLS, and in gunicorn's readers of both
RECEIVING = frozenset(
    {"recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "accept", "do_handshake", "unwrap"}
    | {"makefile", "recv_fds", "sock_recv", "get_media"}
)
TAKE = "take"  # what receives the rest of a frame: workers/pool/exchange.py, or its C
# reading by these names is receiving where the object is gunicorn's: its body, its readers, its buffer of a connection
READERS = ("bounded_stream", "stream", "unreader", "reader", "wsgi.input")  # the first that fits names it

# (module, function, call): what keeps it from waiting for as long as a client likes
ALLOWED = {
    ("service.wire.gathering", "receive_into", "recv_into"): "SO_RCVTIMEO, settimeout, or non-blocking",
    ("service.connections.handshakes", "_begin", "recv"): "non-blocking: the lobby's (Guests.stay)",
    ("service.connections.handshakes", "_step", "do_handshake"): "non-blocking: the lobby's",
    ("service.connections.lobby", "_drop_more", "recv_into"): "non-blocking: the lobby's",
    ("service.connections.lobby", "say_goodbye", "unwrap"): "non-blocking: see_off sets it",
    ("service.connections.arrivals", "_take_one", "accept"): "listeners are non-blocking: gunicorn's",
    ("service.threads.next_request", "_receive_some", "recv"): "SO_RCVTIMEO, or settimeout",
    ("service.threads.repeat", "answer_again", "unreader.read"): "only what is buffered: a thread gets whole heads",
    ("service.wire.request_head", "parse", "unreader.read"): "only what is buffered: a thread gets whole heads",
    ("service.wire.plain_body", "_receive_rest", "take"): "SO_RCVTIMEO: exchange.receive_into, or exchange.c",
    ("service.results.door", "_let_in", "accept"): "non-blocking, and no client's",
    ("service.results.door", "_hear", "recv"): "non-blocking, and no client's",
    ("service.results.follow", "_come_in", "recv_fds"): "settimeout, and no client's",
    ("service.results.follow", "_woken", "recv"): "MSG_DONTWAIT, and no client's",
    (
        "service.history.before_answer.asking",
        "_hear",
        "recv",
    ): "a thread that does nothing else, no client's",
    ("service.history.before_answer.hearing", "take", "recv"): "MSG_DONTWAIT, and no client's",
    ("service.parts.desk.before", "has_let_go", "recv"): "MSG_DONTWAIT, and no client's",
    ("service.parts.desk.hearing", "_look", "recvmsg"): "MSG_DONTWAIT, and no client's",
    ("service.parts.desk.hearing", "take_out", "recv"): "MSG_DONTWAIT, and no client's",
    ("service.parts.link", "_hear", "recv"): "MSG_DONTWAIT, and no client's",
    ("service.parts.resource", "_heard", "recv"): "behind a poll that said that there is something, and no client's",
    ("service.alerts.webhook", "_pass_through", "recv"): "its time limit is set before each",
    ("service.alerts.webhook", "_status", "recv"): "its time limit is set before each",
    ("workers.pool.exchange", "receive_into", "recv_into"): "SO_RCVTIMEO: the socket is one that wire.receive_in_steps",
}
# what speaks with others than clients: the command line, which has timeouts of its own, and files that are no sockets
ELSEWHERE = ("service.cli", "service.trial.load_process", "service.trial.load", "service.trial.step")


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in [*sorted((CHECKOUT / "service").rglob("*.py")), CHECKOUT / "workers" / "pool" / "exchange.py"]:
        name = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
        if not name.startswith(ELSEWHERE):
            yield name, ast.parse(path.read_text())


def _functions(tree: ast.AST, within: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Each call with the function that it stands in."""
    for child in ast.iter_child_nodes(tree):
        inside = child.name if isinstance(child, ast.FunctionDef) else within
        if isinstance(child, ast.Call):
            yield inside, child
        yield from _functions(child, inside)


def _received_by(call: ast.Call) -> str | None:
    """What a call receives by, None where it cannot."""
    if isinstance(call.func, ast.Name):
        return call.func.id if call.func.id in {*RECEIVING, TAKE} else None
    if not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr in RECEIVING:
        return call.func.attr
    if call.func.attr in {"read", "readline", "readlines"}:
        owner = ast.unparse(call.func.value)
        reader = next((name for name in READERS if owner.endswith((name, f"{name}']", f'{name}"]'))), None)
        return None if reader is None else f"{reader}.{call.func.attr}"
    return None


def receiving_calls() -> set[tuple[str, str, str]]:
    """All calls in the service that may receive from a client."""
    return {
        (module, function, found)
        for module, tree in _modules()
        for function, call in _functions(tree)
        if isinstance(call, ast.Call) and (found := _received_by(call)) is not None
    }


def test_nothing_receives_from_a_client_without_a_deadline() -> None:
    assert not receiving_calls() - ALLOWED.keys(), "bound them, and say here by what"


def test_what_is_listed_is_still_there() -> None:
    assert not ALLOWED.keys() - receiving_calls()


@pytest.mark.parametrize(
    "line",
    [
        "connection.recv(1)",
        "self._sock.recv_into(buffer)",
        "listener.accept()",
        "conn.sock.do_handshake()",
        "req.bounded_stream.read(10)",
        "env['wsgi.input'].read()",
        "req.stream.read()",
        "take(connection, 1, 2)",
        "conn.parser.unreader.read()",
    ],
)
def test_the_audit_sees_every_way_to_receive(line: str) -> None:
    (call,) = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)]
    assert _received_by(call) is not None
