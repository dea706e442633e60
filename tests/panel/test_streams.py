"""Server-sent events: for machines and pages, so many a front, and what ends them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from tests.succession.upgrades import line_of_servers
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

JUDGE = 'def main(context):\n    context["result"] = context["data"] != "nok"\n    context["pad"] = "p" * 30000\n'
PATHS = ("/live/events", "/api/v1/events", "/live/events")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(
        tmp_path_factory.mktemp("line"), '[[flow]]\nmodule = "code"\nfile = "code/judge.py"\n', judge=JUDGE
    )
    with serving(project, "--live-streams", str(len(PATHS))) as server:
        yield server


class Stream:
    """Events as a browser reads them."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()
        self.last_id = ""
        self.has_place = next(self._lines) == "retry: 1000"

    def next(self) -> tuple[str, Any]:
        """The next event, its data read as JSON where that is possible."""
        name, data = "", []
        for one in self._lines:
            field, _, value = one.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_id = value
            elif not one and name:
                text = "\n".join(data)
                with suppress(orjson.JSONDecodeError):
                    return name, orjson.loads(text)
                return name, text
        return "", None

    def until(self, name: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """The data of the next event of this name that is wanted."""
        while True:
            found, data = self.next()
            assert found, "the stream ended"
            if found == name and wanted(data):
                return data


@contextmanager
def _stream(server: Server, path: str = "/api/v1/events", **headers: str) -> Iterator[Stream]:
    give_up_s = time.monotonic() + 60
    while True:
        with server.client() as client, client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            stream = Stream(answer)
            if stream.has_place:
                yield stream
                return
        assert time.monotonic() < give_up_s  # who was here before has left, which is seen within a second


def _send(server: Server, image: NDArray[np.uint8], data: str = "", **query: str) -> None:
    with server.client() as client:
        client.post("/analyze_image", params={"data": data, **query}, content=png(image)).raise_for_status()


def _until(done: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up_s
        time.sleep(0.02)


def test_a_machine_has_each_record_once_and_goes_on_where_it_was(line: Server, scene: NDArray[np.uint8]) -> None:
    with _stream(line) as stream:
        assert stream.next()[0] == "begun"
        _send(line, scene, "nok", part="1", camera="top")
        found = stream.until("frame")
        assert (found["part"], found["camera"], found["verdict"]) == ("1", "top", "NOK")
        assert "context" not in found
        last = stream.last_id
    for part in ("2", "3"):
        _send(line, scene, part=part)
    with _stream(line, "/api/v1/events?context=1", **{"Last-Event-ID": last}) as stream:
        found = [stream.until("frame") for _ in range(2)]
        assert [one["part"] for one in found] == ["2", "3"]
        assert found[0]["context"]["pad"] == "p" * 30000


@pytest.mark.parametrize("last", ["", "x", "1-1-1-1-1", "ffff-5", "0-99999999999999999999", "a" * 4000])
def test_who_was_elsewhere_is_told_so(line: Server, scene: NDArray[np.uint8], last: str) -> None:
    _send(line, scene, part="before")
    with _stream(line, **({"Last-Event-ID": last} if last else {})) as stream:
        assert stream.next()[0] == ("restarted" if last else "begun")
        _send(line, scene, part=f"after {last[:9]}")
        assert stream.until("frame", lambda one: one["part"] == f"after {last[:9]}")


def test_what_is_gone_is_counted(line: Server, scene: NDArray[np.uint8]) -> None:
    with _stream(line) as stream:
        stream.next()
        server, _, cursor = stream.last_id.partition("-")
    count = 400  # of 30 kB each: more than the ring has room for
    with line.client() as client:
        frame = png(scene)
        for _ in range(count):
            client.post("/analyze_image", content=frame)
    with _stream(line, **{"Last-Event-ID": f"{server}-{cursor}"}) as stream:
        frames, missed = 0, 0
        while frames + missed < count:
            name, data = stream.next()
            frames += name == "frame"
            missed += data["missed"] if name == "missed" else 0
        assert frames + missed == count
        assert missed > 0


def test_beyond_the_cap_events_are_asked_for_and_a_place_is_given_back(line: Server, scene: NDArray[np.uint8]) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(_stream(line, path)) for path in PATHS]
        for stream in streams:
            stream.next()
        with line.client() as client:
            before = line.status()["live"]["polled"]
            for path in ("/live/events", "/api/v1/events"):
                answer = client.get(path)
                assert answer.status_code == 200
                assert answer.text.startswith("retry: 2000\n\n")
                assert answer.text.count("event: ") >= 1
            assert line.status()["live"]["polled"] == before + 2
        _send(line, scene)  # frames have their threads all the same
    with line.client() as client:
        # who has left gives the place back: then it is a stream again, which does not end
        _until(lambda: _is_endless(client))


def _is_endless(client: httpx.Client) -> bool:
    with client.stream("GET", "/api/v1/events") as answer:
        return next(answer.iter_lines()) == "retry: 1000"


def test_a_page_is_sent_what_changed_and_no_more(line: Server, scene: NDArray[np.uint8]) -> None:
    with _stream(line, "/live/events") as stream:
        first = {stream.next()[0] for _ in range(7)}
        assert {"process", "numbers", "frame", "rejected", "health", "alerts", "failing"} == first
        _send(line, scene, "nok", part="seen")
        assert "seen" in stream.until("rejected")
        with line.client() as client:
            client.put("/api/v1/process", json={"process": False})
            assert "Switch process on" in stream.until("process")
            client.put("/api/v1/process", json={"process": True})
            assert "Switch process off" in stream.until("process")


@pytest.mark.long
def test_one_that_takes_nothing_is_cut_off_and_counted_and_frames_go_on(line: Server, scene: NDArray[np.uint8]) -> None:
    before = line.status()["live"]["cut_off"]
    with socket.create_connection(("127.0.0.1", line.port), 30) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /api/v1/events?context=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with line.client() as client:
            frame = png(scene)
            give_up_s = time.monotonic() + 60
            while line.status()["live"]["cut_off"] == before:
                assert client.post("/analyze_image", content=frame).status_code == 200
                assert time.monotonic() < give_up_s
    assert line.status()["connections"]["unread_bytes_here"] == 0


@pytest.mark.long
def test_streams_end_in_a_drain_and_hold_nothing_up(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p")
    with serving(project, "--fronts", "2") as server, ExitStack() as stack:
        streams = [stack.enter_context(_stream(server, path)) for path in ("/live/events", "/api/v1/events") * 3]
        for stream in streams:
            stream.next()
        begun_s = time.monotonic()
        assert server.stop() == 0
        for stream in streams:
            with suppress(httpx.HTTPError):
                while stream.next()[0]:
                    pass
        # a drain waits for who is here, ten seconds at most: these do not have to be waited for
        assert not any("connections were cut off" in one for one in server.log)
        assert time.monotonic() - begun_s < 60


@pytest.mark.long
def test_in_a_takeover_streams_end_and_go_on_with_the_next_server(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    with line_of_servers(write_project(tmp_path / "p"), tmp_path / "code") as line:
        with _stream(line.server) as machine, _stream(line.server, "/live/events") as page:
            machine.next()
            page.next()
            line.ask()
            for stream in (machine, page):
                with suppress(httpx.HTTPError):
                    while stream.next()[0]:
                        pass
            last = machine.last_id
        assert line.server.process.wait(60) == 0
        with _stream(line.server, **{"Last-Event-ID": last}) as stream:
            assert stream.next()[0] == "restarted"
            _send(line.server, scene, part="of the next server")
            assert stream.until("frame")["part"] == "of the next server"
