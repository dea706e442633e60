"""What operators have set: one state for all fronts, of this server and of the one that follows, and a file.

Every front looks at one word of a shared memory at each frame (workers/memory/global_data.py), and so all of them go
over to a new revision at once; what a frame is inspected with travels with it. Whoever changes something holds the lock
of that memory, writes the file, then the memory: one that is killed in between leaves a mark, and the supervisor makes
the memory what the file says. A file that is damaged counts for nothing: defaults hold, under a revision that nobody
has had, and log and page say so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import orjson

from service.inputs.kept import KeptInputs, State, is_same, state_of, text_of
from service.inputs.trouble import InputInvalid, InputsChanged, InputsNotKept
from workers.flow.inputs import Input, Value, as_declared
from workers.memory.global_data import GlobalData, GlobalDataBusy
from workers.pool.job import MAX_INPUT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

MEMORY_KIB = 16


class Given(NamedTuple):
    """What a frame is inspected with: the revision, and its values as JSON."""

    revision: int
    packed: bytes


class Changed(NamedTuple):
    """What became of a change: the state after it, and each input that it changed with its values before and now."""

    state: State
    inputs: Mapping[str, tuple[Value, Value]]


class OperatorInputs:
    """One process's view; `fd` is the shared memory. For all threads."""

    def __init__(self, fd: int, state_dir: Path) -> None:
        self.fd = fd
        self._memory = GlobalData(fd)
        self._kept = KeptInputs(state_dir, self._memory)
        self._lock = threading.Lock()
        self._text = b""
        self._given: Given | None = None

    @property
    def now(self) -> Given | None:
        """What a frame that comes now is inspected with; None where the project has no inputs."""
        text = self._memory.read()
        if text is not self._text:
            state = state_of(text)
            self._given = Given(state.revision, orjson.dumps(state.values)) if state.is_declared else None
            self._text = text
        return self._given

    @property
    def state(self) -> State:
        """All that is known now."""
        return state_of(self._memory.read())

    def begin(self, inputs: Sequence[Input], *, inherited: bool) -> None:
        """Be as they were left; as the server before has them, where its memory was inherited. In the supervisor."""
        if not inherited:
            with self._held():
                self._memory.change(lambda _: text_of(self._kept.left()))
            self.adopt(inputs)
        elif self._kept.left() != self.state:  # it has another state folder
            try:
                with self._held():
                    self._memory.change(lambda text: self._kept.write(state_of(text)))
            except InputsNotKept as error:
                _log.error("%s", error.message)

    def settle(self) -> None:
        """Make the memory what the file says where somebody died on the way. In the supervisor."""
        if self._kept.is_under_way and self._lock.acquire(blocking=False):
            try:
                self._memory.change(lambda text: self._kept.settled(state_of(text)), patience_s=0)
            except GlobalDataBusy:  # that one still lives
                pass
            finally:
                self._lock.release()

    def adopt(self, inputs: Sequence[Input]) -> Mapping[str, tuple[Value, str]]:
        """Go on with a version that declares `inputs`: what it would not take is not set any more.

        Returns what that was, each with the reason. In the supervisor.
        """
        state = self.state
        taken, refused = as_declared(inputs, state.values)
        if not refused and state.is_declared is bool(inputs):
            return {}
        after = state.model_copy(update={"is_declared": bool(inputs)})
        if refused:
            after = after.with_values(taken, "", "")
        dropped = {name: (state.values[name], why) for name, why in refused.items()}
        for name, (value, why) in dropped.items():
            _log.warning(
                "the input %s was %r and is not any more, for the version that runs now: %s (revision %d)",
                name,
                value,
                why,
                after.revision,
            )
        try:
            with self._held():
                self._memory.change(lambda _: self._kept.write(after) if refused else text_of(after))
        except InputsNotKept as error:
            _log.error("%s", error.message)
        return dropped

    def change(
        self,
        wanted: Mapping[str, object],
        inputs: Sequence[Input],
        *,
        seen: int | None = None,
        who: str = "",
        address: str = "",
    ) -> Changed:
        """Set what is `wanted`, all of it or nothing; None is back to the default.

        `seen` is the revision that who asks knew.

        Raises:
            InputInvalid: a value is none that `inputs` take; the message names each.
            InputsChanged: the revision is another by now; the message says what changed.
            InputsNotKept: they cannot be written down.
        """
        taken, refused = as_declared(inputs, {name: value for name, value in wanted.items() if value is not None})
        unknown = as_declared(inputs, dict.fromkeys(wanted.keys() - {one.name for one in inputs}))[1]
        if refused | unknown:
            reasons = refused | unknown
            raise InputInvalid("\n".join(f"{name}: {why}" for name, why in reasons.items()), reasons)
        done: list[Changed] = []

        def merge(text: bytes) -> bytes:
            before = state_of(text)
            if seen is not None and seen != before.revision:
                raise InputsChanged(_what_changed(before, seen, inputs))
            valid = as_declared(inputs, before.values)[0]
            values = {name: value for name, value in (valid | taken).items() if wanted.get(name, value) is not None}
            if len(orjson.dumps(values)) > MAX_INPUT_BYTES:
                raise InputInvalid(f"all values together have more than {MAX_INPUT_BYTES} bytes as JSON")
            shown = {one.name: one.initial() for one in inputs}
            was, now = shown | valid, shown | values
            different = {name: (was[name], now[name]) for name in now if not is_same(was, now, name)}
            if _is_equal(values, before.values) and not before.trouble:
                done.append(Changed(before, {}))
                return text
            after = before.with_values(values, who, address)
            done.append(Changed(after, different))
            return self._kept.write(after)

        with self._held():
            self._memory.change(merge)
        if done[0].state.revision:
            told = ", ".join(f"{name} {was!r} -> {now!r}" for name, (was, now) in done[0].inputs.items())
            _log.info(
                "inputs, revision %d: %s; by %s, %s", done[0].state.revision, told, who or "nobody known", address
            )
        return done[0]

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Be the only thread of this process that changes them; raises InputsNotKept for trouble on the way."""
        try:
            with self._lock:
                yield
        except GlobalDataBusy:
            raise InputsNotKept("the inputs stay as they are: another process has been at it for too long") from None
        except OSError as error:
            raise InputsNotKept(
                f"the inputs could not be saved, so they stay as they are: {error.strerror or error}"
            ) from None


def _is_equal(before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
    return before.keys() == after.keys() and all(is_same(before, after, name) for name in after)


def _what_changed(state: State, seen: int, inputs: Sequence[Input]) -> str:
    names = [one.name for one in inputs if state.changed.get(one.name, 0) > seen]
    values = {one.name: state.values.get(one.name, one.initial()) for one in inputs}
    told = ", ".join(f"{name} is {values[name]!r}" for name in names) or "all were set anew"
    by = f" by {state.who}" if state.who else ""
    return f"revision {seen} was seen, {state.revision} holds by now: {told}; changed{by}. Nothing was changed now"
