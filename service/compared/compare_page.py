"""One page that shows what two versions say of the same frames, side by side: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.compared.comparing import Compared, Pair
from service.tryout.report import templates
from workers.text import printable

MOST_PICTURES = 100  # frames with pictures: the page stays one that a browser opens at once
_MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions: what it is called, its hash, and where it lies."""

    name: str
    version: str
    folder: str = ""


def compare_page(title: str, old: Side, new: Side, compared: Compared) -> str:
    """Return the page of a comparison; the first hundred of `compared.changed` have previews."""
    return _page(
        title=title,
        sides=(old, new),
        said=compared.words(),
        pairs=compared.changed[:MOST_PICTURES],
        beyond=compared.changed[MOST_PICTURES : MOST_PICTURES + _MOST_ROWS],
        otherwise=compared.otherwise[:_MOST_ROWS],
        tiles=[
            ("Frames", compared.frames, ""),
            ("Verdicts that change", len(compared.changed), "nok" if compared.changed else "ok"),
            *(
                (how.replace("->", "\u2192"), n, "nok" if how.endswith("> OK") else "warn")
                for how, n in compared.ways.items()
            ),
            ("Same verdict, found otherwise", len(compared.otherwise), "warn" if compared.otherwise else ""),
        ],
    )


def proof_page(title: str, said: str, sides: tuple[Side, Side], pairs: Sequence[Pair], frames: int) -> str:
    """Return the page of a proof that failed: `pairs` are the frames of which something else is said, of `frames`."""
    return _page(
        title=title,
        sides=sides,
        said=said,
        pairs=pairs[:MOST_PICTURES],
        beyond=pairs[MOST_PICTURES : MOST_PICTURES + _MOST_ROWS],
        otherwise=[],
        tiles=[("Frames of the proof", frames, ""), ("Not as they should be", len(pairs), "nok" if pairs else "ok")],
    )


def _way(how: str, count: int) -> tuple[str, int, str]:
    return how.replace("->", "\u2192"), count, "nok" if how.endswith("> OK") else "warn"  # a bad part may pass


def _page(**filled: object) -> str:
    return printable(templates().get_template("compare.html").render(**filled))
