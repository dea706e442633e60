"""Teaches models of anomalib with drawn surfaces, exports them, and writes what they say themselves of pictures.

    PYTHON -P tests/soak/elsewhere/anomalib_exports.py FOLDER

PYTHON is that of an environment of its own, with anomalib. FOLDER has `good` and `bad` pictures; for each kind of model
there are KIND.onnx, with its weights beside it, and KIND.json in it then. Backbones have weights by chance: nothing is
fetched.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import torch  # type: ignore[import-not-found]
from anomalib.data import Folder  # type: ignore[import-not-found]
from anomalib.engine import Engine  # type: ignore[import-not-found]
from anomalib.models import Padim, Patchcore  # type: ignore[import-not-found]

KINDS: dict[str, Any] = {
    "padim": lambda: Padim(backbone="resnet18", pre_trained=False),
    "patchcore": lambda: Patchcore(backbone="resnet18", pre_trained=False, coreset_sampling_ratio=0.01),
}


def said(model: Any, path: Path) -> dict[str, Any]:
    """Return what it says of a picture, computed by torch."""
    image: Any = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    with torch.no_grad():
        found = model(torch.from_numpy(image.transpose(2, 0, 1)[None]).float() / 255)
    return {"score": float(found.pred_score.ravel()[0]), "bad": bool(found.pred_label.ravel()[0])}


def main(folder: Path) -> None:
    """Write all of them."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    pictures = sorted([*(folder / "good").iterdir(), *(folder / "bad").iterdir()])
    for kind, make in KINDS.items():
        data = Folder(
            name="drawn",
            root=folder,
            normal_dir="good",
            abnormal_dir="bad",
            train_batch_size=8,
            eval_batch_size=8,
            num_workers=0,
        )
        model = make()
        engine = Engine(accelerator="cpu", devices=1, max_epochs=1, default_root_dir=folder / kind, logger=False)
        engine.fit(model=model, datamodule=data)
        engine.export(model=model, export_type="onnx", export_root=folder / kind)
        model.eval()
        (folder / f"{kind}.json").write_text(json.dumps({str(path): said(model, path) for path in pictures}))
        print(kind, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
