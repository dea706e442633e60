"""Damaged and malicious files: each gets a clear error or a true picture, and no process dies of one.

The files are decoded in child processes, which say what they are about to do, so that a crash names its file. Run as
a program, this file is such a child: `python test_hostile_files.py FILE...` prints one JSON line before and after each.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from tests.fuzz.port import through_port
from tests.image_files.encoded import END, chunk, grey_png, ihdr, jpeg, png, rows, scan_data, segment
from tests.support.running import Server
from workers.errors import FramemillError
from workers.gate import ImageLimits, inspect
from workers.pixels.encoded import decode_frame, decode_image
from workers.pixels.scratch import Scratch

pytestmark = pytest.mark.long

CHECKOUT = Path(__file__).resolve().parents[2]
BATCH = 150
SCRATCH = Scratch()
ADDRESS_SPACE_BYTES = 3 << 30
PIXELS = np.random.default_rng(5).integers(0, 256, (40, 60), np.uint8)


def main(paths: Sequence[str]) -> None:
    """Be the child: decode each file and say what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    cv2.setNumThreads(1)
    decode_image(memoryview(jpeg(PIXELS)), ImageLimits())
    for path in paths:
        print(json.dumps({"begun": path}), flush=True)
        file = Path(path).read_bytes()
        print(json.dumps(outcome(file)), flush=True)


def outcome(file: bytes) -> dict[str, Any]:
    """Decode and describe: shape, digest and difference to Pillow, or the error; time in ms, memory in bytes."""
    before_bytes = peak_bytes()
    begun, begun_cpu_s = time.perf_counter(), time.process_time()
    try:
        image = decode_image(memoryview(file).toreadonly(), ImageLimits())
    except FramemillError as refusal:
        told: dict[str, Any] = {"error": refusal.code, "message": refusal.message}
    else:
        header = inspect(memoryview(file), ImageLimits())
        told = {"shape": image.shape, "header": [header.height, header.width, 3], "notes": header.notes}
        told["digest"] = hashlib.sha256(image.tobytes()).hexdigest()
    told["ms"] = (time.perf_counter() - begun) * 1e3
    told["cpu_ms"] = (time.process_time() - begun_cpu_s) * 1e3
    told["grown_bytes"] = peak_bytes() - before_bytes
    begun_cpu_s = time.process_time()
    told["lenient"] = lenient_digest(file)
    told["lenient_cpu_ms"] = (time.process_time() - begun_cpu_s) * 1e3
    told["lenient_grown_bytes"] = peak_bytes() - before_bytes
    if "shape" in told:
        told["difference"] = difference_to_pillow(file, image)
    return told


def lenient_digest(file: bytes) -> str:
    """Return a digest of what can be had of the file, decoded into the memory that held the file before it."""
    try:
        image, damage, _ = decode_frame(memoryview(file), ImageLimits(lenient=True), SCRATCH)
    except FramemillError:
        return "refused"
    return hashlib.sha256(image.tobytes() + damage.encode()).hexdigest()


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def difference_to_pillow(file: bytes, image: NDArray[np.uint8]) -> float | None:
    """Return the mean absolute difference, none where Pillow refuses; it raises where the sizes differ."""
    try:
        with Image.open(io.BytesIO(file)) as opened:
            opened.load()
            other = np.asarray(opened)
            if opened.mode.startswith("I"):
                other = (other >> 8).astype(np.uint8)
            elif opened.mode not in {"L", "LA", "RGB", "RGBA"}:
                other = np.asarray(opened.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    other = other[..., None] if other.ndim == 2 else other
    plain = other[..., :1].repeat(3, axis=2) if other.shape[2] < 3 else other[..., 2::-1]
    return float(np.abs(plain.astype(int) - image).mean())


def run_children(paths: Sequence[Path], environment: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Decode all files in children; returns what each said by file name, and fails if a child dies."""
    told: dict[str, dict[str, Any]] = {}
    for start in range(0, len(paths), BATCH):
        child = subprocess.run(
            [sys.executable, __file__, *map(str, paths[start : start + BATCH])],
            env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/tests", **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        begun = [line["begun"] for line in lines if "begun" in line]
        assert child.returncode == 0, f"{begun[-1:]} ended the process with {child.returncode}: {child.stderr[-2000:]}"
        results = [line for line in lines if "begun" not in line]
        told |= {Path(path).name: result for path, result in zip(begun, results, strict=True)}
    return told


@pytest.fixture(scope="module")
def hostile_files(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "hostile").iterdir())


@pytest.fixture(scope="module")
def told(hostile_files: list[Path]) -> dict[str, dict[str, Any]]:
    return run_children(hostile_files)


def test_each_hostile_file_gives_a_picture_as_its_header_says_or_a_clear_error(
    told: dict[str, dict[str, Any]], hostile_files: list[Path]
) -> None:
    assert len(told) == len(hostile_files) > 500
    for name, result in told.items():
        if "shape" in result:
            assert result["shape"] == result["header"], name
        else:
            assert result["error"] in {"image_invalid", "image_too_large", "image_unsupported"}, name
            assert len(result["message"]) > 20, name
    decoded = sum("shape" in result for result in told.values())
    assert 200 < decoded < 300
    slowest = max(told, key=lambda name: float(told[name]["ms"]))
    reasons = Counter(re.sub(r"\d+", "N", result.get("message", "decoded")) for result in told.values())
    print(f"{decoded} of {len(told)} decoded; the slowest, {slowest}, took {told[slowest]['ms']:.1f} ms")
    print(*(f"{count:5} {reason}" for reason, count in reasons.most_common()), sep="\n")


def test_no_hostile_file_takes_much_memory(told: dict[str, dict[str, Any]]) -> None:
    greediest = max(told, key=lambda name: int(told[name]["grown_bytes"]))
    assert told[greediest]["grown_bytes"] < 100 << 20, greediest


def test_what_pillow_decodes_too_has_the_same_pixels(told: dict[str, dict[str, Any]]) -> None:
    compared = {name: result["difference"] for name, result in told.items() if result.get("difference") is not None}
    assert len(compared) > 200
    assert {name: difference for name, difference in compared.items() if difference > 1} == {}


def test_damage_that_a_strict_decoder_sees_is_refused(
    told: dict[str, dict[str, Any]], hostile_files: list[Path]
) -> None:
    """Two exceptions: four components, which are refused, whole or not, and what is noted since it changes no pixel."""
    agreed, differing, noted = 0, [], 0
    for path in hostile_files:
        file = path.read_bytes()
        if not file.startswith(b"\xff\xd8") or told[path.name].get("error") == "image_unsupported":
            continue
        sound = strict_simplejpeg_decodes(file)
        if not sound and any("follow the end" not in note for note in told[path.name].get("notes", ())):
            noted += 1
            continue
        agreed += sound == ("shape" in told[path.name])
        if sound != ("shape" in told[path.name]):
            differing.append(path.name)
    assert differing == []
    assert agreed > 180
    assert noted == 4


def strict_simplejpeg_decodes(file: bytes) -> bool:
    try:
        height, width = simplejpeg.decode_jpeg_header(file)[:2]
        if int(height) * int(width) > 50_000_000:
            return False
        simplejpeg.decode_jpeg(file, "BGR")
    except (ValueError, KeyError):
        return False
    return True


def test_no_pixel_comes_from_stale_memory(hostile_files: list[Path]) -> None:
    """The allocator fills fresh and freed memory with one byte, then with another (opencv issue 26488).

    The second time each file comes after another one than the first time.
    """
    first = run_children(hostile_files, {"MALLOC_PERTURB_": "85"})
    second = run_children(hostile_files[::-1], {"MALLOC_PERTURB_": "170"})
    for digest in ("digest", "lenient"):
        assert {name: result.get(digest) for name, result in first.items()} == {
            name: result.get(digest) for name, result in second.items()
        }
    assert sum(result["lenient"] != "refused" for result in first.values()) > 250


def test_hostile_files_over_http_harm_no_other_camera(hostile_files: list[Path], server: Server) -> None:
    files = [path.read_bytes() for path in hostile_files]
    tally = through_port(server.url, range(len(files)), files.__getitem__, jobs=7)
    print(tally.answers)
    assert tally.findings == {}
    assert tally.answers["sound frames beside them"] > 0
    assert tally.answers["200"] + tally.answers["415"] + tally.answers["422"] == len(files)


def bombs() -> dict[str, bytes]:
    """Return small files that claim or hold far more than they should; all but the "allowed" must be refused."""
    small = jpeg(PIXELS)
    scan = segment(0xDA, bytes((1, 1, 0, 0, 63, 0))) + scan_data(small)
    frame_at = small.index(b"\xff\xc0")
    text = zlib.compress(bytes(200_000_000))

    def sized(height: int, width: int) -> bytes:
        return small[: frame_at + 5] + struct.pack(">HH", height, width) + small[frame_at + 9 :]

    return {
        "50000x50000.png": png(ihdr(50_000, 50_000), bytes(1000)),
        "32767x32767.png": png(ihdr(32_767, 32_767, depth=1), zlib.compress(bytes(32_767 * 4096))),
        "1x65535.png": png(ihdr(1, 65_535), zlib.compress(bytes(2 * 65_535))),
        "65535x1.png": png(ihdr(65_535, 1), zlib.compress(bytes(65_536))),
        "7000x7000.png": png(ihdr(7000, 7000, depth=16, colour=6), bytes(100_000)),
        "huge_chunk.png": grey_png(PIXELS)[:33] + b"\x7f\xff\xff\xffIDAT" + bytes(100),
        "wrong_crc.png": grey_png(PIXELS)[:-20] + b"\0" + grey_png(PIXELS)[-19:],
        "chunks.png": grey_png(PIXELS, before=chunk(b"tEXt") * 500_000),
        "65500x16000.jpg": sized(16_000, 65_500),
        "56321x7789.jpg": sized(7789, 56_321),
        "65535x1.jpg": sized(1, 65_535),
        "1x65535.jpg": sized(65_535, 1),
        "7000x7000.jpg": sized(7000, 7000),
        "10000_scans.jpg": small[: small.index(b"\xff\xda")] + scan * 10_000 + END,
        "fill.jpg": small[: -len(END)] + b"\xff" * 1_000_000,
        "segments.jpg": small[:2] + segment(0xE0, b"") * 2_000_000 + small[2:],
        "ztxt_allowed.png": grey_png(PIXELS, before=chunk(b"zTXt", b"a\0\0" + text)),
        "iccp_allowed.png": grey_png(PIXELS, before=chunk(b"iCCP", b"a\0\0" + text)),
        "surplus_allowed.png": png(ihdr(60, 40), zlib.compress(rows(PIXELS)) + bytes(1000)),
    }


def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    """Each is refused before it costs anything: 5 ms and 5 MB were asked for, on an idle machine."""
    paths = []
    for name, file in bombs().items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(file)
    told = run_children(paths)
    for name, result in told.items():
        print(f"{name:20} {result['cpu_ms']:6.2f} ms {result['grown_bytes'] / 1e6:5.1f} MB {result.get('message', '')}")
        print(
            f"{'':12}lenient {result['lenient_cpu_ms']:6.2f} ms {result['lenient_grown_bytes'] / 1e6:5.1f} MB", end=" "
        )
        print(result["lenient"][:8])
    for name, result in told.items():
        assert ("shape" in result) == ("allowed" in name), (name, result)
        assert result["grown_bytes"] <= 5_000_000, (name, result)
        assert result["cpu_ms"] < 50, (name, result)
        assert result["lenient_grown_bytes"] <= 20_000_000, (name, result)
        assert result["lenient_cpu_ms"] < 300, (name, result)
    assert len(told) == len(paths)


if __name__ == "__main__":
    main(sys.argv[1:])
