"""Causes of an exception, and its traceback as its author reads it, whatever the exception is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.projects import code_flow, frame
from workers.told.black_box import Reading, Writing, make_box
from workers.told.tracebacks import causes_of, traceback_of
from workers.told.witness import Witness


def error_of(folder: Path, body: str) -> dict[str, Any]:
    """Run `body` as a `main`; returns the entry in `errors`."""
    flow = code_flow(folder, f"def main(context):\n{body}")
    [entry] = flow.run(frame(), data="", deadline_ns=2**62, witness=Witness(str(folder))).context["errors"]
    assert isinstance(entry, dict)
    return entry


TWICE = """
    try:
        try:
            1 / 0
        except Exception as error:
            raise KeyError from error
    except Exception as error:
        raise OSError from error
"""
ODD = """
    class Odd(Exception):
        @property
        def __cause__(self):
            raise SystemExit
    raise Odd
"""


@pytest.mark.parametrize(
    ("body", "causes"),
    [
        ("    1 / 0\n", None),
        ("    try:\n        1 / 0\n    except Exception as e:\n        raise KeyError from e\n", ["ZeroDivisionError"]),
        ("    try:\n        1 / 0\n    except Exception:\n        {}['a']\n", ["ZeroDivisionError"]),
        ("    try:\n        1 / 0\n    except Exception:\n        raise KeyError from None\n", None),
        (TWICE, ["KeyError", "ZeroDivisionError"]),
        ("    raise ExceptionGroup('two', [ValueError(1), KeyError(2)])\n", ["ValueError", "KeyError"]),
        ("    e = KeyError()\n    e.__cause__ = e\n    raise e\n", None),
        (ODD, None),
    ],
)
def test_an_error_has_the_causes_that_a_traceback_shows(tmp_path: Path, body: str, causes: list[str] | None) -> None:
    entry = error_of(tmp_path, body)
    assert [cause["type"] for cause in entry.get("causes", [])] == (causes or [])
    assert ("causes" in entry) == (causes is not None)
    assert all(cause.keys() == {"type", "message", "file", "line"} for cause in entry.get("causes", []))
    assert entry["message"] != "(no text: it raised when it was read)"


def test_a_chain_without_end_is_cut() -> None:
    error = last = ValueError("0")
    for number in range(1, 100):
        last.__cause__ = ValueError(str(number))
        last = last.__cause__
    assert [str(cause) for cause in causes_of(error)] == [str(number) for number in range(1, 11)]


class _Mute(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class _Hostile(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit


def test_any_exception_has_a_traceback() -> None:
    assert "_Mute" in traceback_of(_Mute()) or "no traceback" in traceback_of(_Mute())
    assert traceback_of(_Hostile()) == "(no traceback: the exception raised when it was read)\n"
    long = traceback_of(ValueError("x" * 100_000))
    assert "characters left out" in long
    assert len(long) < 17_000
    traceback_of(ValueError("\udc80")).encode()


def test_a_kind_is_logged_once_with_files_as_the_author_knows_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import json\ndef main(context):\n    json.loads(context['data'])\n"
    flow, witness, now_ns = code_flow(tmp_path, source), Witness(str(tmp_path)), 10**9
    monkeypatch.setattr("workers.told.witness.time.monotonic_ns", lambda: now_ns)

    def logged(text: str) -> list[str]:
        caplog.clear()
        flow.run(frame(), data=text, deadline_ns=2**62, witness=witness)
        return [record.getMessage() for record in caplog.records]

    [first] = logged("{")
    assert first.startswith("module 1 (step0) raised JSONDecodeError at code/step0.py, line 3: Expecting property name")
    assert '\nTraceback (most recent call last):\n  File "code/step0.py", line 3, in main\n' in first
    assert logged("[") == logged("{") == []  # another text of the same kind
    now_ns += 60 * 10**9
    [later] = logged("{")
    assert " (2 more like it since it was logged last)\nTraceback" in later


def test_a_black_box_keeps_what_was_printed_and_never_more_than_it_holds() -> None:
    fd = make_box()
    writing, reading = Writing(fd), Reading(fd)
    assert reading.printed() == (b"", b"")
    writing.print(0, b"one\n")
    writing.print(1, b"two\n")
    writing.print(0, b"x" * 100_000)
    writing.print(0, b"more")
    stdout, stderr = reading.printed()
    assert (len(stdout), stdout[:6], stderr) == (65_536, b"one\nxx", b"two\n")
    writing.begin()
    assert reading.printed() == (b"", b"")
