"""What one sees of results as they come: cameras, rates, times, the last rejected parts. Pure, and bounded."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from service.results.record import Kind

if TYPE_CHECKING:
    from service.results.record import Record

_SECOND_NS = 1_000_000_000
_WINDOW_S = 10  # of rates
_TIMES_S = 60
_BINS = 16  # in which times double
_PAUSES = 10  # of a camera, that its usual one is made of
_OK = 200
_MOST_CAMERAS = 64
_MOST_REJECTED = 24
_SILENT_GAPS = 10  # a camera that was quiet for as many of its usual pauses
_SILENT_NS = 10 * _SECOND_NS


class Rejected(NamedTuple):
    """A part that was not OK, or had an error."""

    id: str
    came_ns: int
    word: str
    camera: str
    part: str
    labels: tuple[str, ...]
    score: float | None


class Rate:
    """How many came in each of the last seconds."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque(maxlen=_WINDOW_S)  # second, count

    def add(self, came_ns: int) -> None:
        """Count one."""
        second = came_ns // _SECOND_NS
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])

    def per_second(self, now_ns: int) -> float:
        """How many came a second, over the last ten, the present one as far as it has come."""
        first = now_ns // _SECOND_NS - _WINDOW_S + 1
        count = sum(number for second, number in self._seconds if second >= first)
        return count * _SECOND_NS / (now_ns - first * _SECOND_NS)


class Slowest:
    """How long frames of the last minute took, in bins that are 4 % apart."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, Counter[int]]] = deque(maxlen=_TIMES_S)

    def add(self, came_ns: int, took_ns: int) -> None:
        """Count one."""
        second = came_ns // _SECOND_NS
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append((second, Counter()))
        self._seconds[-1][1][int(log2(took_ns + 1) * _BINS)] += 1

    def p99_ns(self, now_ns: int) -> int | None:
        """How long the slowest frame in a hundred of the last minute took; None where there was none."""
        first = now_ns // _SECOND_NS - _TIMES_S
        bins: Counter[int] = Counter()
        for second, counted in self._seconds:
            if second > first:
                bins.update(counted)
        left = bins.total() // 100
        for found in sorted(bins, reverse=True):
            left -= bins[found]
            if left < 0:
                return round(2 ** ((found + 0.5) / _BINS))
        return None


class Camera:
    """What one camera sends: when last, and how often."""

    __slots__ = ("_pause_ns", "last_ns", "name", "rate")

    def __init__(self, name: str) -> None:
        self.name = name
        self.last_ns = 0
        self.rate = Rate()
        self._pause_ns = 0.0

    def add(self, came_ns: int) -> None:
        """Take note of a frame."""
        if self.last_ns:
            pause_ns = came_ns - self.last_ns
            self._pause_ns += (pause_ns - self._pause_ns) / _PAUSES if self._pause_ns else pause_ns
        self.last_ns = came_ns
        self.rate.add(came_ns)

    def is_silent(self, now_ns: int) -> bool:
        """Whether it has not sent for much longer than it usually pauses."""
        return self._pause_ns > 0 and now_ns - self.last_ns > max(_SILENT_NS, _SILENT_GAPS * self._pause_ns)


class Seen:
    """Takes records in the order in which they are read."""

    def __init__(self) -> None:
        self.cameras: OrderedDict[str, Camera] = OrderedDict()  # who sent last is last
        self.rejected: deque[Rejected] = deque(maxlen=_MOST_REJECTED)  # the newest last
        self.rate = Rate()
        self.slowest = Slowest()

    def add(self, record: Record) -> None:
        """Take a record; refusals say nothing of parts."""
        head = record.head
        if head.kind is not Kind.FRAME:
            return
        name = str(record.about.get("camera", "") or record.about.get("client", ""))
        camera = self.cameras.get(name)
        if camera is None:
            camera = self.cameras[name] = Camera(name)
            if len(self.cameras) > _MOST_CAMERAS:
                self.cameras.popitem(last=False)
        else:
            self.cameras.move_to_end(name)
        camera.add(head.came_ns)
        self.rate.add(head.came_ns)
        self.slowest.add(head.came_ns, head.times.took_ns)
        # a line that is held would push out those for which it is
        if record.held is None and (head.verdict is False or head.status != _OK):
            self.rejected.append(_rejected(record, name))


def _rejected(record: Record, camera: str) -> Rejected:
    essence = record.essence
    labels = tuple(str(label) for label in (essence.get("labels") or ())[:4])
    score = essence.get("score")
    part = str(record.about.get("part") or "")
    known_score = float(score) if isinstance(score, int | float) else None
    return Rejected(record.id, record.head.came_ns, record.word, camera, part, labels, known_score)
