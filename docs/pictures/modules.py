"""Make the pictures of docs/modules anew: `.venv/bin/python docs/pictures/modules.py [MODULE...]`.

Each is drawn here, inspected by the first flow of its module's page, and kept as a client would have had it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
CHECKOUT = FOLDER.parents[1]

Picture = NDArray[np.uint8]


def _noisy(picture: Picture) -> Picture:
    levels = picture + np.random.default_rng(1).normal(0, 3, picture.shape)
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def _board(background: tuple[int, int, int] = (60, 120, 50)) -> Picture:
    """A board of 640x400 with traces, pads and print."""
    board = np.full((400, 640, 3), background, np.uint8)
    for y in range(130, 380, 60):
        cv2.line(board, (40, y), (600, y), (90, 180, 220), 10)
        for x in range(80, 600, 130):
            cv2.circle(board, (x, y), 18, (90, 180, 220), -1, cv2.LINE_AA)
    cv2.putText(board, "FRAMEMILL REV A", (60, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (230, 230, 230), 3, cv2.LINE_AA)
    return board


def anomaly() -> Picture:
    """A brushed plate with a dent, a scratch and a stain."""
    plate = _plate(100)
    cv2.ellipse(plate, (160, 120), (15, 11), 30, 0, 360, (70, 70, 70), -1, cv2.LINE_AA)
    cv2.ellipse(plate, (156, 116), (6, 4), 30, 0, 360, (170, 170, 170), -1, cv2.LINE_AA)
    cv2.line(plate, (350, 60), (420, 170), (190, 190, 190), 2, cv2.LINE_AA)
    stained = plate.copy()
    cv2.ellipse(stained, (270, 280), (60, 22), -20, 0, 360, (60, 85, 100), -1, cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(plate, 0.4, stained, 0.6, 0), np.uint8)


def _plate(seed: int) -> Picture:
    from bench.tiny_anomaly import surface  # noqa: PLC0415 - found by now

    return surface(seed, (360, 520), colour=True)


def blobs() -> Picture:
    """A plate with four round holes, a slot, and holes beside the region."""
    plate = np.full((400, 800, 3), 190, np.uint8)
    for x in (150, 300, 450, 600):
        cv2.circle(plate, (x, 180), 26, (25, 25, 25), -1, cv2.LINE_AA)
    cv2.ellipse(plate, (690, 240), (45, 10), 20, 0, 360, (25, 25, 25), -1, cv2.LINE_AA)
    cv2.circle(plate, (220, 350), 20, (25, 25, 25), -1, cv2.LINE_AA)
    return _noisy(plate)


def codes() -> Picture:
    """A turned label with a Data Matrix code, and a Code 128 on a dark one."""
    from bench.codes_scenes import Code, Look, scene  # noqa: PLC0415 - found by now

    label = "(01)04006381333931(17)261231(10)LOT4711"
    drawn = (
        Code("DataMatrix", label, 190, 200, 20, 5, gs1=True),
        Code("Code128", "(00)340123450000000000", 500, 230, -30, 1.8, inverted=True, gs1=True),
    )
    return np.asarray(cv2.cvtColor(scene(drawn, Look(size=(460, 800), seed=5)), cv2.COLOR_GRAY2BGR), np.uint8)


def color() -> Picture:
    """Two fuses, of which the right one is yellow."""
    box = np.full((260, 640, 3), 70, np.uint8)
    for x, body in ((100, (30, 30, 190)), (400, (40, 190, 210))):
        cv2.rectangle(box, (x - 12, 90), (x + 132, 170), (150, 150, 150), -1)
        cv2.rectangle(box, (x - 2, 98), (x + 122, 162), body, -1)
    return _noisy(box)


def brightness() -> Picture:
    """A board under a weak lamp."""
    return _noisy((_board() * 0.3).astype(np.uint8))


def sharpness() -> Picture:
    """A board out of focus."""
    return _noisy(np.asarray(cv2.GaussianBlur(_board(), (0, 0), 6), np.uint8))


def _buttons(*placed: tuple[int, int, tuple[int, int, int]]) -> Picture:
    """A grey panel with buttons of 32x32 px: left, top, colour."""
    panel = np.full((400, 640, 3), 150, np.uint8)
    cv2.rectangle(panel, (40, 40), (600, 360), (175, 175, 175), -1)
    for x, y, color in placed:
        cv2.rectangle(panel, (x - 6, y - 6), (x + 37, y + 37), (90, 90, 90), -1)
        cv2.rectangle(panel, (x, y), (x + 31, y + 31), color, -1)
    return panel


_RED, _GREEN = (30, 30, 220), (40, 190, 40)


def detector() -> Picture:
    """A panel with four buttons."""
    return _buttons((120, 100, _RED), (240, 220, _RED), (360, 100, _GREEN), (480, 260, _GREEN))


def classifier() -> Picture:
    """A red cap."""
    cap = np.full((400, 640, 3), 60, np.uint8)
    cv2.circle(cap, (320, 200), 170, (40, 40, 200), -1, cv2.LINE_AA)
    cv2.circle(cap, (320, 200), 120, (60, 60, 230), -1, cv2.LINE_AA)
    return cap


def segmentation() -> Picture:
    """A grey plate with two smears of red."""
    plate = np.full((400, 640, 3), 165, np.uint8)
    cv2.ellipse(plate, (220, 150), (90, 26), 25, 0, 360, (40, 40, 205), -1, cv2.LINE_AA)
    cv2.ellipse(plate, (450, 280), (40, 52), 0, 0, 360, (60, 60, 215), -1, cv2.LINE_AA)
    return plate


def measure() -> Picture:
    """A plate with a slot that is too wide, and a hole."""
    fine = np.full((4 * 400, 4 * 640), 205, np.uint8)
    cv2.rectangle(fine, (160, 240), (2400, 1400), 45, -1)
    cv2.rectangle(fine, (718, 200), (722 + 164, 1080), 205, -1)
    cv2.circle(fine, (1760, 800), 322, 205, -1)
    plate = cv2.resize(fine, (640, 400), interpolation=cv2.INTER_AREA)
    return _noisy(np.asarray(cv2.cvtColor(plate, cv2.COLOR_GRAY2BGR), np.uint8))


def reference() -> Picture:
    """The golden board with a bite, a short, a pad without copper and a stain; moved, and under less light."""
    board = reference_golden()
    cv2.ellipse(board, (260, 184), (12, 9), 0, 0, 360, (60, 120, 50), -1, cv2.LINE_AA)
    cv2.rectangle(board, (395, 190), (403, 250), (90, 180, 220), -1)
    cv2.circle(board, (470, 310), 20, (60, 120, 50), -1, cv2.LINE_AA)
    cv2.ellipse(board, (150, 345), (16, 6), 20, 0, 360, (40, 60, 170), -1, cv2.LINE_AA)
    moved = cv2.warpAffine(board, np.array([[1, 0, 3], [0, 1, -2]], float), (640, 400), borderMode=cv2.BORDER_REPLICATE)
    return _noisy(np.asarray(moved * 0.9, np.uint8))


def reference_golden() -> Picture:
    """The board as it should be."""
    return _board()


def shape() -> Picture:
    """Three brackets at three angles."""
    from bench.draw_turned_parts import Lying, Sample, photograph  # noqa: PLC0415 - found by now

    lying = (Lying(250, 250, 20), Lying(690, 230, -105), Lying(560, 590, 170))
    return photograph(Sample(lying, 1.0, seed=1), (800, 960))


def unify() -> Picture:
    """A turned bracket without one of its holes."""
    from bench.draw_turned_parts import Defect, Lying, Sample, photograph  # noqa: PLC0415 - found by now

    return photograph(Sample((Lying(390, 320, 37, Defect(missing_hole=1)),), 1.0, seed=1), (640, 800))


def _bracket() -> Picture:
    from bench.draw_turned_parts import golden  # noqa: PLC0415 - found by now

    return golden()


PICTURES: dict[str, Callable[[], Picture]] = {
    made.__name__: made
    for made in (
        anomaly,
        blobs,
        brightness,
        classifier,
        codes,
        color,
        detector,
        measure,
        reference,
        segmentation,
        shape,
        sharpness,
        unify,
    )
}
FILES: dict[str, tuple[str, Callable[[], Picture]]] = {
    "reference": ("references/board.png", reference_golden),
    "shape": ("references/bracket.png", _bracket),
    "unify": ("references/bracket.png", _bracket),
}
"""What a module's project names, and how it is drawn."""


_VALUES = (
    "anomalies",
    "blobs",
    "brightness",
    "classes",
    "codes",
    "colors",
    "detections",
    "measures",
    "shapes",
    "sharpness",
    "surfaces",
)


def _write_model(name: str, folder: Path) -> None:
    """Write the model that the module of a page names, where it names one."""
    from bench import tiny_models  # noqa: PLC0415 - found by now

    if name == "detector":
        tiny_models.detector(folder / "models" / "buttons.onnx", 160, metadata=tiny_models.ultralytics("detect", 160))
    elif name == "classifier":
        tiny_models.classifier(folder / "models" / "caps.onnx")
    elif name == "anomaly":
        from bench import tiny_anomaly  # noqa: PLC0415 - as above
        from workers.modules.anomaly.backbone import backbone_for  # noqa: PLC0415 - as above

        backbone = backbone_for(folder / "models").relative_to(folder).as_posix()
        tiny_anomaly.teach(folder, "models/plate.npz", [_plate(seed) for seed in range(24)], backbone)
    elif name == "segmentation":
        tiny_models.planes(folder / "models" / "smears.onnx", 320)


def main(names: list[str]) -> None:
    """Write the annotated picture of each module in `names`."""
    sys.path.insert(0, str(CHECKOUT))
    from workers.programs.trying import TriedProject  # noqa: PLC0415 - found by now

    for name in names or PICTURES:
        page = (CHECKOUT / "docs" / "modules" / f"{name}.md").read_text()
        flow = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)[0]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "framemill.toml").write_text(f'[project]\nname = "{name}"\n\n{flow}')
            if name in FILES:
                file, draw = FILES[name]
                (Path(folder) / file).parent.mkdir(exist_ok=True)
                cv2.imwrite(str(Path(folder) / file), draw())
            _write_model(name, Path(folder))
            tried = TriedProject(folder).inspect(PICTURES[name]())
        cv2.imwrite(str(FOLDER / f"{name}.jpg"), tried.annotated, [cv2.IMWRITE_JPEG_QUALITY, 88])
        print(
            name,
            tried.context["result"],
            {key: tried.context[key] for key in _VALUES if key in tried.context},
        )


if __name__ == "__main__":
    main(sys.argv[1:])
