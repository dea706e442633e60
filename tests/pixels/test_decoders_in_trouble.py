"""Decoders in trouble: damage is refused and does not fill the log, and memory may run out or stderr be closed."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.image_files.encoded import END, grey_png, ihdr, jpeg, png, png_of, rare_jpeg, rows, scan_data
from tests.pixels.decoding import RANDOM, RARE, colourful, decode
from workers.errors import ImageInvalid
from workers.pixels.decoder_warnings import words_of_decoders


@pytest.mark.parametrize("name", ["00_test.jpg", "00_reference.png"])
def test_a_real_frame_cut_anywhere_is_refused(shared_data: Path, name: str) -> None:
    file = (shared_data / "pcb" / name).read_bytes()
    cuts = [*range(1, 700, 23), *range(700, len(file), len(file) // 100), *range(len(file) - 40, len(file))]
    for cut in cuts:
        with pytest.raises(ImageInvalid):
            decode(file[:cut])


def test_a_cut_jpeg_with_an_end_put_to_it_is_refused_and_not_filled_with_grey(shared_data: Path) -> None:
    real = (shared_data / "pcb" / "00_test.jpg").read_bytes()
    for file in (real, jpeg(colourful(400, 300)), rare_jpeg(400, 300, RARE)):
        start = file.rindex(b"\xff\xda") + 10
        for part in (0.0, 0.3, 0.6, 0.9):
            cut = start + int((len(file) - start) * part)
            damaged = file[:cut].rstrip(b"\xff") + END
            with pytest.raises(ImageInvalid, match=r"is damaged: .*premature end of data|more than its \d+ bytes"):
                decode(damaged)


def test_a_changed_scan_of_rare_sampling_is_refused_where_cv2_alone_is_content() -> None:
    file = rare_jpeg(400, 300, RARE)
    damaged = file.replace(scan_data(file)[-400:], b"\xff\xd0" + scan_data(file)[-400:])
    assert damaged != file
    assert cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR) is not None
    with pytest.raises(ImageInvalid, match="the JPEG is damaged"):
        decode(damaged)


def test_what_decoders_say_is_collected_and_what_others_say_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with words_of_decoders() as messages:
        os.write(2, b"one\nCorrupt JPEG data: bad\ntwo\n")
    assert messages == [b"Corrupt JPEG data: bad"]
    assert capfd.readouterr().err == "one\ntwo\n"
    os.write(2, b"three\n")
    assert capfd.readouterr().err == "three\n"


def test_no_file_can_fill_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    wrong_filter = png(ihdr(60, 40), zlib.compress(b"\7" + bytes(61 * 40 - 1)))
    with pytest.raises(ImageInvalid, match="pixels are damaged: invalid scanline filter"):
        decode(wrong_filter)
    file = rare_jpeg(400, 300, RARE)
    wrong_restart = file.replace(scan_data(file)[-400:], b"\xff\xd0" + scan_data(file)[-400:])
    with pytest.raises(ImageInvalid, match="is damaged: Corrupt JPEG data"):
        decode(wrong_restart)
    assert capfd.readouterr().err == ""


def test_memory_that_runs_out_at_any_step_is_not_taken_for_a_damaged_png(tmp_path: Path) -> None:
    (tmp_path / "file.png").write_bytes(png_of(RANDOM.integers(0, 256, (1000, 1000, 3), np.uint16), 2, 8))
    code = """if True:
        import pathlib, resource, sys
        import cv2
        from workers.pixels.encoded import decode_image
        from workers.gate import ImageLimits
        cv2.setNumThreads(1)
        file = memoryview((pathlib.Path(sys.argv[1]) / "file.png").read_bytes())
        has = int(pathlib.Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        met = []
        for more in range(0, 40_000_000, 250_000):
            resource.setrlimit(resource.RLIMIT_DATA, (has + more, resource.RLIM_INFINITY))
            try:
                decode_image(file, ImageLimits())
                met.append("decoded")
            except MemoryError:
                met.append("no memory")
        assert met[0] == "no memory" and met[-1] == "decoded", met
    """
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_images_are_decoded_where_user_code_has_closed_stderr(closed: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "sound.png").write_bytes(grey_png(colourful()[..., 0]))
    (tmp_path / "rare.jpg").write_bytes(rare_jpeg(100, 60, RARE))
    code = f"""if True:
        import os, pathlib, sys
        from workers.pixels.encoded import decode_image
        from workers.gate import ImageLimits
        files = [memoryview(path.read_bytes()) for path in pathlib.Path(sys.argv[1]).iterdir()]
        for fd in {closed}:
            os.close(fd)
        before = os.listdir("/proc/self/fd")
        for file in files * 2:
            decode_image(file, ImageLimits())
        os._exit(os.listdir("/proc/self/fd") != before)
    """
    checkout = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=checkout, check=True)


@pytest.mark.parametrize("side", [40, 1000])
def test_a_png_whose_pixels_do_not_inflate_is_refused(side: int) -> None:
    raw = rows(RANDOM.integers(0, 256, (side, side), np.uint8))
    sound = zlib.compress(raw)
    for stream in (sound[: len(sound) // 2], sound[:-5], zlib.compress(raw[:-1]), b"\0" * len(sound)):
        with pytest.raises(ImageInvalid, match="compressed pixels"):
            decode(png(ihdr(side, side), stream))
