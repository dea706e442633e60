"""Models of another server, asked by KServe v2: tensors in binary, the frame's deadline, and that server's death."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.modules.kserve import models_served
from tests.modules.squares import looked, prepared
from tests.support.projects import inspect
from workers.errors import DeadlineExceeded, ProjectInvalid
from workers.flow.flow import Flow

RED = np.full((20, 30, 3), (0, 0, 204), np.uint8)


FlowOf = Callable[..., Flow]


@pytest.fixture
def flow_of(tmp_path: Path) -> Iterator[FlowOf]:
    """Prepare flows that ask a server, which are stopped at the end."""
    flows: list[Flow] = []

    def make(server: str, options: str = "", model: str = "colours") -> Flow:
        names = 'labels = ["red", "green", "blue"]\nok_labels = ["red"]\n'
        flows.append(prepared(tmp_path, "classifier", f'server = "{server}"\nmodel = "{model}"\n{names}{options}'))
        return flows[-1]

    yield make
    for flow in flows:
        flow.stop()


def message_of(flow: Flow) -> str:
    context = inspect(flow, RED).context
    assert (context["result"], context["error"]) == (False, True)
    (error,) = context["errors"]
    assert error["type"] == "model_failed"
    return str(error["message"])


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_elsewhere_is_asked_as_one_here(flow_of: FlowOf, binary: bool) -> None:
    with models_served() as server:
        server.binary = binary
        flow = flow_of(server.address)
        for _ in range(3):
            context = looked(flow, RED)
        assert context["classes"]["classifier"]["label"] == "red"
        assert context["classes"]["classifier"]["confidence"] == pytest.approx(1 / (1 + 2 * np.exp(-8)), abs=1e-3)
        assert context["result"] is True
        asked = server.asked[-1]
        assert asked["path"] == "/v2/models/colours/infer"
        assert asked["inputs"] == [
            {"name": "images", "shape": [1, 3, 8, 8], "datatype": "FP32", "parameters": {"binary_data_size": 768}}
        ]
        assert asked["parameters"]["binary_data_output"] is True
        # one connection where it was loaded, which forks must not share, and one for all frames
        assert server.connections == 2


def test_a_server_that_takes_no_binary_tensors_is_asked_in_json(flow_of: FlowOf) -> None:
    with models_served() as server:
        server.binary = False
        context = looked(flow_of(server.address, 'tensors = "json"'), RED)
        assert context["classes"]["classifier"]["label"] == "red"
        (given,) = server.asked[-1]["inputs"]
        assert given.keys() == {"name", "shape", "datatype", "data"}
        assert server.asked[-1]["parameters"].keys() == {"timeout"}


def test_the_frames_deadline_is_passed_on_and_ends_the_wait(flow_of: FlowOf) -> None:
    with models_served() as server:
        flow = flow_of(server.address)
        server.goes_on.clear()
        begun_ns = time.monotonic_ns()
        with pytest.raises(DeadlineExceeded, match="was over before the server of classifier"):
            flow.run(RED, data="", deadline_ns=begun_ns + 300_000_000)
        assert time.monotonic_ns() >= begun_ns + 300_000_000
        assert 0 < server.asked[-1]["parameters"]["timeout"] <= 300_000
        server.goes_on.set()
        assert looked(flow, RED)["result"] is True


def test_a_server_that_dies_is_an_error_of_the_frame_until_it_is_back(flow_of: FlowOf) -> None:
    with models_served() as server:
        flow = flow_of(server.address)
        assert looked(flow, RED)["result"] is True
        port = server.server_port
    assert f"the server of classifier, http://127.0.0.1:{port}, cannot be asked: ConnectError" in message_of(flow)
    with models_served(port):
        assert looked(flow, RED)["result"] is True


def test_a_connection_that_it_has_closed_in_between_is_made_again(flow_of: FlowOf) -> None:
    with models_served() as server:
        flow = flow_of(server.address)
        looked(flow, RED)
        port = server.server_port
    with models_served(port) as server:
        assert looked(flow, RED)["result"] is True
        assert server.connections == 1


def test_a_server_that_is_not_there_yet_is_asked_at_the_next_frame(
    flow_of: FlowOf, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with caplog.at_level(logging.WARNING):
        flow = flow_of(f"http://127.0.0.1:{port}")
    assert "it is asked again at the next frame" in caplog.text
    assert "cannot be asked" in message_of(flow)
    with models_served(port):
        assert looked(flow, RED)["result"] is True


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"refuses": "out of memory"}, 'tensors = "json" is for one that takes no binary ones'),
        ({"says": b"no json"}, "gave an answer that is no JSON"),
        ({"says": b"{}"}, "gave an answer that cannot be read: KeyError"),
        ({"says": b'{"outputs": [{"name": "logits", "datatype": "FP32", "shape": [1, 3]}]}'}, "cannot be read"),
        ({"says": b'{"outputs": [{"name": "l", "datatype": "FP32", "shape": [1, 3], "data": [1, 2]}]}'}, "be read"),
        ({"says": b'{"outputs": [{"name": "l", "datatype": "FP32", "shape": [1], "data": [1]}]}'}, "expected logits"),
    ],
)
def test_answers_that_cannot_be_used_are_errors_of_the_frame(
    flow_of: FlowOf, says: dict[str, Any], message: str
) -> None:
    with models_served() as server:
        server.binary = False
        flow = flow_of(server.address)
        for key, value in says.items():
            setattr(server, key, value)
        assert message in message_of(flow)
        server.refuses, server.says = "", None
        assert looked(flow, RED)["result"] is True


def test_a_model_that_does_not_fit_is_a_mistake_where_it_is_loaded(flow_of: FlowOf) -> None:
    with models_served() as server:
        with pytest.raises(ProjectInvalid, match=r"size_px: is \[9, 9\], but model: colours takes images"):
            flow_of(server.address, "size_px = [9, 9]")
        flow = flow_of(server.address, model="colors")
        assert "answered 404" in message_of(flow)


def test_forks_have_connections_of_their_own(flow_of: FlowOf) -> None:
    with models_served() as server:
        flow = flow_of(server.address)
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if _is_right(flow) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert server.connections == 3


def _is_right(flow: Flow) -> bool:
    return bool(inspect(flow, RED).context["result"])
