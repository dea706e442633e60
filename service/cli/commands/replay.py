"""`framemill replay`: a kept frame once more, where it can do no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import orjson
from pydantic import ValidationError

from service.cli.client import fail
from service.settings import Settings, load_settings
from workers.containment.log import escaped
from workers.errors import ProjectInvalid, SettingsInvalid
from workers.flow.project import load_project
from workers.isolated import isolated
from workers.text import is_utf8, printable

if TYPE_CHECKING:
    from workers.programs.replay import Result

_FAILED = 1
_MISTAKES = 3
_DIED = 4
_START_S = 30.0  # a Python with its libraries, on a busy machine
_SAID_BYTES = 64 * 1024


@click.command()
@click.argument("project", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("frame", type=click.Path(path_type=Path))
@click.option("--data", help="free text for the flow: context['data']; default as it was asked, or none")
@click.option("--json", "as_json", is_flag=True, help="print the context")
def replay(project: Path, frame: Path, data: str | None, as_json: bool) -> None:
    """Run FRAME through the flow of PROJECT in a process of its own, and say what became of it.

    FRAME is a frame that ended two workers (its name, or the path of its .frame or .json file in the quarantine
    folder), or any image file. No server is needed, and none is disturbed. Where code raises, its traceback with all
    causes is printed on standard error.

    \b
    Example:
      framemill replay deploy/projects/board 1763816975123456789
      framemill replay deploy/projects/board part.png

    Exit status 0 when the part is OK, 1 when it is NOK or the frame ends in an error, 2 on wrong use, 3 when the
    project or the settings have mistakes, 4 when the process died or did not end in time; then its trace is printed.
    """
    settings = _settings(project)
    path = _find(frame, _quarantine(project, settings))
    if not is_utf8(path.resolve()):
        raise click.UsageError(f"{printable(path.resolve())}: the path of a frame is UTF-8; rename what is not")
    child = _start(project, path, data, settings)
    if child.returncode < 0:
        _tell_death(child)
    if child.returncode:
        _show(child.stderr)
        if b"Timeout (" in child.stderr:
            fail(_DIED, f"the frame was not done within {settings.run_ms} ms (run_ms); the trace above says where")
        fail(_DIED, f"the process left with exit status {child.returncode}, without an answer")
    sys.exit(_tell(child.stdout, path, as_json))


def _settings(project: Path) -> Settings:
    try:
        return load_settings(load_project(project).server, {})
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(_MISTAKES, error.message)


def _quarantine(project: Path, settings: Settings) -> Path:
    return (settings.state_dir or project / ".framemill") / "quarantine"


def _find(frame: Path, quarantine: Path) -> Path:
    """Return the file that holds the frame: what was named, or what has that name in the quarantine folder."""
    for path in (frame, quarantine / frame.name, quarantine / f"{frame.name}.frame"):
        if path.is_file():
            return path.with_suffix(".frame") if path.suffix == ".json" else path
    raise click.UsageError(f"{frame} is neither a file nor the name of a frame in {quarantine}")


def _asked(path: Path, data: str | None) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if path.suffix == ".frame":
        try:
            asked = orjson.loads(path.with_suffix(".json").read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise click.UsageError(f"what was asked of {path.name} cannot be read: {error}") from None
    return asked if data is None else {**asked, "data": data}


def _start(project: Path, path: Path, data: str | None, settings: Settings) -> subprocess.CompletedProcess[bytes]:
    # imported here: OpenCV takes a while, and --help should not
    from workers.programs.replay import Asked, Request  # noqa: PLC0415
    from workers.settings import PoolSettings  # noqa: PLC0415

    try:
        asked = Asked.model_validate(_asked(path, data))
    except ValidationError as error:
        raise click.UsageError(f"what was asked of {path.name} is no job: {error.errors()[0]['msg']}") from None
    pool = PoolSettings(**settings.model_dump(include=set(PoolSettings.model_fields)))
    request = Request(project=project.resolve(), frame=path.resolve(), asked=asked, settings=pool)
    limit_s = _START_S + (settings.boot_ms + settings.run_ms) / 1000
    command = isolated("-X", "faulthandler", "-m", "workers.programs.replay", str(os.getpid()))
    try:
        return subprocess.run(
            command, input=request.model_dump_json().encode(), capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as late:
        _show(late.stderr or b"")
        fail(_DIED, f"the frame was not done in {limit_s:.0f} s (start, boot_ms and run_ms): it was killed")


def _tell_death(child: subprocess.CompletedProcess[bytes]) -> NoReturn:
    _show(child.stderr)
    fail(_DIED, f"the process died of {signal.Signals(-child.returncode).name}; the trace above says where")


def _show(said: bytes) -> None:
    """Print what the process said, the end of it, so that nothing in it can play with the terminal."""
    for line in said[-_SAID_BYTES:].splitlines():
        print(escaped(line), file=sys.stderr)


def _tell(written: bytes, path: Path, as_json: bool) -> int:
    from workers.programs.replay import Result  # noqa: PLC0415 - as above

    result: Result = Result.model_validate_json(written)
    for trace in result.tracebacks:
        _show(trace.encode())
    if result.context is None:
        print(f"ERROR  {path.name}  {result.code}: {result.message}")
        return _FAILED
    context = orjson.loads(result.context)
    ok = context.get("result") is True
    if as_json:
        print(result.context)
    else:
        notes = "".join(f"  {entry['message']}" for entry in context.get("errors", []) if isinstance(entry, dict))
        print(f"{'OK' if ok else 'NOK':5}  {path.name}{notes}")
    return 0 if ok else _FAILED
