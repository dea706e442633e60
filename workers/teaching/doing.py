"""A lesson is done: what is learned is learned, and what is looked at gets its scores."""

from __future__ import annotations

import importlib
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.containment.limits import data_bytes
from workers.modules.anomaly.score import score_of, within
from workers.teaching.drawn import defect_for, mask_of
from workers.teaching.lesson import HEAT, LEARNED, LOOKED, DrawnLook, Lesson, Looked, good_heat_name
from workers.teaching.pictures import KeptPictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.anomaly.method import Learned, Method, Tell
    from workers.training.drawing import Box

_LEARNING_SHARE = 0.7  # of a lesson's time, roughly
_SHOWN_PX = 320  # heat is kept for a report alone
_BESIDE_SHARE = 0.05  # of the picture's longer side: a method may feel a defect as far from its edge


def do(lesson: Lesson, tell: Tell) -> None:
    """Do it, and leave what was found in the lesson's folder; raises whatever the method raises."""
    pictures = KeptPictures(lesson.pictures, lesson.learn)
    before_bytes = data_bytes()
    share = _LEARNING_SHARE if lesson.look else 1.0
    learned = _learned(lesson, pictures, lambda doing, done: tell(doing, share * done))
    if lesson.keep:
        arrays: dict[str, Any] = dict(learned.arrays())
        np.savez(lesson.found / LEARNED, **arrays)
    looking = _Looking(lesson, learned)
    for done, number in enumerate(lesson.look):
        begun = _LEARNING_SHARE if lesson.learn else 0.0
        tell("looks at held-out pictures", begun + (1 - begun) * done / len(lesson.look))
        looking.look(number, pictures.picture(number))
    looked = looking.looked
    if looking.times_ms:
        looked.ms = median(looking.times_ms)
    if not lesson.learn:
        looked.grown_bytes = max(0, data_bytes() - before_bytes)
    heat: dict[str, Any] = dict(looking.heat)
    np.savez(lesson.found / HEAT, **heat)
    (lesson.found / LOOKED).write_text(looked.model_dump_json())


def _learned(lesson: Lesson, pictures: KeptPictures, tell: Tell) -> Learned:
    method: Method = importlib.import_module(lesson.method)
    before = None
    if lesson.before is not None:
        with np.load(lesson.before, allow_pickle=False) as file:
            before = method.restore({name: file[name] for name in file.files}, lesson.backbone)
    if lesson.learn:
        return method.learn(pictures, lesson.seed, tell, before, lesson.backbone)
    assert before is not None, "there is something to learn, or something that was learned"
    return before


class _Looking:
    """Who looks at pictures, and what was found in them: `heat` is small, (rows, columns) float16, by names."""

    def __init__(self, lesson: Lesson, learned: Learned) -> None:
        self._lesson, self._learned = lesson, learned
        self._mask = mask_of(lesson.region)
        self.looked = Looked()
        self.times_ms: list[float] = []
        self.heat: dict[str, NDArray[np.float16]] = {}

    def look(self, number: int, image: NDArray[np.uint8]) -> None:
        """Look at picture `number`, (h, w) grey or (h, w, 3) BGR, and at its copies with drawn defects."""
        heat = self._heat_of(image, good_heat_name(number))
        self.looked.good[number] = score_of(heat)
        for copy in range(self._lesson.defects):
            defect = defect_for(image, self._lesson.seed, number, copy, self._mask)
            if defect is None:
                continue
            look = DrawnLook(number=number, copy_number=copy, kind=defect.kind, score=0.0, hit=False)
            heat = self._heat_of(defect.image, look.heat_name)
            hit = _is_near(heat, defect.box, image.shape[:2])
            self.looked.drawn.append(look.model_copy(update={"score": score_of(heat), "hit": hit}))

    def _heat_of(self, image: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
        begun_s = time.process_time()
        heat = within(self._learned.heat(image, _no_deadline), self._mask)
        self.times_ms.append(1000 * (time.process_time() - begun_s))
        if not np.isfinite(heat).all():
            height, width = image.shape[:2]
            msg = f"what it says of a picture of {width} x {height} px is not a number in places"
            raise ValueError(msg)
        scale = _SHOWN_PX / max(heat.shape)
        small = heat if scale >= 1 else cv2.resize(heat, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.heat[name] = np.asarray(small, np.float16)
        return heat


def _is_near(heat: NDArray[np.float32], box: Box, shape: tuple[int, int]) -> bool:
    """Tell whether the hottest place of `heat`, (rows, columns), is in `box` of a picture of `shape`, or beside it."""
    height, width = shape
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    x, y = (column + 0.5) / heat.shape[1] * width, (row + 0.5) / heat.shape[0] * height
    beside_px = _BESIDE_SHARE * max(shape)
    across = box.x - beside_px <= x <= box.x + box.width + beside_px
    down = box.y - beside_px <= y <= box.y + box.height + beside_px
    return bool(across and down)


def _no_deadline() -> None:
    """A picture that is learned with has all the time that it needs."""
