"""Forms to a server that wants a key: one in a field lets a frame in, and nothing else; wrong ones are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.attempts import A_MINUTE
from tests.clients.guests import add_key, client_from
from tests.intake.forms_with_frames import PLACES, ask, frame_form, placed
from tests.support.faults import FRAME, faulty
from tests.support.forms import chunked, fields, named, part, request, whole
from tests.support.pictures import png
from tests.support.running import Server, serving

WRONG = "wrong-key-that-nobody-has"


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
    assert ask(server, form(placed(scene, place, api_key=key))).status == 200
    for method in (b"PUT", b"GET"):
        assert ask(server, form(placed(scene, place, api_key=key)).replace(b"POST", method, 1)).status == 200


def test_a_form_without_a_key_or_with_a_wrong_one_is_unauthorized(
    guarded: tuple[Server, str], scene: NDArray[np.uint8]
) -> None:
    server, key = guarded
    said = [
        ask(server, request(frame_form(scene)), "127.0.3.1"),
        ask(server, chunked(frame_form(scene)), "127.0.3.1"),
        ask(server, request(placed(scene, "behind", api_key=WRONG)), "127.0.3.1"),
        ask(server, request(placed(scene, "before", api_key="")), "127.0.3.1"),
        ask(server, request(placed(scene, "before", API_KEY=key)), "127.0.3.1"),
    ]
    assert [answer.status for answer in said] == [401] * len(said)
    assert all(b"www-authenticate: bearer" in answer.head.lower() for answer in said)
    twice = frame_form(scene, *fields(api_key=key), *fields(api_key=WRONG))
    both = request(placed(scene, "before", api_key=key), path=f"/analyze_image?api_key={key}")
    said += [ask(server, request(twice)), ask(server, both)]
    assert [answer.status for answer in said[-2:]] == [400, 400]
    assert not any(secret in b"".join(answer.body for answer in said).decode() for secret in (key, WRONG))
    assert not any(secret in line for secret in (key, WRONG) for line in server.log)


def test_a_key_in_a_header_counts_before_one_in_a_field(guarded: tuple[Server, str], scene: NDArray[np.uint8]) -> None:
    server, key = guarded
    body = placed(scene, "before", api_key=WRONG)
    assert ask(server, request(body, f"X-API-Key: {key}"), "127.0.3.2").status == 200
    right = placed(scene, "before", api_key=key)
    assert ask(server, request(right, f"X-API-Key: {WRONG}"), "127.0.3.2").status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/reload"), ("PUT", "/api/v1/process"), ("POST", "/process"), ("GET", "/"), ("GET", "/last_image"),
     ("POST", "/nothing"), ("DELETE", "/analyze_image"), ("PUT", "/analyze_image_shared_memory"),
     ("POST", "/analyze_image/")],
)  # fmt: skip
def test_a_key_in_a_form_counts_for_frames_alone(guarded: tuple[Server, str], method: str, path: str) -> None:
    server, key = guarded
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    assert ask(server, f"{head}Content-Length: 9999\r\n\r\n".encode()).status == 401
    sent = request(whole(*fields(api_key=key, process="off")), path=path).replace(b"POST", method.encode(), 1)
    assert ask(server, sent).status == 401


def test_wrong_keys_in_forms_are_counted_and_then_no_body_is_read(
    guarded: tuple[Server, str], scene: NDArray[np.uint8]
) -> None:
    server, key = guarded
    address = "127.0.3.9"
    seen = [ask(server, request(placed(scene, "behind", api_key=f"{WRONG}-{n}")), address) for n in range(A_MINUTE + 2)]
    assert [answer.status for answer in seen] == [401] * A_MINUTE + [429] * 2
    head = request(b"x" * 9999)[:-9999]  # nothing of the form follows
    refused = ask(server, head, address)
    assert (refused.status, refused.json()["code"]) == (429, "too_many_attempts")
    with client_from(
        address, server, **{"X-API-Key": key}
    ) as client:  # a right one before the body passes all the same
        assert client.post("/analyze_image", files={"file": png(scene)}).status_code == 200


def test_no_key_in_a_form_is_not_an_attempt(guarded: tuple[Server, str], scene: NDArray[np.uint8]) -> None:
    said = {ask(guarded[0], request(frame_form(scene)), "127.0.3.10").status for _ in range(A_MINUTE * 2)}
    assert said == {401}


@pytest.mark.long
def test_a_deadline_in_a_field_is_kept(guarded: tuple[Server, str]) -> None:
    server, key = guarded
    described = fields(width="16", height="16", data="wait:go", deadline_ms="100", api_key=key)
    answer = ask(server, request(whole(*described, part([named("array")], FRAME)), path="/analyze_raw_image"))
    (server.project / "code" / "go").touch()
    assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")
