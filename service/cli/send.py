"""`framemill send`: analyse files against a running server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.client import UNREACHABLE, connect, explain, fail, server_options
from service.cli.images import image_files

_NOK = 6
_FAILED = 1
_MANY = 10  # fewer files than this are done before a bar could be read


@dataclass(frozen=True, slots=True)
class Sent:
    """What came back for one file: a context, or an error in words."""

    path: Path
    context: dict[str, Any] | None
    error: str | None

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


def _mistake(entry: Any) -> str:
    return str(entry.get("message", entry)) if isinstance(entry, dict) else str(entry)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@server_options
@click.option("--data", help="free text for the flow: context['data']")
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
    folder: Path | None,
    picture: str,
    as_json: bool,
) -> None:
    """Send IMAGES (files, or folders of them) and print a verdict for each.

    \b
    Example:
      framemill send deploy/projects/board/samples
      framemill send part.jpg --save pictures

    Exit status 0 when every part is OK, 6 when one is NOK, 1 when one could not be analysed.
    """
    files = list(image_files(images))
    query = {"context_in_body": "1", "response_type": picture if folder else "context"}
    if data is not None:
        query["data"] = data
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with connect(url, api_key) as client:
        for path in _with_progress(files):
            sent = _send_one(client, path, query, folder)
            counts[sent.verdict] = counts.get(sent.verdict, 0) + 1
            print(_json_line(sent) if as_json else sent.line(), flush=True)
    if len(files) > 1:
        summary = ", ".join(f"{counts[name]} {name}" for name in ("OK", "NOK", "OFF", "ERROR") if name in counts)
        click.echo(f"{len(files)} frames: {summary}", err=True)
    sys.exit(_FAILED if counts.get("ERROR") else _NOK if counts.get("NOK") else 0)


def _with_progress(files: list[Path]) -> Iterator[Path]:
    """Yield the files; on a terminal, and for many of them, with a bar."""
    console = Console(stderr=True)
    if len(files) < _MANY or not console.is_terminal:
        yield from files
        return
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # lines printed on the same terminal must go above the bar, those for a file must not
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        yield from progress.track(files)


def _send_one(client: httpx.Client, path: Path, query: dict[str, str], folder: Path | None) -> Sent:
    try:
        answer = client.post("/analyze_image", params=query, content=path.read_bytes())
    except OSError as error:
        return Sent(path, None, str(error))
    except httpx.TransportError as error:
        fail(UNREACHABLE, f"no answer from {client.base_url}: {error}; is the server running (framemill serve)?")
    if answer.is_error:
        return Sent(path, None, f"{answer.status_code} {explain(answer)}")
    image_bytes = int(answer.headers.get("ImageLen", 0))
    if folder is not None and image_bytes:
        (folder / f"{path.stem}.png").write_bytes(answer.content[:image_bytes])
    return Sent(path, orjson.loads(answer.content[image_bytes:]), None)


def _json_line(sent: Sent) -> str:
    document = {"file": str(sent.path), "verdict": sent.verdict, "context": sent.context, "error": sent.error}
    return orjson.dumps(document).decode()
