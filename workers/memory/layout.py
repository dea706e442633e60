"""Where everything lies in the frame memory. Pure arithmetic: this file does no I/O.

The frame memory is one anonymous file (memfd), made by the supervisor and mapped by every process::

    0            +---------------------------------------------------------------+
                 | control page: magic, version, geometry, process switch, ...    |  see control.py
    4096         +---------------------------------------------------------------+
                 | one row per front, one row per worker: counters                |  see control.py
    modules_at   +---------------------------------------------------------------+
                 | names of modules, and frames with an error, by front and module|  see module_table.py
    crashes_at   +---------------------------------------------------------------+
                 | exceptions that the log has had lately                         |  see crash_table.py
    headers_at   +---------------------------------------------------------------+
                 | slot 0 header | slot 1 header | ...          16 KiB each       |  see slot.py
    replies_at   +---------------------------------------------------------------+
                 | slot 0 reply area | slot 1 reply area | ...  written by workers|
    requests_at  +---------------------------------------------------------------+
                 | slot 0 request area | slot 1 request area | ...                |
                 |                             written by fronts, read-only in workers
    total_bytes  +---------------------------------------------------------------+

The order is what each process may write: the supervisor maps up to `replies_at`, a worker maps up to `requests_at`
for writing and the rest for reading, a front maps up to `replies_at`, and of the areas those of its own slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from workers.settings import PoolSettings

PAGE_BYTES = 4096
HEADER_BYTES = 4 * PAGE_BYTES  # words of the state, and the job with its free text
ROW_BYTES = 512
MODULE_PLACES = 256  # in the table of modules; what finds none there is counted as one
NAME_BYTES = 128
CRASH_KINDS = 64
CRASH_BYTES = 256
MAX_SLOTS = 256  # a socket pair takes 278 descriptors of this size before it would block


def _whole_pages(size: int) -> int:
    return -(-size // PAGE_BYTES) * PAGE_BYTES


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes that fix the layout; every process is handed the same.

    `slots_per_front` counts the slots that one front fills; one more per front keeps its last frame for
    `/last_image`, and `kept_per_front` more take the place of those whose frames stay for who follows results.
    """

    fronts: int
    workers: int
    slots_per_front: int
    request_bytes: int
    reply_bytes: int
    kept_per_front: int = 0

    def __post_init__(self) -> None:
        """Round the areas up to whole pages, so that each starts on one."""
        object.__setattr__(self, "request_bytes", _whole_pages(self.request_bytes))
        object.__setattr__(self, "reply_bytes", _whole_pages(self.reply_bytes))
        if not 0 < self.slots <= MAX_SLOTS:
            msg = f"{self.slots} slots asked for, 1 to {MAX_SLOTS} are possible"
            raise ValueError(msg)

    @classmethod
    def of(cls, settings: PoolSettings) -> Self:
        """Lay out the frame memory for these settings."""
        return cls(
            fronts=settings.fronts,
            workers=settings.worker_rows,
            slots_per_front=settings.slots_per_front,
            request_bytes=settings.max_frame_mib << 20,
            reply_bytes=settings.max_reply_mib << 20,
            kept_per_front=settings.kept_slots,
        )

    @property
    def slots(self) -> int:
        """All slots of all fronts."""
        return self.fronts * self.slots_each

    @property
    def slots_each(self) -> int:
        """All slots of a front."""
        return self.slots_per_front + 1 + self.kept_per_front

    @property
    def modules_at(self) -> int:
        """Offset of the table of modules in bytes."""
        return PAGE_BYTES + _whole_pages((self.fronts + self.workers) * ROW_BYTES)

    @property
    def crashes_at(self) -> int:
        """Offset of the table of exceptions in bytes."""
        return self.modules_at + MODULE_PLACES * (NAME_BYTES + self.fronts * 8)

    @property
    def headers_at(self) -> int:
        """Offset of the first slot header in bytes."""
        return _whole_pages(self.crashes_at + CRASH_KINDS * CRASH_BYTES)

    @property
    def replies_at(self) -> int:
        """Offset of the first reply area in bytes."""
        return self.headers_at + self.slots * HEADER_BYTES

    @property
    def requests_at(self) -> int:
        """Offset of the first request area in bytes."""
        return self.replies_at + self.slots * self.reply_bytes

    @property
    def total_bytes(self) -> int:
        """Size of the whole frame memory in bytes."""
        return self.requests_at + self.slots * self.request_bytes

    def header_at(self, slot: int) -> int:
        """Offset of the header of `slot` in bytes."""
        return self.headers_at + slot * HEADER_BYTES

    def reply_at(self, slot: int) -> int:
        """Offset of the reply area of `slot` in bytes."""
        return self.replies_at + slot * self.reply_bytes

    def request_at(self, slot: int) -> int:
        """Offset of the request area of `slot` in bytes."""
        return self.requests_at + slot * self.request_bytes

    def front_row_at(self, front: int) -> int:
        """Offset of the counters of `front` in bytes."""
        return PAGE_BYTES + front * ROW_BYTES

    def worker_row_at(self, worker: int) -> int:
        """Offset of the counters of `worker` in bytes."""
        return PAGE_BYTES + (self.fronts + worker) * ROW_BYTES

    def slots_of_front(self, front: int) -> range:
        """The slots that `front` alone takes and gives back."""
        return range(front * self.slots_each, (front + 1) * self.slots_each)
