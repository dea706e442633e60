"""What one sees of results as they come: cameras, rates, times, the last rejected parts. Pure, and bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from service.results.record import Kind

if TYPE_CHECKING:
    from service.results.record import Record

_SECOND_NS = 1_000_000_000
_WINDOW_NS = 10 * _SECOND_NS  # of rates
_MOST_TIMES = 2000  # of which the slowest in a hundred are told
_TIMES_NS = 60 * _SECOND_NS
_MOST_CAMERAS = 64
_MOST_REJECTED = 24
_SILENT_GAPS = 10  # a camera that was quiet for as many of its usual pauses
_SILENT_NS = 5 * _SECOND_NS


class Rejected(NamedTuple):
    """A part that was not OK, or had an error."""

    id: str
    came_ns: int
    word: str
    camera: str
    part: str
    labels: tuple[str, ...]
    score: float | None


@dataclass(slots=True)
class Camera:
    """What one camera sends: when last, how often, and what became of that."""

    name: str
    last_ns: int = 0
    word: str = ""
    recent_ns: deque[int] = field(default_factory=lambda: deque(maxlen=1000))

    def per_second(self, now_ns: int) -> float:
        """How many frames came a second lately."""
        return _rate(self.recent_ns, now_ns)

    def is_silent(self, now_ns: int) -> bool:
        """Whether it has not sent for much longer than it usually pauses."""
        count = len(self.recent_ns)
        if count < 2:
            return False
        usual_ns = (self.recent_ns[-1] - self.recent_ns[0]) / (count - 1)
        return now_ns - self.last_ns > max(_SILENT_NS, _SILENT_GAPS * usual_ns)


class Seen:
    """Takes records in the order in which they are read."""

    def __init__(self) -> None:
        self.cameras: OrderedDict[str, Camera] = OrderedDict()  # who sent last is last
        self.rejected: deque[Rejected] = deque(maxlen=_MOST_REJECTED)  # the newest last
        self.last: Record | None = None
        self._came_ns: deque[int] = deque(maxlen=20_000)
        self._took: deque[tuple[int, int]] = deque(maxlen=_MOST_TIMES)

    def add(self, record: Record) -> None:
        """Take a record; refusals say nothing of parts."""
        head = record.head
        if head.kind is not Kind.FRAME:
            return
        name = str(record.about.get("camera", "") or record.about.get("client", ""))
        camera = self.cameras.pop(name, None) or Camera(name)
        self.cameras[name] = camera
        if len(self.cameras) > _MOST_CAMERAS:
            self.cameras.popitem(last=False)
        camera.last_ns, camera.word = head.came_ns, record.word
        camera.recent_ns.append(head.came_ns)
        self._came_ns.append(head.came_ns)
        self._took.append((head.came_ns, head.times.took_ns))
        self.last = record
        if record.word in {"NOK", "ERROR"}:
            self.rejected.append(_rejected(record, name))

    def per_second(self, now_ns: int) -> float:
        """How many frames came a second lately, of all cameras."""
        return _rate(self._came_ns, now_ns)

    def p99_ns(self, now_ns: int) -> int | None:
        """How long the slowest frame in a hundred of the last minute took; None where there was none."""
        took = sorted(took_ns for came_ns, took_ns in self._took if now_ns - came_ns < _TIMES_NS)
        return took[min(len(took) - 1, len(took) * 99 // 100)] if took else None


def _rate(came_ns: deque[int], now_ns: int) -> float:
    """Frames a second over the window, or since the first of them where that was later."""
    recent = 0
    oldest_ns = now_ns
    for at_ns in reversed(came_ns):
        if now_ns - at_ns > _WINDOW_NS:
            break
        recent += 1
        oldest_ns = at_ns
    if recent == came_ns.maxlen:  # more than are remembered came in the window
        return recent * _SECOND_NS / max(1, now_ns - oldest_ns)
    return recent * _SECOND_NS / _WINDOW_NS


def _rejected(record: Record, camera: str) -> Rejected:
    essence = record.essence
    labels = tuple(str(label) for label in (essence.get("labels") or ())[:4])
    score = essence.get("score")
    part = str(record.about.get("part") or "")
    known_score = float(score) if isinstance(score, int | float) else None
    return Rejected(record.id, record.head.came_ns, record.word, camera, part, labels, known_score)
