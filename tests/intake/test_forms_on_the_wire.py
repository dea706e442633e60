"""Forms to a running server: their fields count as in the query, however they come."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clients.raw_http import Connection
from tests.intake.forms_with_frames import PLACES, ask, frame_form, placed
from tests.support.forms import BOUNDARY, FILE, chunked, fields, named, part, request, whole
from tests.support.pictures import decoded, png, segment
from tests.support.running import Server


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", [request, chunked])
def test_data_in_a_field_reaches_the_flow(server: Server, scene: NDArray[np.uint8], place: str, form: Any) -> None:
    for data in ("board-7", "Řeřicha 零件 🙂", "", "x" * 3000):
        context = ask(server, form(placed(scene, place, data=data))).json()
        assert context["seen"] == {"data": data, "shape": [48, 64, 3], "sum": int(scene.sum())}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["image", "annotated_image", "heatmap"])
def test_a_field_asks_for_a_picture(server: Server, scene: NDArray[np.uint8], place: str, kind: str) -> None:
    answer = ask(server, request(placed(scene, place, response_type=kind, data="d")))
    assert b"Content-Type: image/png" in answer.head
    encoded = answer.head.partition(b"ContextBase64utf: ")[2].partition(b"\r\n")[0]
    assert json.loads(base64.b64decode(encoded))["seen"]["data"] == "d"
    in_body = ask(server, request(placed(scene, place, response_type=kind, context_in_body="true", data="d")))
    length = int(in_body.head.partition(b"ImageLen: ")[2].partition(b"\r\n")[0])
    assert in_body.body[:length] == answer.body
    assert json.loads(in_body.body[length:])["seen"]["data"] == "d"
    assert decoded(answer.body).shape == scene.shape


@pytest.mark.parametrize("place", PLACES)
def test_raw_pixels_are_described_by_fields(server: Server, place: str) -> None:
    mosaic = np.zeros((48, 64), np.uint8)
    mosaic[0::2, 0::2] = 200
    for more in ({"bayer": ""}, {"bayer": "1"}, {"pixel_format": "BayerRG8"}):
        values = fields(width="64", height="48", **more)
        frame = part([named("array")], mosaic.tobytes())
        body = whole(*values, frame) if place == "before" else whole(frame, *values)
        for path in ("/analyze_raw_image", "/analyze_raw_Image"):
            assert ask(server, request(body, path=path)).json()["mark"] == [0, 0, 200]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("response_type", "video", "annotated_image"), ("context_in_body", "maybe", "context_in_body=true"),
     ("deadline_ms", "0", "1 to 9999999"), ("deadline_ms", "5s", "1 to 9999999"), ("data", "\udcff", "not UTF-8"),
     ("Data", "x", "expected data"), ("response_type[]", "image", "expected response_type")],
)  # fmt: skip
@pytest.mark.parametrize("place", PLACES)
def test_fields_are_read_as_strictly_as_the_query(
    server: Server, scene: NDArray[np.uint8], place: str, name: str, value: str, said: str
) -> None:
    field = part([named(name)], value.encode("utf-8", "surrogateescape"))
    answer = ask(server, request(frame_form(scene, field) if place == "before" else frame_form(scene, behind=[field])))
    assert (answer.status, answer.json()["code"]) == (400, "invalid_parameter")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("name", ["data", "response_type", "context_in_body", "deadline_ms", "width", "api_key"])
def test_what_stands_in_query_and_form_is_refused(server: Server, scene: NDArray[np.uint8], name: str) -> None:
    value = {"response_type": "image", "deadline_ms": "5000", "context_in_body": "1"}.get(name, "7")
    sent = request(placed(scene, "behind", **{name: value}), path=f"/analyze_image?{name}={value}")
    answer = ask(server, sent)
    assert answer.status == 400
    assert f"{name} is given in the query and in the form" in answer.json()["detail"]


def test_a_segment_is_described_by_fields_too(server: Server, scene: NDArray[np.uint8]) -> None:
    with segment(scene.tobytes()) as name:
        body = whole(*fields(name=name, width="64", height="48", data="shared"))
        answer = ask(server, request(body, path="/analyze_image_shared_memory"))
    assert answer.json()["seen"]["data"] == "shared"
    assert answer.json()["seen"]["sum"] == int(scene.sum())


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [("", 400, "incomplete_body"), ("Content-Length: 0\r\n", 400, "incomplete_body"),
     ("Transfer-Encoding: chunked\r\n", 400, "incomplete_body"),
     ("Content-Length: 99999999\r\n", 413, "frame_too_large"),
     ("Content-Encoding: gzip\r\nContent-Length: 9999\r\n", 415, "body_unsupported")],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_form_that_is_not_there_or_too_large_is_a_clear_error(
    server: Server, method: str, head: str, status: int, code: str
) -> None:
    start = f"{method} /analyze_image HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    rest = "0\r\n\r\n" if "chunked" in head else ""
    answer = ask(server, f"{start}{head}\r\n{rest}".encode())
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_chunks_of_a_form_without_end_are_refused(server: Server) -> None:
    body = b"--" + BOUNDARY.encode() + b"\r\n" + part([FILE], bytes(26 << 20))
    answer = ask(server, chunked(body, size=1 << 20))
    assert (answer.status, answer.json()["code"]) == (413, "frame_too_large")


def test_a_frame_larger_than_a_slot_is_refused_where_the_form_as_a_whole_is_not(server: Server) -> None:
    answer = ask(server, request(whole(part([FILE], bytes((24 << 20) + 1)))))
    assert (answer.status, answer.json()["code"]) == (413, "frame_too_large")
    largest = ask(server, request(whole(part([FILE], bytes(24 << 20)))))
    assert largest.status == 415  # it was looked at, and is no image


@pytest.mark.parametrize("kind", ["Multipart/Form-Data; Boundary=", "multipart/form-data;boundary=",
                                  "MULTIPART/FORM-DATA ; charset=UTF-8; boundary="])  # fmt: skip
def test_media_types_are_in_any_case(server: Server, scene: NDArray[np.uint8], kind: str) -> None:
    answer = ask(server, request(frame_form(scene), kind=kind + BOUNDARY))
    assert answer.json()["seen"]["sum"] == int(scene.sum())


@pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/related", "multipart/form-data-2", "Multipart/x"])
def test_parts_of_another_kind_are_never_taken_for_pixels(server: Server, kind: str) -> None:
    sent = request(b"abcd", path="/analyze_raw_image?width=4&height=1", kind=f"{kind}; boundary={BOUNDARY}")
    answer = ask(server, sent)
    assert (answer.status, answer.json()["code"]) == (415, "body_unsupported")


def test_dot_net_and_old_versions_and_slow_senders_are_understood(server: Server, scene: NDArray[np.uint8]) -> None:
    kind = "Content-Type: text/plain; charset=utf-8"
    net = whole(
        part([kind, "Content-Disposition: form-data; name=data"], b"net"),
        part(["Content-Disposition: form-data; name=file; filename=a.png; filename*=utf-8''a.png"], png(scene)),
    )
    old = request(net).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    for sent in (
        request(net),
        old,
        request(net, "Expect: 100-continue"),
        chunked(net, size=7),
        chunked(net, size=9999),
    ):
        assert ask(server, sent).json()["seen"] == {"data": "net", "shape": [48, 64, 3], "sum": int(scene.sum())}
    with Connection(server.port) as slow:
        for start in range(0, len(sent := request(net)), 400):
            slow.send(sent[start : start + 400])
        answer = slow.answer()
        assert answer is not None
        assert answer.json()["seen"]["data"] == "net"


def test_a_form_with_a_mistake_ends_no_connection(server: Server, scene: NDArray[np.uint8]) -> None:
    wrong = [request(b"x"), request(whole(part([named("image")], png(scene)))), chunked(frame_form(scene)[:-9]),
             request(frame_form(scene), path="/analyze_raw_image")]  # fmt: skip
    with Connection(server.port) as client:
        for sent in wrong * 3:
            client.send(sent)
            answer = client.answer()
            assert answer is not None
            assert (answer.status, answer.closes) == (400, False), answer.body
            client.send(request(frame_form(scene)))
            good = client.answer()
            assert good is not None
            assert good.status == 200


def test_a_list_of_files_is_a_form_with_one(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    answer = client.post("/analyze_image", files=[("file", ("a", png(scene))), ("file", ("b", png(scene)))])
    assert answer.status_code == 400
    assert "two parts named 'file'" in answer.json()["detail"]


def test_no_form_is_a_fault_of_ours(server: Server, scene: NDArray[np.uint8]) -> None:
    dice = random.Random(1)
    good = frame_form(scene, *fields(data="a", response_type="image"), behind=fields(context_in_body="1"))
    pieces = [b"\r\n", b"--", b"--" + BOUNDARY.encode(), b'"', b";", b"\0", b"\xff", b"\\", b"=", b":", b"name", b""]
    seen = set()
    with Connection(server.port) as client:
        for number in range(400):
            body = bytearray(good)
            for _ in range(dice.choice([1, 1, 2, 6])):
                at = dice.randrange(min(len(body), 400))
                body[at : at + dice.choice([0, 1, 1, 9])] = dice.choice([*pieces, dice.randbytes(2)])
            client.send((chunked if number % 2 else request)(bytes(body)))
            answer = client.answer()
            assert answer is not None
            seen.add(answer.status)
            assert answer.status == 200 or (400 <= answer.status < 500 and answer.json()["detail"]), answer
    assert {200, 400} < seen
    assert not any("Traceback" in line for line in server.log)
