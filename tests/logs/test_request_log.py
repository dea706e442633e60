"""Lines of requests: what they say, that nobody's text can forge one, and that they wait for nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.logs.request_log import RequestLog
from service.logs.trace import FrameEnd, Said, Trace

HOSTILE = 'a\n2026-01-01T00:00:00Z 200 OK\r\x1b[2Jb\x00\x7f\u0085\u2028\u202e\U000e0001"=\\ \u017elu\u0165 \udcff{}'
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Pipe:
    """A log whose lines go into a pipe."""

    def __init__(self, wanted: str, form: str) -> None:
        self.read_fd, self.write_fd = os.pipe()
        self.lost = 0
        self.log = RequestLog()
        self.log.begin(wanted, form, 3, self._count, self.write_fd)

    def _count(self) -> None:
        self.lost += 1

    def tell(self, path: str = "/x", status: int = 200, code: str = "", frame: FrameEnd | None = None) -> None:
        trace = Trace("POST", path, Said("id-1", TRACE_ID, 1))
        trace.frame = frame
        self.log.tell(trace, "10.0.0.9", status, code, 7)

    def read(self) -> str:
        os.set_blocking(self.read_fd, False)
        try:
            return os.read(self.read_fd, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture(params=["text", "json"])
def all_of_them(request: pytest.FixtureRequest) -> Iterator[Pipe]:
    pipe = Pipe("all", request.param)
    yield pipe
    pipe.close()


@pytest.fixture
def json_lines() -> Iterator[Pipe]:
    pipe = Pipe("all", "json")
    yield pipe
    pipe.close()


def test_a_line_of_json_says_it_all(json_lines: Pipe) -> None:
    frame = FrameEnd(
        "line 3", "top", "4711", "00ff", 900, True, False, 1_500_000, 20_250_000, True, "left", "scratches"
    )
    json_lines.tell("/analyze_image", frame=frame)
    found: dict[str, Any] = json.loads(json_lines.read())
    assert found.pop("time").endswith("Z")
    assert found.pop("tookMs") >= 0
    assert len(found.pop("spanId")) == 16
    assert found == {
        "status": 200,
        "verdict": "NOK",
        "method": "POST",
        "path": "/analyze_image",
        "requestId": "id-1",
        "traceId": TRACE_ID,
        "client": "line 3",
        "camera": "top",
        "part": "4711",
        "view": "left",
        "frame": "00ff",
        "held": "scratches",
        "queueMs": 1.5,
        "runMs": 20.25,
        "flowFailed": True,
        "frameBytes": 900,
        "answerBytes": 7,
        "front": 3,
    }


def test_no_text_of_a_client_ends_a_line_or_changes_a_terminal(all_of_them: Pipe) -> None:
    all_of_them.tell(HOSTILE * 9, frame=FrameEnd(HOSTILE, HOSTILE, HOSTILE, view=HOSTILE))
    all_of_them.tell()
    text = all_of_them.read()
    lines = text.splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert "\u017elu\u0165" in lines[0]


def test_what_json_says_of_hostile_text_is_that_text(json_lines: Pipe) -> None:
    json_lines.tell(frame=FrameEnd("c", HOSTILE, HOSTILE, view=HOSTILE))
    found = json.loads(json_lines.read())
    assert found["part"] == found["camera"] == found["view"] == HOSTILE.replace("\udcff", "?")


@pytest.mark.parametrize("letter", ["\x00", "\u017e", "\u2028", "\U000e0001", '"', "x"])
def test_the_longest_line_is_one_that_a_pipe_takes_whole(all_of_them: Pipe, letter: str) -> None:
    longest = letter * (200 // len(letter.encode()))
    times = (1 << 50, 1 << 50)
    view = letter * (64 // len(letter.encode()))
    worst = FrameEnd(letter * 64, longest, longest, "f" * 18, 1 << 40, True, False, *times, True, view, "h" * 40)
    trace = Trace("M" * 20, letter * 8000, Said("i" * 128, TRACE_ID, 1))
    trace.frame = worst
    all_of_them.log.tell(trace, "c", 500, "context_too_large_for_header", 1 << 40)
    assert 500 < len(all_of_them.read().encode()) <= 4096
    assert not all_of_them.lost


@pytest.mark.parametrize(("wanted", "count"), [("none", 0), ("errors", 3), ("all", 5)])
def test_what_is_wanted_is_told(wanted: str, count: int) -> None:
    pipe = Pipe(wanted, "text")
    pipe.tell()
    pipe.tell(frame=FrameEnd("c", is_answered=True, verdict=False))
    pipe.tell(frame=FrameEnd("c", is_answered=True, verdict=False, flow_failed=True))
    pipe.tell(status=404, code="not_found")
    pipe.tell(status=500, code="worker_crashed", frame=FrameEnd("c"))
    assert pipe.read().count("\n") == count
    assert pipe.log.is_on == (wanted != "none")
    pipe.close()


def test_a_pipe_that_nobody_empties_costs_lines_and_they_are_counted(json_lines: Pipe) -> None:
    told = 0
    while not json_lines.lost:
        json_lines.tell()
        told += 1
    for _ in range(9):
        json_lines.tell()
    assert json_lines.lost == 10
    lines = json_lines.read().splitlines()
    assert len(lines) == told - 1
    json_lines.tell("/after")
    assert json.loads(json_lines.read())["path"] == "/after"
    assert all(json.loads(line)["path"] == "/x" for line in lines)


def test_a_reader_that_has_gone_costs_lines_alone() -> None:
    pipe = Pipe("all", "json")
    os.close(pipe.read_fd)
    pipe.tell()
    assert pipe.lost == 1
    os.close(pipe.write_fd)


def test_a_full_disk_tears_no_line_that_comes_after(tmp_path: Path) -> None:
    """As a disk that takes half a line, then nothing, then all again."""
    lost: list[int] = []
    log = RequestLog()
    with (tmp_path / "log").open("wb") as file:
        log.begin("all", "json", 0, lambda: lost.append(1), file.fileno())
        whole = log._write
        takes = iter([30, 0])

        def write(piece: memoryview) -> int:
            most = next(takes, None)
            if most == 0:
                raise OSError(28, "No space left on device")
            return whole(piece[:most])

        log._write = write
        for path in ("/half", "/nothing", "/all"):
            log.tell(Trace("GET", path), "c", 200, "", 0)
    torn, *rest = (tmp_path / "log").read_text().splitlines()
    assert len(torn) == 30
    assert [json.loads(line)["path"] for line in rest] == ["/all"]
    assert len(lost) == 2
