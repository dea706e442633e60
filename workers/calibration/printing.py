"""The sheet of a target as a file to print, in true millimetres: SVG, PDF, or PNG with its resolution."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from xml.sax.saxutils import escape

import cv2
import numpy as np

from workers.calibration.target import Box, Disc, Sheet

_POINTS_PER_MM = 72 / 25.4
_PNG_PER_MM = 24  # px: 610 dpi
_MOST_PNG_PX = 16_000
_BEND = 0.5522847498  # of a quarter of a circle as a Bezier curve


def printed(sheet: Sheet, name: str) -> bytes:
    """Return the content of a file that is called `name`; raises ValueError where its ending is none of ours."""
    write = _WRITERS.get(PurePath(name).suffix.lower())
    if write is None:
        msg = f"{name} ends with none of {', '.join(_WRITERS)}"
        raise ValueError(msg)
    return write(sheet)


def _svg(sheet: Sheet) -> bytes:
    size = f'width="{sheet.width_mm:g}mm" height="{sheet.height_mm:g}mm"'
    view = f'viewBox="0 0 {sheet.width_mm:g} {sheet.height_mm:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for shape in sheet.shapes:
        if isinstance(shape, Box):
            lines.append(f'<rect x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" height="{shape.height:g}"/>')
        elif isinstance(shape, Disc):
            lines.append(f'<circle cx="{shape.x:g}" cy="{shape.y:g}" r="{shape.radius:g}"/>')
        else:
            font = f'font-family="sans-serif" font-size="{shape.size:g}"'
            lines.append(f'<text x="{shape.x:g}" y="{shape.y:g}" {font}>{escape(shape.text)}</text>')
    return "\n".join([*lines, "</svg>", ""]).encode()


def _pdf(sheet: Sheet) -> bytes:
    """Write one page; PDF counts from the lower left corner."""
    scale = _POINTS_PER_MM
    drawn = [f"{scale:.6f} 0 0 {scale:.6f} 0 0 cm"]
    for shape in sheet.shapes:
        y = sheet.height_mm - shape.y
        if isinstance(shape, Box):
            drawn.append(f"{shape.x:.4f} {y - shape.height:.4f} {shape.width:.4f} {shape.height:.4f} re f")
        elif isinstance(shape, Disc):
            drawn.append(_pdf_disc(shape.x, y, shape.radius))
        else:
            text = shape.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            drawn.append(f"BT /F1 {shape.size:g} Tf {shape.x:.4f} {y:.4f} Td ({text}) Tj ET")
    stream = "\n".join(drawn).encode("ascii")
    page = f"{sheet.width_mm * scale:.4f} {sheet.height_mm * scale:.4f}"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page}] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    content, places = b"%PDF-1.4\n", []
    for number, written in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, written)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(content))
    return content + head + tail


def _pdf_disc(x: float, y: float, radius: float) -> str:
    bend = _BEND * radius
    quarters = [
        (x + radius, y + bend, x + bend, y + radius, x, y + radius),
        (x - bend, y + radius, x - radius, y + bend, x - radius, y),
        (x - radius, y - bend, x - bend, y - radius, x, y - radius),
        (x + bend, y - radius, x + radius, y - bend, x + radius, y),
    ]
    curves = [" ".join(f"{place:.4f}" for place in quarter) + " c" for quarter in quarters]
    return " ".join([f"{x + radius:.4f} {y:.4f} m", *curves, "f"])


def _png(sheet: Sheet) -> bytes:
    """Draw it; raises ValueError where it would be too large."""
    scale = _PNG_PER_MM
    width, height = round(sheet.width_mm * scale), round(sheet.height_mm * scale)
    if max(width, height) > _MOST_PNG_PX:
        msg = f"a sheet of {sheet.width_mm:g} x {sheet.height_mm:g} mm is too large for a PNG: print a .pdf or .svg"
        raise ValueError(msg)
    image = np.full((height, width), 255, np.uint8)
    for shape in sheet.shapes:
        if isinstance(shape, Box):
            left, top = round(shape.x * scale), round(shape.y * scale)
            right, bottom = round((shape.x + shape.width) * scale), round((shape.y + shape.height) * scale)
            image[top:bottom, left:right] = 0
        elif isinstance(shape, Disc):
            centre = (round((shape.x * scale - 0.5) * 16), round((shape.y * scale - 0.5) * 16))
            cv2.circle(image, centre, round(shape.radius * scale * 16), 0, cv2.FILLED, cv2.LINE_AA, 4)
        else:
            place = (round(shape.x * scale), round(shape.y * scale))
            cv2.putText(image, shape.text, place, 0, cv2.FontFace("sans"), round(shape.size * scale), 400)
    encoded = cv2.imencode(".png", image)[1].tobytes()
    # resolution goes behind the header, which is 33 bytes with the signature
    chunk = b"pHYs" + struct.pack(">IIB", _PNG_PER_MM * 1000, _PNG_PER_MM * 1000, 1)
    return encoded[:33] + struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk)) + encoded[33:]


_WRITERS: Mapping[str, Callable[[Sheet], bytes]] = {".svg": _svg, ".pdf": _pdf, ".png": _png}
