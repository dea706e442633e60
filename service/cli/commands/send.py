"""`framemill send`: analyse files against a running server."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import httpx
import orjson

from service.cli.client import UNREACHABLE, connect, explain, fail, no_answer, server_options
from service.cli.images import named_images
from service.cli.options import DATA_HELP
from service.cli.progress import with_progress
from workers.text import printable, said_of

_NOK = 6
_FAILED = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """What came back for one file: a context, or an error in words."""

    path: Path
    context: dict[str, Any] | None
    error: str | None
    part: dict[str, Any] | None = None  # what its part became, if it ended by that

    @property
    def verdict(self) -> str:
        """OK, NOK, OFF where the Process switch is off, or ERROR."""
        if self.context is None:
            return "ERROR"
        if not self.context["processing"]:
            return "OFF"
        return "OK" if self.context["result"] else "NOK"

    def line(self) -> str:
        """Return the line to print."""
        if self.context is None:
            return f"ERROR  {self.path}  {self.error}"
        if not self.context["processing"]:
            return f"OFF    {self.path}  not inspected: the Process switch is off"
        context = self.context
        found = len(context["detectedRectangles"])
        notes = f"  {found} found" if found else ""
        notes += "".join(f"  {mistake}" for mistake in map(_mistake, context["errors"]))
        return f"{self.verdict:5}  {self.path}  score {context['score']:.2f}{notes}"


def _part_line(part: dict[str, Any]) -> str:
    """Return the line of a part that has ended."""
    views = ", ".join(f"{one['view']} {one['verdict']}" for one in part.get("views", ()))
    why = f"  {part['why']}" if part.get("why") else ""
    return f"{part['verdict']:5}  part {part['part']}{why}" + (f"  {views}" if views else "")


def _mistake(entry: Any) -> str:
    return str(entry.get("message", entry)) if isinstance(entry, dict) else str(entry)


class _Tally:
    """How many frames and parts became what; a frame counts for the exit status unless its part has ended."""

    def __init__(self) -> None:
        self._frames: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._open: dict[str, list[str]] = {}

    def add(self, sent: Sent, part: str) -> None:
        """Count a frame, and what its part became."""
        self._frames[sent.verdict] += 1
        self._open.setdefault(part, []).append(sent.verdict)
        if sent.part is not None:
            self._parts[sent.part["verdict"]] += 1
            del self._open[part]

    def words(self) -> str:
        """Say how many."""
        found = _counted(self._frames, "frames")
        return f"{found}; {_counted(self._parts, 'parts')}" if self._parts else found

    @property
    def status(self) -> int:
        """What the command ends with."""
        words = {*self._parts, *(word for words in self._open.values() for word in words)}
        return _FAILED if "ERROR" in words else _NOK if "NOK" in words else 0


def _counted(counts: Counter[str], of_what: str) -> str:
    words = ", ".join(f"{counts[name]} {name}" for name in ("OK", "NOK", "OFF", "ERROR") if name in counts)
    return f"{counts.total()} {of_what}: {words}"


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@server_options
@click.option("--data", help=DATA_HELP)
@click.option("--camera", help="which camera it is: context['frame']['camera']")
@click.option("--part", help="which part each frame shows; likewise with {stem} and {folder}")
@click.option("--view", help="which view of the part it is, where several frames show it; likewise")
@click.option(
    "--save",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="save a picture of each frame in this folder",
)
@click.option(
    "--picture",
    type=click.Choice(["annotated_image", "heatmap", "image"]),
    default="annotated_image",
    show_default=True,
    help="which picture to save",
)
@click.option("--json", "as_json", is_flag=True, help="print the contexts, one line of JSON each")
def send(
    images: tuple[Path, ...],
    url: str,
    api_key: str | None,
    data: str | None,
    camera: str | None,
    part: str | None,
    view: str | None,
    folder: Path | None,
    picture: str,
    as_json: bool,
) -> None:
    """Send IMAGES (files, or folders of them) and print a verdict for each.

    \b
    Example:
      framemill send deploy/projects/board/samples
      framemill send part.jpg --save pictures
      framemill send deploy/projects/sleeve/samples/* --part '{folder}' --view '{stem}'

    Where several frames make one part, what it became is printed behind the one that completes it, and counts for the
    exit status in place of its frames.

    Of a folder, files that are no images by their name, hidden ones and folders are passed over, and named at the end.

    Exit status 0 when every part is OK, 6 when one is NOK, 1 when one could not be analysed.
    """
    found = named_images(images)
    files = found.files
    query = {"context_in_body": "1", "response_type": picture if folder else "context"}
    said = {"data": data, "camera": camera, "part": part, "view": view}
    if folder is not None:
        _make(folder)
    tally = _Tally()
    with connect(url, api_key) as client:
        for path in with_progress(files, len(files)):
            told = {name: said_of(path, text) for name, text in said.items() if text is not None}
            sent = _send_one(client, path, urlencode({**query, **told}, errors="surrogateescape"), folder)
            tally.add(sent, told.get("part", ""))
            print(_json_line(sent) if as_json else sent.line(), flush=True)
            if sent.part is not None and not as_json:
                print(_part_line(sent.part), flush=True)
    if len(files) > 1:
        click.echo(tally.words(), err=True)
    found.tell_passed_over()
    sys.exit(tally.status)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(_FAILED, f"{folder} cannot be made: {error.strerror}")


def _send_one(client: httpx.Client, path: Path, query: str, folder: Path | None) -> Sent:
    try:
        answer = client.post(f"/analyze_image?{query}", content=path.read_bytes())
    except OSError as error:
        return Sent(path, None, str(error))
    except httpx.TransportError as error:
        fail(UNREACHABLE, no_answer(client, error))
    if answer.is_error:
        return Sent(path, None, f"{answer.status_code} {explain(answer)}", _part_of_error(answer))
    try:
        image_bytes = int(answer.headers.get("ImageLen", 0))
        context = orjson.loads(answer.content[image_bytes:])
        if folder is not None and image_bytes:
            (folder / f"{path.stem}.png").write_bytes(answer.content[:image_bytes])
    except ValueError:
        fail(UNREACHABLE, f"what answers at {client.base_url} is no Framemill server")
    except OSError as error:
        return Sent(path, None, f"its picture cannot be saved: {error}")
    return Sent(path, context, None, context.get("partResult"))


def _part_of_error(answer: httpx.Response) -> dict[str, Any] | None:
    """Return what a part became by a frame that ended as an error; see docs/parts.md."""
    with suppress(ValueError, AttributeError):
        found = orjson.loads(answer.content).get("partResult")
        return found if isinstance(found, dict) else None
    return None


def _json_line(sent: Sent) -> str:
    document = {"file": printable(sent.path), "verdict": sent.verdict, "context": sent.context, "error": sent.error}
    return orjson.dumps(document).decode()
