"""What is sent to a receiver of webhooks: signed, tried again, given up, and never longer than its time."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator

import pytest

from service.alerts.courier import Courier
from service.alerts.webhook import Message, NotDelivered, Webhook, key_bytes, signature
from tests.alerts.receiver import KEY, Receiver, receiving
from tests.support.faults import until

BODY = '{"type":"alert.began","data":{"name":"ž"}}'


@pytest.fixture(name="receiver")
def one_receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_the_signature_is_that_of_the_specification() -> None:
    """Its example: https://github.com/standard-webhooks/standard-webhooks, libraries, tests."""
    key = key_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    message = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}')
    assert signature(key, message, 1614265330) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert key_bytes("whsec_no base64") == b"whsec_no base64"
    assert key_bytes("whsec_" + base64.b64encode(b"x").decode()) == b"x"


def test_a_receiver_can_verify_it_and_is_not_sent_elsewhere(receiver: Receiver) -> None:
    hook = Webhook(receiver.url, KEY)
    hook.send(Message("m1", BODY), 20)
    assert (receiver.received[0]["data"], receiver.ids, receiver.forged) == ({"name": "ž"}, ["m1"], 0)
    receiver.answers = [302, 500, 410]
    for status in (302, 500, 410):
        with pytest.raises(NotDelivered, match=str(status)) as told:
            hook.send(Message("m2", BODY), 20)
        assert told.value.is_unwanted is (status == 410)
    assert receiver.paths == ["/hook?line=1"] * 4


def test_a_receiver_that_drips_its_answer_holds_nobody(receiver: Receiver) -> None:
    receiver.drips.set()
    begun_s = time.monotonic()
    with pytest.raises(NotDelivered, match=r"it took longer than 0\.3 s|did not answer in HTTP"):
        Webhook(receiver.url, KEY).send(Message("m1", BODY), 0.3)
    assert time.monotonic() - begun_s >= 0.3


def test_who_is_away_or_speaks_something_else_is_told() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NotDelivered, match="refused"):
            Webhook(f"http://127.0.0.1:{nobody.getsockname()[1]}/", KEY).send(Message("m1", BODY), 20)


def test_a_message_is_tried_again_in_its_own_words_until_it_is_taken(receiver: Receiver) -> None:
    receiver.answers = [500]
    courier = Courier(Webhook(receiver.url, KEY).send)
    courier.take(Message("m1", BODY))
    courier.take(Message("m2", BODY))
    until(lambda: not courier.waiting)
    assert receiver.ids == ["m1", "m1", "m2"]
    assert courier.told == {"sent": 2, "given_up": 0, "failures": 1, "error": "", "waiting": 0}


def test_what_nobody_takes_is_bounded_counted_and_does_not_hold_the_end_up() -> None:
    def away(_: Message, __: float) -> None:
        raise NotDelivered("away")

    courier = Courier(away)
    for number in range(150):
        courier.take(Message(f"m{number}", BODY))
    assert len(courier.waiting) == 100
    assert courier.waiting[-1].id == "m149"
    assert courier.told["given_up"] == 50
    courier.end(20)
    assert len(courier.waiting) == 100


def test_one_that_wants_no_more_is_sent_no_more(receiver: Receiver) -> None:
    receiver.answers = [410]
    courier = Courier(Webhook(receiver.url, KEY).send)
    courier.take(Message("m1", BODY))
    until(lambda: not courier.waiting)
    assert courier.told["given_up"] == 1
