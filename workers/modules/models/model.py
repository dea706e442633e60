"""A trained model, ready to be asked about images: loaded, looked at once, with what reads its outputs.

What it takes and gives is known from the model, from what its export has written beside it, and from options. It is
asked once about a grey picture where the project is loaded, so that outputs that nobody can read are a mistake there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

import numpy as np

from workers.errors import ModelFailed, ProjectInvalid
from workers.modules.base import on_run
from workers.modules.models.labels import Labels
from workers.modules.models.local import Sessions
from workers.modules.models.metadata import Metadata, read_metadata
from workers.modules.models.server import RemoteNetwork
from workers.modules.models.shown import Fitted, Input, View, Way

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.models.network import Network, Output, Signature
    from workers.modules.models.options import ModelOptions

_log = logging.getLogger(__name__)

_LOAD_NS = 10_000_000_000  # what a server has to say what its model is


class Facts(NamedTuple):
    """What is known of a model before the first frame; `outputs` are those of a grey picture."""

    where: str
    signature: Signature
    metadata: Metadata
    labels: Labels
    outputs: list[Output]
    input_px: tuple[int, int]

    def refuse(self, expected: str) -> NoReturn:
        """Raise ProjectInvalid: the model gives nothing that can be read."""
        given = ", ".join(map(str, self.outputs)) or "nothing"
        msg = f"{self.where}: its outputs cannot be read, they are {given}; expected {expected}: {self.signature}"
        raise ProjectInvalid(msg)

    def expect_task(self, what: str, *tasks: str) -> None:
        """Raise ProjectInvalid where an export of Ultralytics was trained for another task; `what` is expected."""
        if self.metadata.ultralytics and self.metadata.task not in {"", *tasks}:
            self.refuse(f"{what}, not one for the task {self.metadata.task!r}")


Reader = TypeVar("Reader")


class _Ready(NamedTuple, Generic[Reader]):
    input: Input
    facts: Facts
    reader: Reader


class ModelModule:
    """A module that asks a model, as a flow runs it: `inspect` is told of a context and of the frame's time."""

    def __init__(
        self, inspect: Callable[[Context, Run], None], model: Model[Any], surroundings: ModuleSurroundings
    ) -> None:
        self._call, self._model = on_run(inspect, surroundings), model

    def __call__(self, context: Context, run: Run) -> bool:
        """Run it; False where it could not do its work."""
        return self._call(context, run)

    def stop(self) -> None:
        """Close what a worker has open."""
        self._model.release()


def _network(options: ModelOptions, surroundings: ModuleSurroundings) -> Network:
    if options.file is None:
        return RemoteNetwork(options)
    return surroundings.shared(Sessions).of(options.file, options.computed_by)


class Model(Generic[Reader]):
    """A model and what `read` makes of the facts about it."""

    def __init__(
        self,
        options: ModelOptions,
        surroundings: ModuleSurroundings,
        read: Callable[[Facts], Reader],
        way: Callable[[Metadata], Way],
    ) -> None:
        """Load it; `way` says how pictures are fitted into its input where the options do not.

        Raises:
            ProjectInvalid: it cannot be loaded, takes no pictures, or gives what cannot be read.
        """
        self._options = options
        self._read, self._way = read, way
        self._ready: _Ready[Reader] | None = None
        self._network = _network(options, surroundings)
        try:
            self._ready = self._opened(time.monotonic_ns() + _LOAD_NS)
        except ModelFailed as error:  # it may be started later than we are
            _log.warning("%s: %s; it is asked again at the next frame", options.title, error.message)
        finally:
            self._network.release()

    @property
    def labels(self) -> Labels:
        """The names of its classes."""
        assert self._ready is not None
        return self._ready.facts.labels

    @property
    def reader(self) -> Reader:
        """What reads its outputs."""
        assert self._ready is not None
        return self._ready.reader

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height of its input."""
        assert self._ready is not None
        return self._ready.input.size_px

    def ask(self, image: NDArray[np.uint8], view: View, run: Run) -> tuple[list[Output], Fitted]:
        """Return what it says of a part of `image`, (h, w) grey or (h, w, 3) BGR, and how that lies in its input.

        Raises:
            DeadlineExceeded: the frame's time is over, before or after; what runs here cannot be broken off.
            ModelFailed: its server did not answer, or it gave what is not a number.
        """
        run.look_at_time()
        if self._ready is None:
            self._ready = self._opened(run.deadline_ns)
        tensor, fitted = self._ready.input.show(image, view)
        outputs = self._network.run(tensor, run.deadline_ns, run.about)
        run.look_at_time()
        self._check(outputs)
        return outputs, fitted

    def release(self) -> None:
        """Close what this process has open; the next frame opens it again."""
        self._network.release()

    def _check(self, outputs: list[Output]) -> None:
        """Refuse what is not a number (it is never OK), and another number of outputs than at first."""
        assert self._ready is not None
        expected = [each.name for each in self._ready.facts.outputs]
        if [each.name for each in outputs] != expected:
            msg = f"the model gave {', '.join(map(str, outputs))}, expected {', '.join(expected)} as before"
            raise ModelFailed(msg)
        for name, values in outputs:
            if values.dtype.kind == "f" and values.size and np.isnan(values.min()):
                msg = f"the model's output {name} is not a number in places: what it found cannot be told"
                raise ModelFailed(msg)

    def _opened(self, deadline_ns: int) -> _Ready[Reader]:
        options, network = self._options, self._network
        where = f"file: {options.file}" if options.file else f"model: {options.model} at {options.server}"
        signature = network.signature(deadline_ns)
        metadata = read_metadata(signature.metadata)
        labels = Labels(options, metadata)
        shown = Input(options, signature, metadata, self._way(metadata))
        labels.check("ok_labels", options.ok_labels)
        labels.check("only_labels", getattr(options, "only_labels", None))
        try:
            outputs = network.run(shown.empty(), deadline_ns)
        except ModelFailed:
            raise
        except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each status, and no common one
            why = " ".join(str(error).split())[:500]
            width, height = shown.size_px
            msg = f"{where} fails on a picture of {width} x {height} px: {why}; {signature}"
            raise ProjectInvalid(msg) from None
        facts = Facts(where, signature, metadata, labels, outputs, shown.size_px)
        return _Ready(shown, facts, self._read(facts))
