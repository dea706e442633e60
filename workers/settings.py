"""Settings of the pool. The server's own are in `service/settings.py`, which adds to these.

Frozen and validated once; each default has its reason beside it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from workers.machine import cores, memory_mib

MIB = 1 << 20
CPU = "CPUExecutionProvider"


Format = Literal["jpeg", "png", "bmp", "tiff", "webp"]

WORKERS_GO_S = 2.0  # at the end, or as long as finish_ms lets user code take: they are idle by then
_KILLED_S = 0.5  # until those are gone that took longer


def split_names(value: object) -> object:
    """Take `jpeg,png` apart: an environment variable is one text."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def fronts_for(cores: int, workers: int, slots: int = 0) -> int:
    """How many fronts a server has that is not told; `slots` is the setting, 0 where that is not told either.

    One for two workers, and at most eight, of two slots or more: on 16 cores four workers did 8,048 small frames/s with
    one front, 23,164 with two and 37,813 with four, and eight workers 4,958, 7,668 and 8,144 Bayer frames/s of
    1920x1024. Beyond one for two, each takes a core from the workers, and 56 MiB for the frame that it keeps. On two
    cores a second one costs more in changes between processes than it brings, so there, and on three, it is one.
    """
    return max(1, min(8, cores // 2, workers // 2, slots // 2 if slots else 8))


class PoolSettings(BaseModel):
    """Sizes and limits of the pool of workers and its frame memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: Annotated[int, Field(ge=1, le=64, description="processes that inspect frames")] = Field(
        default_factory=cores  # one per core: a worker computes on one thread
    )
    slots: Annotated[
        int, Field(ge=0, le=200, description="frames in the server at once; 0 for twice the workers and four")
    ] = 0
    fronts: Annotated[int, Field(ge=1, le=16, description="processes that speak HTTP")] = Field(
        default_factory=lambda data: fronts_for(cores(), data["workers"], data["slots"])
    )
    kept_slots: Annotated[
        int,
        Field(ge=0, le=16, description="frames of a front that may stay for who follows results, beside the others"),
    ] = 0  # each takes as much memory as a slot
    max_frame_mib: Annotated[int, Field(ge=1, le=1024, description="the largest body of a request, in MiB")] = (
        24  # 8 megapixels of BGR; a 20 megapixel camera needs 60
    )
    max_reply_mib: Annotated[int, Field(ge=1, le=1024, description="the largest picture with its context, in MiB")] = (
        32  # a PNG of noise is larger than its pixels
    )
    max_context_kib: Annotated[int, Field(ge=16, le=1 << 20, description="the largest context as JSON, in KiB")] = (
        1024  # far more than any verdict needs; an image in a custom key is a mistake
    )
    global_data_kib: Annotated[int, Field(ge=1, le=1 << 20, description="room for globalData as JSON, in KiB")] = (
        64  # counters and the last parts, not pictures: each frame of a flow that uses it reads all of it
    )
    deadline_ms: Annotated[int, Field(ge=10, le=600_000, description="time from a request to its answer")] = (
        10_000  # the vendor's SDK gives up after 20 s; a line has given up long before
    )
    run_ms: Annotated[
        int,
        Field(ge=10, le=600_000, description="how long a frame may run before its worker is killed, <= deadline_ms"),
    ] = Field(
        # what runs longer is of no use to anybody, whenever it was begun
        default_factory=lambda data: data.get("deadline_ms", 10_000)
    )
    queue_ms: Annotated[
        int, Field(ge=0, le=60_000, description="how long a request may wait for a free slot before 429")
    ] = 250  # 64 cameras in turn on two cores take 80 ms
    boot_ms: Annotated[int, Field(ge=100, le=3_600_000, description="time for a worker to load the project")] = (
        60_000  # models are read from disk
    )
    proof_ms: Annotated[
        int, Field(ge=100, le=3_600_000, description="time for the proof of a version, all frames together")
    ] = 60_000  # a hundred large frames; nobody waits for it but who reloads
    broken_flow_pause_ms: Annotated[
        int, Field(ge=100, le=3_600_000, description="how long a flow that ends its workers rests before it is tried")
    ] = 10_000  # long enough to be seen, short enough for a camera that was unplugged meanwhile
    worker_memory_mib: Annotated[
        int, Field(ge=0, le=1 << 20, description="private memory of a worker in MiB, 0 for no limit")
    ] = Field(
        # all workers together leave a fifth of the machine to the rest; a project without models takes about 130
        default_factory=lambda data: max(512, memory_mib() * 4 // 5 // data["workers"])
    )
    recycle_after_frames: Annotated[
        int, Field(ge=0, description="replace a worker after so many frames, 0 for never")
    ] = 0
    finish_ms: Annotated[
        int,
        Field(ge=0, le=10_000, description="time of a worker that ends for stop() and atexit, 0 to have neither run"),
    ] = 2000  # long enough to write what was buffered, short enough for whoever restarts a line
    max_megapixels: Annotated[float, Field(gt=0, le=1000, description="the largest encoded image")] = 50.0
    formats: Annotated[
        frozenset[Format],
        BeforeValidator(split_names, json_schema_input_type=frozenset[Format] | str),
        Field(description="encoded formats that are accepted"),
    ] = frozenset(
        {"jpeg", "png"}  # what the decoders are tested against damaged files for
    )
    lenient: Annotated[
        bool, Field(description="decode damaged JPEG and PNG files as far as they go; such a frame is never OK")
    ] = False  # what a decoder fills in is not the part under the camera
    model_provider: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="what computes models whose modules do not say it, one of onnxruntime's execution providers",
        ),
    ] = CPU  # forks of one process can share what a processor computes, and nothing else

    @field_validator("run_ms")
    @classmethod
    def _ends_by_the_deadline(cls, run_ms: int, others: ValidationInfo) -> int:
        deadline_ms = others.data.get("deadline_ms", run_ms)
        if run_ms > deadline_ms:
            msg = f"should be at most deadline_ms = {deadline_ms}, got {run_ms}"
            raise ValueError(msg)
        return run_ms

    @property
    def drain_s(self) -> int:
        """How long fronts may take at the end to answer who is there: as long as a frame may."""
        return max(1, self.deadline_ms // 1000 + 1)

    @property
    def stop_s(self) -> float:
        """How long the whole server may take to end; systemd's TimeoutStopSec is longer at any setting."""
        return self.drain_s + max(WORKERS_GO_S, self.finish_ms / 1000 + _KILLED_S)

    @property
    def slots_per_front(self) -> int:
        """How many frames one front can have in the server at once."""
        wanted = self.slots or 2 * self.workers + 4
        return max(2, -(-wanted // self.fronts))

    @property
    def worker_rows(self) -> int:
        """Places for workers: while a project is loaded anew the old and the new ones live side by side."""
        return 2 * self.workers + 2
