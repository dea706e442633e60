"""Good pictures as a module sees them: through the flow before it, in processes as those of `framemill run`."""

from __future__ import annotations

import errno
import hashlib
import math
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from workers.modules.anomaly.learned_file import OTHER_SIZE, is_of_other_size
from workers.programs.try_pool import TryPool
from workers.teaching.pictures import place_of
from workers.text import Told
from workers.trying.seen import NOT_KEPT
from workers.trying.try_messages import Frame, Start

_HEAD = struct.Struct(">16xII1xB")  # of a PNG: width, height and, behind the depth, its kind of colours
_GREY = 0


class Form(NamedTuple):
    """What a picture is: width and height in px, and its channels, 1 or 3."""

    width_px: int
    height_px: int
    channels: int

    @property
    def image_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.width_px, self.height_px

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
    learned before. `form` is what is taught, between the smallest and the largest of them, or what was before.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    twice: int = 0
    known: int = 0
    forms: list[Form] = field(default_factory=list)
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures come from: files through the processes that `start` begins.

    `told` are patterns of what a client would say with a file; `known` are the sums of those that were learned before,
    and `taught` is their form.
    """

    start: Start
    processes: int
    files: Sequence[Path]
    told: Told
    known: Collection[str] = ()
    taught: Form | None = None


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
        Frame(str(path.absolute()), source.told.of(path), str(place_of(seen, number)))
        for number, path in enumerate(paths)
    ]
    with TryPool(source.start, max(1, min(source.processes, len(frames)))) as pool:
        for tried in pool.run(frames):
            if tried.error.startswith(NOT_KEPT):  # that is no fault of this picture
                raise OSError(errno.ENOSPC, tried.error, str(gathered.folder))
            if not tried.context:
                why[tried.number] = tried.error
            yield paths[tried.number]
    forms = {number: Form.of(place_of(seen, number)) for number in range(len(paths)) if number not in why}
    if forms:
        why |= _unlike(forms, gathered, source.taught)
    _keep(gathered, [*wanted.items()], seen, why, forms)


def _unlike(forms: dict[int, Form], gathered: Gathered, taught: Form | None) -> dict[int, str]:
    """Say why pictures are left out for what they are, by number: the module would refuse them as frames.

    Pictures in colour go on where grey was taught, as they do in the flow: then all of them are in colour.
    """
    channels = Counter(form.channels for form in forms.values()).most_common(1)[0][0]
    whose = "most others are"
    if taught and taught.channels == 3:
        channels, whose = 3, "it was taught with pictures"
    kind = f"is grey, and {whose} in colour" if channels == 3 else "is in colour, and most others are grey"
    alike = sorted((form for form in forms.values() if form.channels == channels), key=math.prod)
    if not alike:
        return dict.fromkeys(forms, kind)
    form = taught or alike[len(alike) // 2]
    gathered.form = taught or _between([each for each in alike if not is_of_other_size(each.image_px, form.image_px)])
    why: dict[int, str] = {}
    for number, each in forms.items():
        if each.channels != channels:
            why[number] = kind
        elif is_of_other_size(each.image_px, form.image_px):
            usual = "were taught" if taught else "are in the middle of these pictures"
            why[number] = (
                f"is of another size, {form.width_px} x {form.height_px} px {usual}:"
                f" expected at most {OTHER_SIZE} times as many pixels, and at least a quarter"
            )
    return why


def _between(forms: Sequence[Form]) -> Form:
    """Return which of these, in order of their sizes, is as many times larger than the first as the last than it."""
    middle = math.sqrt(math.prod(forms[0]) * math.prod(forms[-1]))
    return min(forms, key=lambda form: abs(math.log(math.prod(form) / middle)))


def _keep(
    gathered: Gathered, wanted: Sequence[tuple[str, Path]], seen: Path, why: dict[int, str], forms: dict[int, Form]
) -> None:
    """Number those that were seen anew, in the order of their files: which ones are held out depends on that alone."""
    for number, (content_sum, path) in enumerate(wanted):
        if number in why:
            gathered.left_out.append((path, why[number]))
        else:
            place_of(seen, number).rename(place_of(gathered.folder, len(gathered.files)))
            gathered.files.append(path)
            gathered.sums.append(content_sum)
            gathered.forms.append(forms[number])
