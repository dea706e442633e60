"""The pictures of a folder through a project's flow, on all cores, as its server would answer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from service.inputs.typed import typed
from service.server.preflight import refuse_code
from service.settings import Settings, load_settings
from service.tryout.row import Row, row_of
from workers.errors import InvalidParameter, ProjectInvalid
from workers.flow.inputs import packed
from workers.flow.project import Project, load_project
from workers.programs.try_pool import Tried, TryPool
from workers.settings import PoolSettings
from workers.text import NOTHING_TOLD, Told
from workers.trying.try_messages import Frame, Start, check_told
from workers.versions.copy import version_of

if TYPE_CHECKING:
    from service.tryout.truth import Expected
    from workers.flow.proof import Proof


@dataclass(frozen=True, slots=True)
class Trial:
    """A project without mistakes, with the settings that it would be served with, and the hash of its content.

    `inputs` is what operators would have set, as JSON.
    """

    project: Project
    settings: Settings
    version: str
    inputs: str = ""

    def processes(self, files: int) -> int:
        """How many processes inspect so many files: the setting `workers`, one per core unless somebody says less."""
        return max(1, min(self.settings.workers, files))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted of a run: `told` are patterns of what a client would say.

    `annotated` is a folder for annotated pictures. `expected` are the verdicts that are right, by file: a row with
    another has a preview, and what is said there of a frame's data, camera and view holds for that frame. With
    `previews` each has one.
    """

    told: Told = NOTHING_TOLD
    annotated: Path | None = None
    expected: Mapping[Path, Expected] | None = None
    previews: bool = False


def open_trial(folder: Path, workers: int | None = None, told: Told = NOTHING_TOLD, *, taught: bool = True) -> Trial:
    """Read a project and its settings as `framemill serve` does; one that is not `taught` yet may lack what it learns.

    `told` are the patterns that are to be said with each file.

    Raises:
        ProjectInvalid, SettingsInvalid: they have mistakes, the message names all of them; or nothing can be inspected
            with which `told` is said.
    """
    project = load_project(folder, taught=taught)
    settings = load_settings(project.server, {"workers": workers})
    try:
        check_told(told.of_all, project.part.views if project.part else ())
    except InvalidParameter as error:
        raise ProjectInvalid(f"--{error.message}") from None
    refuse_code(project, settings)
    try:
        version = version_of(project.folder, [project.data])
    except OSError as error:
        msg = f"{error.filename}: cannot be read: {error.strerror}"
        raise ProjectInvalid(msg) from None
    return Trial(project, settings, version)


def with_inputs(trial: Trial, given: Sequence[str]) -> Trial:
    """Have `given`, each NAME=VALUE, be what operators have set; raises ProjectInvalid."""
    values = typed(given, {one.name: one for one in trial.project.inputs})
    return replace(trial, inputs=packed(trial.project.inputs, values).decode()) if values else trial


def begin(trial: Trial, annotated: Path | None = None, seen_by: int = 0) -> Start:
    """Return what the processes are told to load; `annotated` is the folder for annotated pictures.

    With `seen_by`, the number of a module, they write what that sees of frames.
    """
    return Start(
        project=trial.project.folder,
        version=trial.version,
        settings=PoolSettings(**trial.settings.model_dump(include=set(PoolSettings.model_fields))),
        written=annotated and annotated.resolve(),
        seen_by=seen_by,
        inputs=trial.inputs,
    )


def inspect(trial: Trial, files: Sequence[Path], wishes: Wishes) -> Iterator[tuple[Row, bytes]]:
    """Yield for each file, in their order, what became of it, and its context as JSON, empty where there is none.

    Raises:
        ProjectInvalid: the project cannot be loaded; the message says why.
        OSError: the machine refuses a process.
    """
    written = wishes.annotated and wishes.annotated.resolve()
    expected = wishes.expected or {}
    saved = names_for(files)
    frames = [
        Frame(
            str(path.absolute()),
            expected[path].told(wishes.told.of(path)) if path in expected else wishes.told.of(path),
            str(written / saved[path]) if written else "",
            expected[path].result if path in expected else None,
            wishes.previews,
        )
        for path in files
    ]
    for path, tried in zip(files, _tried(trial, frames, written), strict=True):
        yield row_of(path, tried, expected.get(path)), tried.context


class Proven(NamedTuple):
    """A frame of a project's proof, what became of it, and what is wrong with that: nothing where it is right."""

    proof: Proof
    row: Row
    wrong: tuple[str, ...]


def prove(trial: Trial, *, previews: bool = False) -> Iterator[Proven]:
    """Inspect the frames of a project's proof, as `inspect` does; raises as that does."""
    proofs = trial.project.proofs
    frames = [Frame(str(proof.path), proof.told, preview=previews) for proof in proofs]
    for proof, tried in zip(proofs, _tried(trial, frames), strict=True):
        wrong: tuple[str, ...] = (f"has no verdict: {tried.error}",)
        if tried.context:
            wrong = tuple(proof.differences(orjson.loads(tried.context)))
        yield Proven(proof, row_of(Path(proof.options.frame), tried, None), wrong)


def _tried(trial: Trial, frames: Sequence[Frame], written: Path | None = None) -> Iterator[Tried]:
    """Yield what became of each frame, in their order."""
    start = begin(trial, written)
    done: dict[int, Tried] = {}
    with TryPool(start, trial.processes(len(frames))) as pool:
        next_one = 0
        for tried in pool.run(frames):
            done[tried.number] = tried
            while (there := done.pop(next_one, None)) is not None:
                yield there
                next_one += 1


def names_for(files: Sequence[Path]) -> dict[Path, str]:
    """Return a name for a PNG that is made of each file; files of one name in several folders have several."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in files:
        tries = (f"{path.stem}.png", f"{path.name}.png", f"{path.parent.name}-{path.name}.png")
        name = next((one for one in tries if one not in taken), f"{path.stem}-{len(taken)}.png")
        taken.add(name)
        names[path] = name
    return names
