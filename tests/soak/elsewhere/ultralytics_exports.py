"""Exports models of Ultralytics with weights at random, and writes what its own predictor finds with each.

    PYTHON -P tests/soak/elsewhere/ultralytics_exports.py FOLDER

PYTHON is that of an environment of its own, with ultralytics. For each model there are NAME.onnx and NAME.npz in FOLDER
then, beside the frame.png that was looked at. Networks are made of Ultralytics' own descriptions: nothing is fetched,
and YOLO_AUTOINSTALL=false and YOLO_OFFLINE=true see to it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch  # type: ignore[import-not-found]
import ultralytics  # type: ignore[import-not-found]

CONFIDENCE, OVERLAP, MOST = 0.25, 0.5, 300
CLASSES = 3
HEIGHT_PX, WIDTH_PX = 256, 320
SQUARE_PX = 224  # of classifiers
SUPPRESSION = {None: "raw", True: "nms", False: "end2end"}
EXPORTS = (
    ("yolov8", "", None), ("yolo11", "", None), ("yolo11", "", True), ("yolo26", "", None), ("yolo26", "", False),
    ("yolo11", "-seg", None), ("yolo11", "-seg", True), ("yolo26", "-seg", False),
    ("yolo11", "-obb", None), ("yolo11", "-obb", True), ("yolo26", "-obb", False),
    ("yolo11", "-pose", None), ("yolo11", "-pose", True), ("yolo26", "-pose", False),
    ("yolo11", "-cls", None), ("yolo26", "-sem", None),
)  # fmt: skip


def frame() -> Any:
    """Draw a picture with much in it, (600, 900, 3) BGR."""
    random = np.random.default_rng(3)
    image = cv2.resize(random.integers(0, 256, (24, 36, 3), np.uint8), (900, 600), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, radius = (int(each) for each in random.integers((20, 20, 8), (820, 540, 60)))
        cv2.circle(image, (x, y), radius, random.integers(0, 256, 3).tolist(), -1)
    return image


def made(folder: Path, family: str, kind: str) -> Any:
    """Return a network whose answers differ from place to place, as those of one that has learned something."""
    torch.manual_seed(1)
    described = next(Path(ultralytics.__file__).parent.glob(f"cfg/models/*/{family}{kind}.yaml")).read_text()
    count = next(line for line in described.splitlines() if line.startswith("nc:"))
    (folder / f"{family}{kind}.yaml").write_text(described.replace(count, f"nc: {CLASSES}"))
    model = ultralytics.YOLO(str(folder / f"{family}n{kind}.yaml"))
    network = model.model
    rgb = cv2.cvtColor(cv2.resize(frame(), (WIDTH_PX, HEIGHT_PX)), cv2.COLOR_BGR2RGB)
    shown = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        network(shown)
        network(shown)
    network.eval()
    head = network.model[-1]
    if kind == "-seg":  # masks of a network that has learned nothing are all edges
        head.proto.cv3 = torch.nn.Sequential(head.proto.cv3, torch.nn.AvgPool2d(9, 1, 4))
    for names, wide, middle in ((("cv3", "one2one_cv3"), 0.8, -4.0), (("cv2", "one2one_cv2"), 0.5, 2.5)):
        for branch in (branch for name in names for branch in getattr(head, name, None) or ()):
            if family == "yolo26" or names[0] == "cv3":  # its boxes are distances as they come
                _spread(network, branch[-1], shown, wide, middle)
    return model


def _spread(network: Any, last: Any, shown: Any, wide: float, middle: float) -> None:
    """Have the convolution `last` say what is so wide, around a middle."""
    said: list[Any] = []
    hook = last.register_forward_hook(lambda _, __, out: said.append(out))
    with torch.no_grad():
        network(shown)
        hook.remove()
        scale = wide / said[0].std()
        last.weight.mul_(scale)
        last.bias.copy_(last.bias * scale + middle - said[0].mean(dim=(0, 2, 3)) * scale)


def found(file: Path, task: str) -> dict[str, Any]:
    """Return what the predictor of Ultralytics finds with an export, by what that is."""
    (result,) = ultralytics.YOLO(str(file), task=task).predict(
        str(file.with_name("frame.png")), conf=CONFIDENCE, iou=OVERLAP, max_det=MOST, retina_masks=True, verbose=False
    )
    names = ("boxes", "obb", "masks", "probs", "keypoints", "semantic_mask")
    there = {name: getattr(result, name, None) for name in names}
    return {name: np.asarray(getattr(each, "data", each)) for name, each in there.items() if each is not None}


def main(folder: Path) -> None:
    """Write all of them."""
    torch.set_num_threads(1)
    cv2.imwrite(str(folder / "frame.png"), frame())
    for family, kind, nms in EXPORTS:
        model = made(folder, family, kind)
        size = [SQUARE_PX, SQUARE_PX] if model.task == "classify" else [HEIGHT_PX, WIDTH_PX]
        given = {"conf": CONFIDENCE, "iou": OVERLAP, "max_det": MOST, "simplify": False}
        written = model.export(format="onnx", imgsz=size, nms=nms, **given)
        file = folder / f"{family}{kind}_{SUPPRESSION[nms]}.onnx"
        Path(written).rename(file)
        np.savez(file.with_suffix(".npz"), **found(file, model.task))
        print(file.stem, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
