"""docs/logs.md: its settings and lines are as the server has them, and its table names every key."""

from __future__ import annotations

import json
import re
import tomllib

from service.logs.request_log import RequestLog
from service.logs.trace import FrameEnd, Said, Trace
from service.settings import load_settings
from tests.logs.test_request_log import Pipe
from tests.support.running import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "logs.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)\n```", DOCUMENT, flags=re.DOTALL)
    assert found
    return found[1]


def _frame() -> FrameEnd:
    shown = json.loads(_block("json"))
    times = (round(shown[name] * 1e6) for name in ("queueMs", "runMs"))
    return FrameEnd("line 3", shown["camera"], shown["part"], shown["frame"], shown["frameBytes"], True, False, *times)


def _line(form: str) -> str:
    shown = json.loads(_block("json"))
    pipe = Pipe("all", form)
    trace_id = shown["traceId"] if form == "json" else ""
    trace = Trace(shown["method"], shown["path"], Said(shown["requestId"], trace_id, 1))
    trace.frame = _frame()
    pipe.log.tell(trace, "", shown["status"], "", shown["answerBytes"])
    line = pipe.read().rstrip("\n")
    pipe.close()
    return line


def test_the_settings_are_as_shown() -> None:
    settings = load_settings(tomllib.loads(_block("toml"))["server"], {})
    assert (settings.log_requests, settings.log_format) == ("all", "json")
    standard = load_settings({}, {})
    assert (standard.log_requests, standard.log_format) == ("none", "text")
    assert not RequestLog().is_on


def test_lines_are_as_shown_but_for_what_differs_each_time() -> None:
    def same(line: str) -> str:
        line = re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+Z", "TIME", line)
        line = re.sub(r'(spanId":")\w+', r"\1SPAN", line)
        return re.sub(r"(tookMs\W+)[\d.]+|(front\W+)\d", r"\1\2N", line)

    assert same(_line("json")) == same(_block("json"))
    assert same(_line("text")) == same(_block("text"))


def test_the_table_names_every_key() -> None:
    rows = re.findall(r"(?m)^\| (`.*?) \|", DOCUMENT)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    optional = {"code", "flowFailed", "held", "view"}
    assert named == {*json.loads(_line("json")), *optional}
