"""What a client says of its request is taken where it is valid, and nothing else is."""

from __future__ import annotations

import os
import re

import pytest

from service.logs.trace import Said, Trace, said_by

TRACE_ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (f"00-{TRACE_ID}-{PARENT}-01", 1),
        (f"00-{TRACE_ID}-{PARENT}-00", 0),
        (f"00-{TRACE_ID}-{PARENT}-03", 3),
        (f"00-{TRACE_ID}-{PARENT}-fd", 1),  # flags that nobody knows yet do not go on
        (f"cc-{TRACE_ID}-{PARENT}-01", 1),  # a version to come
        (f"cc-{TRACE_ID}-{PARENT}-01-what-the-future-will-be-like", 1),
    ],
)
def test_a_valid_traceparent_goes_on_as_a_child(given: str, flags: int) -> None:
    trace = Trace(said=said_by({"HTTP_TRACEPARENT": given}))
    found = re.fullmatch(rf"00-{TRACE_ID}-([0-9a-f]{{16}})-0{flags}", trace.traceparent)
    assert found
    assert found[1] not in {PARENT, "0" * 16}
    assert ("traceparent", trace.traceparent) in trace.headers


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        f"ff-{TRACE_ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01-more",
        f"00-{TRACE_ID}-{PARENT}-01-",
        f"cc-{TRACE_ID}-{PARENT}-01.more",
        f"00-{TRACE_ID}-{PARENT}-1",
        f"00-{TRACE_ID}-{PARENT}",
        f"00-{TRACE_ID}-{PARENT}-01\n",
        f"00-{TRACE_ID}-{PARENT}-01,00-{TRACE_ID}-{PARENT}-01",
        f"0{TRACE_ID}-{PARENT}-01",
        "\u0660\u0660" + f"-{TRACE_ID}-{PARENT}-01",
    ],
)
def test_what_is_no_traceparent_is_passed_over(given: str) -> None:
    trace = Trace(said=said_by({"HTTP_TRACEPARENT": given, "HTTP_X_REQUEST_ID": "a"}))
    assert (trace.said, trace.traceparent) == (Said("a"), "")
    assert trace.headers == [("X-Request-Id", "a")]


@pytest.mark.parametrize("given", ["4711", "a" * 128, "5b1e-11/x:y=z@host~1+2._", "Root=1-67891233-abcdef"])
def test_an_id_of_the_client_is_taken(given: str) -> None:
    assert Trace(said=said_by({"HTTP_X_REQUEST_ID": given})).request_id == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", 'a"b', "a\nb", "a\n", "a,b", "a\\b", "\xe9", "a;b", "<b>"])
def test_another_one_gets_one_of_our_own_instead(given: str) -> None:
    found = Trace(said=said_by({"HTTP_X_REQUEST_ID": given})).request_id
    assert re.fullmatch(r"[0-9a-f]{24}", found)


def test_ids_of_our_own_are_all_different_in_forks_too() -> None:
    assert len({Trace().request_id for _ in range(1000)}) == 1000
    read_fd, write_fd = os.pipe()
    if not (child := os.fork()):
        os.write(write_fd, Trace().request_id.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write_fd)
    said = os.read(read_fd, 100).decode()
    os.close(read_fd)
    assert said[:16] != Trace().request_id[:16]
