"""`framemill bench`: what a project sustains on this machine, before a line depends on it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

import click
import httpx

from service.access.keyring import new_key
from service.cli.client import connect, explain, fail
from service.cli.command_line import ending_in_order
from service.cli.images import named_images
from service.cli.options import told_options
from service.cli.progress import with_progress
from service.settings import Settings
from service.trial.load import Shot
from service.trial.report import TABLE_HEAD, Line, document, summary, table_row
from service.trial.search import Found, rising_load
from service.trial.step import LoadStep, ServerEnded, TrialServer, trial_server
from service.tryout.inspecting import open_trial
from service.tryout.module_times import CannotBeInspected, measure
from workers.errors import FramemillError, ProjectInvalid, SettingsInvalid
from workers.settings import MIB, Format
from workers.text import Told

if TYPE_CHECKING:
    from workers.pixels.camera_frames import CameraFrame, Form

_FAILED = 1
_MISTAKES = 3
_CANNOT_START = 4
_INTERRUPTED = 130
_FRAMES_MIB = 512  # of all frames together: both this process and the cameras hold them in memory
_TAKTS_PER_STEP = 10  # fewer frames have no p99


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--takt-ms", type=click.FloatRange(min=1), default=40, show_default=True, help="time from frame to frame, in ms"
)
@click.option("--workers", type=int, help="processes that inspect frames; default as for serve")
@click.option(
    "--step-s", type=click.FloatRange(min=0.1), default=5, show_default=True, help="how long a step lasts, in s"
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["file", "raw", "bayer"]),
    default="file",
    show_default=True,
    help="what cameras send: the files as they are, or their pixels as raw BGR or BayerRG8",
)
@click.option("--max-cameras", type=click.IntRange(1, 1024), default=256, show_default=True, help="more are not tried")
@told_options
@click.option("--modules", is_flag=True, help="say where the time of a frame goes instead, module by module")
@click.option("--json", "as_json", is_flag=True, help="print one JSON document, for scripts")
def bench(
    project: Path,
    images: tuple[Path, ...],
    takt_ms: float,
    workers: int | None,
    step_s: float,
    form: Form,
    max_cameras: int,
    told: Told,
    modules: bool,
    as_json: bool,
) -> None:
    """Find out how many cameras PROJECT sustains on this machine, with frames like IMAGES (files, or folders of them).

    \b
    Example:
      framemill bench deploy/projects/board deploy/projects/board/samples
      framemill bench deploy/projects/board part.png --as bayer --takt-ms 25
      framemill bench deploy/projects/board part.png --modules

    It serves the project on a free port, sends every image once, and then has 1, 2, 4, ... cameras send a frame per
    takt each, on schedule, until one frame in a hundred is answered more than a takt after it was due (p99), or one is
    not answered. The cameras run on this machine too; on a line, where they do not, it sustains no less.

    With --modules no server is started: one process inspects the images again and again, as a worker does, and a table
    says what decoding, each module and the answer took. What is in a parallel block counts as the block's.

    Exit status 0 when it sustains at least one camera, 1 when not or when an image cannot be analysed, 3 when the
    project or the settings have mistakes, 4 when the server cannot start.
    """
    if modules:
        if form != "file":
            raise click.UsageError("--modules takes the files as they are: leave --as out")
        _tell_modules(project, named_images(images).files, told, as_json=as_json)
        return
    if 1e3 * step_s < _TAKTS_PER_STEP * takt_ms:
        raise click.UsageError(f"a step lasts {_TAKTS_PER_STEP} takts at least: make --step-s longer")
    try:
        with ending_in_order():  # the server is stopped on the way out
            busy = os.getloadavg()[0]
            name, settings = _load(project, workers, told)
            files = named_images(images).files
            line = Line(name, settings, form, _frames(files, form, settings), takt_ms, step_s, max_cameras, busy)
            found = _measure(project, line, files, told, _say_nothing if as_json else _say)
    except KeyboardInterrupt:
        fail(_INTERRUPTED, "interrupted; the server that was measured is stopped")
    print(document(line, found) if as_json else "\n".join(["", *summary(line, found)]))
    sys.exit(0 if found.sustained else _FAILED)


def _tell_modules(project: Path, files: Sequence[Path], told: Told, *, as_json: bool) -> None:
    try:
        trial = open_trial(project, 1, told)
        times = measure(trial, files, told, with_progress)
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(_MISTAKES, error.message)
    except CannotBeInspected as error:
        fail(_FAILED, str(error))
    except OSError as error:
        fail(_FAILED, f"the machine refuses a process to inspect with: {error.strerror}")
    print(times.document(trial) if as_json else "\n".join(times.lines()))


def _say(row: str) -> None:
    print(row, flush=True)


def _say_nothing(_: str) -> None:
    pass


def _load(project: Path, workers: int | None, told: Told) -> tuple[str, Settings]:
    """Return the project's name and the settings that it will be served with."""
    try:
        trial = open_trial(project, workers, told)
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(_MISTAKES, error.message)
    if trial.settings.certfile is not None:
        fail(_MISTAKES, "certfile: these cameras speak no TLS; measure without certfile and keyfile")
    return trial.project.name, trial.settings


def _frames(files: Sequence[Path], form: Form, settings: Settings) -> list[CameraFrame]:
    # imported here: OpenCV takes a while, and --help should not
    from workers.gate import ImageLimits  # noqa: PLC0415
    from workers.pixels.camera_frames import camera_frame  # noqa: PLC0415

    # cameras that send pixels never send the file: then any format will do
    formats = settings.formats if form == "file" else frozenset(get_args(Format))
    limits = ImageLimits(max_megapixels=settings.max_megapixels, formats=formats)
    frames = []
    for path in files:
        try:
            frames.append(camera_frame(path.read_bytes(), form, limits))
        except FramemillError as error:
            fail(_FAILED, f"{path}: {error.message}")
        except OSError as error:
            fail(_FAILED, f"{path} cannot be read: {error.strerror}")
        if sum(len(frame.body) for frame in frames) > _FRAMES_MIB * MIB:
            fail(_FAILED, f"the frames take more than {_FRAMES_MIB} MiB together; name fewer images")
    return frames


def _measure(project: Path, line: Line, files: Sequence[Path], told: Told, say: Callable[[str], None]) -> Found:
    try:
        with (
            _entrance(line.settings) as (key, arguments),
            trial_server(project, "--workers", str(line.settings.workers), *arguments) as server,
        ):
            said = (told.of(path) for path in files)
            shots = [_shot(frame, line.form, one, key) for frame, one in zip(line.frames, said, strict=True)]
            _send_each_once(server, files, shots, key)
            return _raise_load(server, shots, line, say)
    except SettingsInvalid as error:
        fail(_MISTAKES, error.message)
    except ServerEnded as error:
        print(error.said, file=sys.stderr)
        fail(
            error.status if error.status in {_MISTAKES, _CANNOT_START} else _CANNOT_START, "the server ended, see above"
        )


@contextmanager
def _entrance(settings: Settings) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield the key for our cameras, and what the server must be told of it: keys in a file are not ours to know."""
    key = settings.read_api_key()
    if key is not None or settings.keys_file is None:
        yield key, ()
        return
    with tempfile.NamedTemporaryFile("w", prefix="framemill-bench-") as file:
        key = new_key()
        file.write(key)
        file.flush()
        yield key, ("--api-key-file", file.name)


def _shot(frame: CameraFrame, form: Form, told: Told, key: str | None) -> Shot:
    query: dict[str, str | int] = {name: text for name, text in told._asdict().items() if text}
    if form != "file":
        query |= {"width": frame.width_px, "height": frame.height_px}
    if form == "bayer":
        query["pixel_format"] = "BayerRG8"
    headers = ("Content-Type: application/octet-stream", *([f"X-API-Key: {key}"] if key else []))
    path = "/analyze_image" if form == "file" else "/analyze_raw_image"
    asked = urlencode(query, errors="surrogateescape")
    return Shot(f"{path}?{asked}" if query else path, (frame.body,), headers=headers)


def _send_each_once(server: TrialServer, files: Sequence[Path], shots: Sequence[Shot], key: str | None) -> None:
    """End the command where a frame cannot be inspected: how fast it is refused would be no answer."""
    with connect(f"http://127.0.0.1:{server.port}", key) as client:
        for path, shot in zip(files, shots, strict=True):
            try:
                answer = client.post(shot.path, content=b"".join(shot.body))
            except httpx.TransportError as error:
                fail(_FAILED, f"{path}: no answer: {error}")
            if answer.is_error:
                fail(_FAILED, f"{path}: {answer.status_code} {explain(answer)}")
            context = answer.json()
            if context["error"]:
                fail(_FAILED, f"{path}: the flow fails: {_mistake(context['errors'][0])}")


def _mistake(entry: dict[str, Any]) -> str:
    where = f" ({entry['file']}, line {entry['line']})" if entry.get("file") else ""
    return f"{entry['message']}{where}"


def _raise_load(server: TrialServer, shots: Sequence[Shot], line: Line, say: Callable[[str], None]) -> Found:
    def measure(cameras: int, takt_ms: float = line.takt_ms) -> LoadStep:
        step = server.measure(shots, cameras, line.step_s, takt_ms)
        say(table_row(step))
        return step

    say(TABLE_HEAD)
    alone = measure(1, 0)
    # where one frame alone takes longer than the takt, frames on schedule would only pile up
    hopeless = alone.p50_ms > line.takt_ms
    steps = [] if hopeless else list(rising_load(measure, line.max_cameras))
    return Found(alone, steps, measure(2 * line.settings.workers, 0))
