"""Good pictures as a module sees them: through the flow before it, in processes as those of `framemill run`."""

from __future__ import annotations

import errno
import hashlib
import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from workers.programs.try_pool import TryPool
from workers.teaching.pictures import place_of
from workers.trying.seen import NOT_KEPT
from workers.trying.try_messages import Frame, Start

_HEAD = struct.Struct(">16xII1xB")  # of a PNG: width, height and, behind the depth, its kind of colours
_GREY = 0


class Form(NamedTuple):
    """What a picture is: width and height in px, and its channels, 1 or 3."""

    width_px: int
    height_px: int
    channels: int

    @classmethod
    def of(cls, png: Path) -> Form:
        """Read it from a file of ours; raises OSError."""
        with png.open("rb") as file:
            width, height, colours = _HEAD.unpack(file.read(_HEAD.size))
        return cls(width, height, 1 if colours == _GREY else 3)


@dataclass(slots=True)
class Gathered:
    """The good pictures in `folder`: `files` are those that they were, `sums` their SHA-256, in the order of numbers.

    `left_out` are files with the reason why, `twice` counts files with the content of another, `known` those that were
    learned before.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    twice: int = 0
    known: int = 0
    forms: list[Form] = field(default_factory=list)

    @property
    def form(self) -> Form:
        """What most of them are; those of other sizes count too, and are all of as many channels."""
        return Counter(self.forms).most_common(1)[0][0]


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures come from: files through the processes that `start` begins.

    `data_of` says what a client would send with a file; `known` are the sums of those that were learned before.
    """

    start: Start
    processes: int
    files: Sequence[Path]
    data_of: Callable[[Path], str]
    known: Collection[str] = ()


def gather(source: Source, gathered: Gathered) -> Iterator[Path]:
    """Put into `gathered` what the module sees of the files, and yield each when it is done.

    Raises:
        ProjectInvalid: the project cannot be loaded; the message says why.
        OSError: the machine refuses a process.
    """
    wanted: dict[str, Path] = {}
    for path in source.files:
        try:
            content_sum = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            gathered.left_out.append((path, f"cannot be read: {error.strerror}"))
            content_sum = ""
        if content_sum and content_sum not in source.known and content_sum not in wanted:
            wanted[content_sum] = path
            continue
        gathered.known += content_sum in source.known
        gathered.twice += content_sum in wanted
        yield path
    if not wanted:
        return
    seen = gathered.folder / "seen"
    seen.mkdir()
    paths, why = [*wanted.values()], dict[int, str]()
    frames = [
        Frame(str(path.absolute()), source.data_of(path), str(place_of(seen, number)))
        for number, path in enumerate(paths)
    ]
    with TryPool(source.start, max(1, min(source.processes, len(frames)))) as pool:
        for tried in pool.run(frames):
            if tried.error.startswith(NOT_KEPT):  # that is no fault of this picture
                raise OSError(errno.ENOSPC, tried.error, str(gathered.folder))
            if not tried.context:
                why[tried.number] = tried.error
            yield paths[tried.number]
    _keep(gathered, [*wanted.items()], seen, why)


def _keep(gathered: Gathered, wanted: Sequence[tuple[str, Path]], seen: Path, why: dict[int, str]) -> None:
    """Number those that were seen anew, in the order of their files: which ones are held out depends on that alone."""
    forms = {number: Form.of(place_of(seen, number)) for number in range(len(wanted)) if number not in why}
    channels = Counter(form.channels for form in forms.values())
    most = channels.most_common(1)[0][0] if channels else 0
    for number, (content_sum, path) in enumerate(wanted):
        if number in why:
            gathered.left_out.append((path, why[number]))
        elif forms[number].channels != most:
            kind = "grey, and most others are in colour" if most == 3 else "in colour, and most others are grey"
            gathered.left_out.append((path, f"is {kind}"))
        else:
            place_of(seen, number).rename(place_of(gathered.folder, len(gathered.files)))
            gathered.files.append(path)
            gathered.sums.append(content_sum)
            gathered.forms.append(forms[number])
