"""`framemill send`: analyse files against a running server."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import httpx
import orjson

from service.cli.client import UNREACHABLE, connect, explain, fail, no_answer, server_options
from service.cli.images import named_images
from service.cli.progress import with_progress
from workers.text import printable

_NOK = 6
_FAILED = 1


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

    Of a folder, files that are no images by their name, hidden ones and folders are passed over, and named at the end.

    Exit status 0 when every part is OK, 6 when one is NOK, 1 when one could not be analysed.
    """
    found = named_images(images)
    files = found.files
    query = {"context_in_body": "1", "response_type": picture if folder else "context"}
    if data is not None:
        query["data"] = data
    if folder is not None:
        _make(folder)
    asked = urlencode(query, errors="surrogateescape")
    counts: dict[str, int] = {}
    with connect(url, api_key) as client:
        for path in with_progress(files, len(files)):
            sent = _send_one(client, path, asked, folder)
            counts[sent.verdict] = counts.get(sent.verdict, 0) + 1
            print(_json_line(sent) if as_json else sent.line(), flush=True)
    if len(files) > 1:
        summary = ", ".join(f"{counts[name]} {name}" for name in ("OK", "NOK", "OFF", "ERROR") if name in counts)
        click.echo(f"{len(files)} frames: {summary}", err=True)
    found.tell_passed_over()
    sys.exit(_FAILED if counts.get("ERROR") else _NOK if counts.get("NOK") else 0)


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
        return Sent(path, None, f"{answer.status_code} {explain(answer)}")
    try:
        image_bytes = int(answer.headers.get("ImageLen", 0))
        context = orjson.loads(answer.content[image_bytes:])
        if folder is not None and image_bytes:
            (folder / f"{path.stem}.png").write_bytes(answer.content[:image_bytes])
    except ValueError:
        fail(UNREACHABLE, f"what answers at {client.base_url} is no Framemill server")
    except OSError as error:
        return Sent(path, None, f"its picture cannot be saved: {error}")
    return Sent(path, context, None)


def _json_line(sent: Sent) -> str:
    document = {"file": printable(sent.path), "verdict": sent.verdict, "context": sent.context, "error": sent.error}
    return orjson.dumps(document).decode()
