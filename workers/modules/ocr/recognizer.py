"""Reads one line: PaddleOCR's recognition model in a session of ours, and the characters that its columns mean.

The model gives for each step along the line how likely each of its characters is, or none (CTC). What looks like one of
the characters that may be there counts for that: a Cyrillic O, a full-width digit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from workers.errors import ProjectInvalid
from workers.modules.ocr.confusable import ALIKE, Groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.models.network import Network

HEIGHT_PX = 48
_STEP_PX = 32  # widths are multiples of it: memory is kept for each that came
_MOST_WIDTH_PX = 2048
_AS_SURE_AS_NOT = 0.5
_LOAD_NS = 10_000_000_000
# letters of other scripts that look like one of ours, Cyrillic, Greek, CJK
_ALIKE = {
    "A": "\u0410\u0391", "B": "\u0412\u0392", "E": "\u0415\u0395", "H": "\u041d\u0397", "I": "\u0406\u0399",
    "J": "\u0408", "K": "\u041a\u039a", "M": "\u041c\u039c", "N": "\u039d", "O": "\u041e\u039f", "P": "\u0420\u03a1",
    "C": "\u0421", "S": "\u0405", "T": "\u0422\u03a4", "X": "\u0425\u03a7", "Y": "\u0423\u03a5", "Z": "\u0396",
    "a": "\u0430", "e": "\u0435", "o": "\u03bf\u043e", "p": "\u0440", "c": "\u0441", "x": "\u0445",
    "0": "\u3007\u25cb", "-": "\u4e00\uff0d\u2014\u2013\u2212", ".": "\u00b7\u3002",
}  # fmt: skip
_HOMOGLYPHS = {other: ours for ours, others in _ALIKE.items() for other in others}


class ReadLine(NamedTuple):
    """What a line says, and how sure each of its characters is, 0 to 1."""

    text: str
    sure: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """How sure the least sure character is; 0 where there is none."""
        return min(self.sure, default=0.0)

    @property
    def rank(self) -> float:
        """By how much its characters are surer than not, in all: a long text that is sure counts more than a letter."""
        return sum(one - _AS_SURE_AS_NOT for letter, one in zip(self.text, self.sure, strict=True) if letter != " ")


class Recognizer:
    """A recognition model that was looked at once."""

    def __init__(self, network: Network, where: str) -> None:
        """Look at `network`, which messages call `where`; raises ProjectInvalid where it reads no lines."""
        self._network = network
        signature = network.signature(_LOAD_NS)
        said = signature.metadata.get("character")
        if said is None:
            msg = f"{where} has no 'character' in its metadata, as PaddleOCR's recognition models have: {signature}"
            raise ProjectInvalid(msg)
        self._characters = ["", *said.split("\n"), " "]
        self._known = frozenset(self._characters)
        try:
            given = self._columns(np.full((HEIGHT_PX, 2 * HEIGHT_PX), 255, np.uint8))
        except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each status, and no common one
            why = " ".join(str(error).split())[:300]
            msg = f"{where} fails on a line of 96 x 48 px: {why}; {signature}"
            raise ProjectInvalid(msg) from None
        if given.ndim != 2 or given.shape[1] != len(self._characters):
            msg = f"{where} gives {given.shape} for a line, expected columns of {len(self._characters)}: {signature}"
            raise ProjectInvalid(msg)

    def knows(self, character: str) -> bool:
        """Tell whether it can read `character`."""
        return character in self._known

    def alphabet(self, characters: str) -> Alphabet:
        """Return what reads `characters` alone; raises ProjectInvalid where the model knows some of them not."""
        missing = sorted(set(characters) - self._known)
        if missing:
            msg = f"characters: the model does not know {' '.join(missing)}"
            raise ProjectInvalid(msg)
        return Alphabet(self._characters, characters)

    def read(self, grey: NDArray[np.uint8], alphabet: Alphabet) -> ReadLine:
        """Return what a line, (h, w) dark on light, says."""
        return alphabet.decoded(self._columns(grey))

    def _columns(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return how likely each character is, (steps, characters), along a line, (h, w)."""
        height, width = grey.shape
        wide = min(max(_STEP_PX // 2, round(width * HEIGHT_PX / height)), _MOST_WIDTH_PX)
        way = cv2.INTER_AREA if height > HEIGHT_PX else cv2.INTER_CUBIC
        fitted = cv2.resize(grey, (wide, HEIGHT_PX), interpolation=way)
        shown = np.zeros((1, 3, HEIGHT_PX, -(-wide // _STEP_PX) * _STEP_PX), np.float32)
        shown[0, :, :, :wide] = fitted * np.float32(1 / 127.5) - 1
        found: Any = self._network.run(shown, _LOAD_NS)[0].values
        return np.asarray(found[0], np.float32)


class Alphabet:
    """The characters that are read, and the columns of the model that mean each."""

    def __init__(self, known: Sequence[str], characters: str) -> None:
        wanted, groups = set(characters), Groups(ALIKE)
        meant = [(column, _meant(character, wanted, groups)) for column, character in enumerate(known) if column]
        kept = sorted((each for each in meant if each[1]), key=lambda each: each[1])
        letters = sorted({letter for _, letter in kept})
        self._letters = ["", *letters]
        self._columns = np.array([0, *(column for column, _ in kept)], np.intp)
        of_each = [letter for _, letter in kept]
        self._firsts = np.array([0, *(1 + of_each.index(letter) for letter in letters)], np.intp)

    def decoded(self, likely: NDArray[np.float32]) -> ReadLine:
        """Return what `likely`, (n, characters) of n steps, means: the likeliest of each, without repeats and gaps."""
        summed = np.add.reduceat(likely[:, self._columns], self._firsts, axis=1)
        best, sure = summed.argmax(axis=1).tolist(), summed.max(axis=1).tolist()
        text: list[str] = []
        certain: list[float] = []
        before = 0
        for number, chance in zip(best, sure, strict=True):
            if number and number == before:
                certain[-1] = max(certain[-1], chance)
            elif number:
                text.append(self._letters[number])
                certain.append(chance)
            before = number
        return _trimmed("".join(text), certain)


def _meant(character: str, wanted: set[str], groups: Groups) -> str:
    """Return which of the characters that may be there `character` stands for; nothing if none."""
    if character in wanted:
        return character
    for other in (_HOMOGLYPHS.get(character, ""), unicodedata.normalize("NFKC", character)):
        if other in wanted:
            return other
        if other and (alike := groups.one_of(other, wanted)) in wanted:
            return alike
    return ""


def _trimmed(text: str, sure: list[float]) -> ReadLine:
    """Return `text` with single spaces, none around it; how sure one is does not count."""
    begins, ends = len(text) - len(text.lstrip()), len(text.rstrip())
    kept = [
        (letter, 1.0 if letter == " " else one)
        for place, (letter, one) in enumerate(zip(text[begins:ends], sure[begins:ends], strict=True), begins)
        if letter != " " or text[place - 1] != " "
    ]
    return ReadLine("".join(letter for letter, _ in kept), tuple(one for _, one in kept))
