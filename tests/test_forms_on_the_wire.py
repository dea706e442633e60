"""Forms to a running server: their fields count as in the query, however they come, and so does a key in them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from faults import FRAME, faulty
from forms import BOUNDARY, FILE, chunked, fields, named, part, request, whole
from guests import add_key, client_from
from numpy.typing import NDArray
from pictures import decoded, png, segment
from raw_http import Answer, Connection
from running import Server, serving

from service.access.attempts import A_MINUTE

WRONG = "wrong-key-that-nobody-has"


def _ask(server: Server, sent: bytes, source: str = "127.0.0.1") -> Answer:
    with Connection(server.port, source=source) as client:
        client.send(sent)
        answer = client.answer()
    assert answer is not None
    return answer


def _form(scene: NDArray[np.uint8], *before: bytes, behind: list[bytes] | None = None) -> bytes:
    return whole(*before, part([FILE + '; filename="a.png"', "Content-Type: image/png"], png(scene)), *(behind or []))


PLACES = ["before", "behind"]


def _placed(scene: NDArray[np.uint8], place: str, **values: str) -> bytes:
    parts = fields(**values)
    return _form(scene, *(parts if place == "before" else []), behind=parts if place == "behind" else [])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", [request, chunked])
def test_data_in_a_field_reaches_the_flow(server: Server, scene: NDArray[np.uint8], place: str, form: Any) -> None:
    for data in ("board-7", "Řeřicha 零件 🙂", "", "x" * 3000):
        context = _ask(server, form(_placed(scene, place, data=data))).json()
        assert context["seen"] == {"data": data, "shape": [48, 64, 3], "sum": int(scene.sum())}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["image", "annotated_image", "heatmap"])
def test_a_field_asks_for_a_picture(server: Server, scene: NDArray[np.uint8], place: str, kind: str) -> None:
    answer = _ask(server, request(_placed(scene, place, response_type=kind, data="d")))
    assert b"Content-Type: image/png" in answer.head
    encoded = answer.head.partition(b"ContextBase64utf: ")[2].partition(b"\r\n")[0]
    assert json.loads(base64.b64decode(encoded))["seen"]["data"] == "d"
    in_body = _ask(server, request(_placed(scene, place, response_type=kind, context_in_body="true", data="d")))
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
            assert _ask(server, request(body, path=path)).json()["mark"] == [0, 0, 200]


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
    answer = _ask(server, request(_form(scene, field) if place == "before" else _form(scene, behind=[field])))
    assert (answer.status, answer.json()["code"]) == (400, "invalid_parameter")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("name", ["data", "response_type", "context_in_body", "deadline_ms", "width", "api_key"])
def test_what_stands_in_query_and_form_is_refused(server: Server, scene: NDArray[np.uint8], name: str) -> None:
    value = {"response_type": "image", "deadline_ms": "5000", "context_in_body": "1"}.get(name, "7")
    sent = request(_placed(scene, "behind", **{name: value}), path=f"/analyze_image?{name}={value}")
    answer = _ask(server, sent)
    assert answer.status == 400
    assert f"{name} is given in the query and in the form" in answer.json()["detail"]


def test_a_segment_is_described_by_fields_too(server: Server, scene: NDArray[np.uint8]) -> None:
    with segment(scene.tobytes()) as name:
        body = whole(*fields(name=name, width="64", height="48", data="shared"))
        answer = _ask(server, request(body, path="/analyze_image_shared_memory"))
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
    answer = _ask(server, f"{start}{head}\r\n{rest}".encode())
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_chunks_of_a_form_without_end_are_refused(server: Server) -> None:
    body = b"--" + BOUNDARY.encode() + b"\r\n" + part([FILE], bytes(26 << 20))
    answer = _ask(server, chunked(body, size=1 << 20))
    assert (answer.status, answer.json()["code"]) == (413, "frame_too_large")


def test_a_frame_larger_than_a_slot_is_refused_where_the_form_as_a_whole_is_not(server: Server) -> None:
    answer = _ask(server, request(whole(part([FILE], bytes((24 << 20) + 1)))))
    assert (answer.status, answer.json()["code"]) == (413, "frame_too_large")
    largest = _ask(server, request(whole(part([FILE], bytes(24 << 20)))))
    assert largest.status == 415  # it was looked at, and is no image


@pytest.mark.parametrize("kind", ["Multipart/Form-Data; Boundary=", "multipart/form-data;boundary=",
                                  "MULTIPART/FORM-DATA ; charset=UTF-8; boundary="])  # fmt: skip
def test_media_types_are_in_any_case(server: Server, scene: NDArray[np.uint8], kind: str) -> None:
    answer = _ask(server, request(_form(scene), kind=kind + BOUNDARY))
    assert answer.json()["seen"]["sum"] == int(scene.sum())


@pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/related", "multipart/form-data-2", "Multipart/x"])
def test_parts_of_another_kind_are_never_taken_for_pixels(server: Server, kind: str) -> None:
    sent = request(b"abcd", path="/analyze_raw_image?width=4&height=1", kind=f"{kind}; boundary={BOUNDARY}")
    answer = _ask(server, sent)
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
        assert _ask(server, sent).json()["seen"] == {"data": "net", "shape": [48, 64, 3], "sum": int(scene.sum())}
    with Connection(server.port) as slow:
        for start in range(0, len(sent := request(net)), 400):
            slow.send(sent[start : start + 400])
        answer = slow.answer()
        assert answer is not None
        assert answer.json()["seen"]["data"] == "net"


def test_a_form_with_a_mistake_ends_no_connection(server: Server, scene: NDArray[np.uint8]) -> None:
    wrong = [request(b"x"), request(whole(part([named("image")], png(scene)))), chunked(_form(scene)[:-9]),
             request(_form(scene), path="/analyze_raw_image")]  # fmt: skip
    with Connection(server.port) as client:
        for sent in wrong * 3:
            client.send(sent)
            answer = client.answer()
            assert answer is not None
            assert (answer.status, answer.closes) == (400, False), answer.body
            client.send(request(_form(scene)))
            good = client.answer()
            assert good is not None
            assert good.status == 200


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    folder = tmp_path_factory.mktemp("form-keys")
    key = add_key("camera", "analyze", folder / "keys.toml")
    with serving(faulty(folder / "p"), "--keys-file", str(folder / "keys.toml")) as server:
        yield server, key


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", [request, chunked])
def test_a_key_in_a_field_lets_in(guarded: tuple[Server, str], scene: NDArray[np.uint8], place: str, form: Any) -> None:
    server, key = guarded
    assert _ask(server, form(_placed(scene, place, api_key=key))).status == 200
    for method in (b"PUT", b"GET"):
        assert _ask(server, form(_placed(scene, place, api_key=key)).replace(b"POST", method, 1)).status == 200


def test_a_form_without_a_key_or_with_a_wrong_one_is_unauthorized(
    guarded: tuple[Server, str], scene: NDArray[np.uint8]
) -> None:
    server, key = guarded
    said = [
        _ask(server, request(_form(scene)), "127.0.3.1"),
        _ask(server, chunked(_form(scene)), "127.0.3.1"),
        _ask(server, request(_placed(scene, "behind", api_key=WRONG)), "127.0.3.1"),
        _ask(server, request(_placed(scene, "before", api_key="")), "127.0.3.1"),
        _ask(server, request(_placed(scene, "before", API_KEY=key)), "127.0.3.1"),
    ]
    assert [answer.status for answer in said] == [401] * len(said)
    assert all(b"www-authenticate: bearer" in answer.head.lower() for answer in said)
    twice = _form(scene, *fields(api_key=key), *fields(api_key=WRONG))
    both = request(_placed(scene, "before", api_key=key), path=f"/analyze_image?api_key={key}")
    said += [_ask(server, request(twice)), _ask(server, both)]
    assert [answer.status for answer in said[-2:]] == [400, 400]
    assert not any(secret in b"".join(answer.body for answer in said).decode() for secret in (key, WRONG))
    assert not any(secret in line for secret in (key, WRONG) for line in server.log)


def test_a_key_in_a_header_counts_before_one_in_a_field(guarded: tuple[Server, str], scene: NDArray[np.uint8]) -> None:
    server, key = guarded
    body = _placed(scene, "before", api_key=WRONG)
    assert _ask(server, request(body, f"X-API-Key: {key}"), "127.0.3.2").status == 200
    right = _placed(scene, "before", api_key=key)
    assert _ask(server, request(right, f"X-API-Key: {WRONG}"), "127.0.3.2").status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/reload"), ("PUT", "/api/v1/process"), ("POST", "/process"), ("GET", "/"), ("GET", "/last_image"),
     ("POST", "/nothing"), ("DELETE", "/analyze_image"), ("PUT", "/analyze_image_shared_memory"),
     ("POST", "/analyze_image/")],
)  # fmt: skip
def test_a_key_in_a_form_counts_for_frames_alone(guarded: tuple[Server, str], method: str, path: str) -> None:
    server, key = guarded
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    assert _ask(server, f"{head}Content-Length: 9999\r\n\r\n".encode()).status == 401
    sent = request(whole(*fields(api_key=key, process="off")), path=path).replace(b"POST", method.encode(), 1)
    assert _ask(server, sent).status == 401


def test_wrong_keys_in_forms_are_counted_and_then_no_body_is_read(
    guarded: tuple[Server, str], scene: NDArray[np.uint8]
) -> None:
    server, key = guarded
    address = "127.0.3.9"
    seen = [
        _ask(server, request(_placed(scene, "behind", api_key=f"{WRONG}-{n}")), address) for n in range(A_MINUTE + 2)
    ]
    assert [answer.status for answer in seen] == [401] * A_MINUTE + [429] * 2
    head = request(b"x" * 9999)[:-9999]  # nothing of the form follows
    refused = _ask(server, head, address)
    assert (refused.status, refused.json()["code"]) == (429, "too_many_attempts")
    with client_from(
        address, server, **{"X-API-Key": key}
    ) as client:  # a right one before the body passes all the same
        assert client.post("/analyze_image", files={"file": png(scene)}).status_code == 200


def test_no_key_in_a_form_is_not_an_attempt(guarded: tuple[Server, str], scene: NDArray[np.uint8]) -> None:
    said = {_ask(guarded[0], request(_form(scene)), "127.0.3.10").status for _ in range(A_MINUTE * 2)}
    assert said == {401}


def test_a_list_of_files_is_a_form_with_one(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    answer = client.post("/analyze_image", files=[("file", ("a", png(scene))), ("file", ("b", png(scene)))])
    assert answer.status_code == 400
    assert "two parts named 'file'" in answer.json()["detail"]


def test_a_deadline_in_a_field_is_kept(guarded: tuple[Server, str]) -> None:
    server, key = guarded
    described = fields(width="16", height="16", data="wait:go", deadline_ms="100", api_key=key)
    answer = _ask(server, request(whole(*described, part([named("array")], FRAME)), path="/analyze_raw_image"))
    (server.project / "code" / "go").touch()
    assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")


def test_no_form_is_a_fault_of_ours(server: Server, scene: NDArray[np.uint8]) -> None:
    dice = random.Random(1)
    good = _form(scene, *fields(data="a", response_type="image"), behind=fields(context_in_body="1"))
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
