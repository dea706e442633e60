"""What is not a number is never OK: wherever a module leaves one, `errors` says where, and JSON never holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.pictures import decoded
from tests.support.projects import code_flow, inspect
from tests.support.running import Server, serving
from tests.support.running import write_project as write_served
from workers.context.context import context_json

HEAD = """
import dataclasses, enum, fractions, math
import numpy as np
nan, inf = math.nan, math.inf

@dataclasses.dataclass
class Measured:
    width: object

def rectangle(**fields):
    return {"x": 1, "y": 1, "width": 2, "height": 2, **fields}

def heat(value, dtype="f4"):
    made = np.zeros((6, 8), dtype)
    made[2, 3] = value
    return made
"""
NOT_NUMBERS = ("nan", "inf", "-inf", "np.float32('nan')", "np.float64('inf')", "np.float16('nan')")
# what a module leaves, and how the entry in `errors` begins
LEFT = {
    **{f"result {v}": (f"context['result'] = {v}", "context['result'] is") for v in (*NOT_NUMBERS, "1.0", "None")},
    "result, an array": ("context['result'] = np.array(True)", "context['result'] is a ndarray"),
    "result, masked": ("context['result'] = np.ma.masked", "context['result'] is a MaskedConstant"),
    "result, a comparison with NaN": ("context['result'] = np.array([nan]) < 1", "context['result'] is a ndarray"),
    **{
        f"{key} {v}": (f"context['{key}'] = {v}", f"context['{key}'] is")
        for key in ("score", "threshold", "angle", "save", "error")
        for v in NOT_NUMBERS
    },
    "score None": ("context['score'] = None", "context['score'] is None"),
    "score, an array": ("context['score'] = np.array(0.5)", "context['score'] is a ndarray"),
    **{
        f"rectangle's {key} {v}": (
            f"context['detectedRectangles'] = [rectangle({key}={v})]", f"detectedRectangles[0]['{key}'] is"
        )
        for key in ("x", "y", "width", "height", "rotate", "area", "confidence", "id")
        for v in NOT_NUMBERS[:4]
    },
    "a class name's confidence": (
        "context['detectedRectangles'] = [rectangle(confidence=1, classNames=[{'id': 1, 'confidence': nan}])]",
        "detectedRectangles[0]['classNames'][0]['confidence'] is nan",
    ),
    "a rectangle's own field": (
        "context['detectedRectangles'] = [rectangle(), rectangle(depth_mm=nan)]",
        "context['detectedRectangles'][1]['depth_mm'] is nan",
    ),
    "a line": ("context['lines'] = [[0, 0, 5, inf]]", "context['lines'][0][3] is inf"),
    "a surface class": (
        "context['surfaceClasses'] = [{'area': np.float32('nan')}]", "context['surfaceClasses'][0]['area'] is nan"
    ),
    "operator's input": ("context['operatorInput']['limit'] = nan", "context['operatorInput']['limit'] is nan"),
    "global data": ("context['globalData']['mean'] = -inf", "context['globalData']['mean'] is -inf"),
    "a key of its own": ("context['width_mm'] = nan", "context['width_mm'] is nan"),
    "an array": ("context['profile'] = np.array([1, nan], 'f4')", "context['profile'] has entries that are not finite"),
    "an array of objects": ("context['profile'] = np.array([1, nan], object)", "context['profile'][1] is nan"),
    "a dataclass": ("context['measured'] = Measured((1, nan))", "context['measured']['width'][1] is nan"),
    "as a key": ("context['shares'] = {nan: 1}", "a key of context['shares'] is nan"),
    "an enum": ("context['limit'] = enum.Enum('Limit', {'NONE': nan}).NONE", "context['limit'] is nan"),
    "under a number": ("context['counts'] = {7: {'share': nan}}", "context['counts'][7]['share'] is nan"),
    "beside a null": ("context.update(a=None, text='null', angle=1.0, b=nan)", "context['b'] is nan"),
    **{
        f"heatmap of {dtype}, {v}": (
            f"context['heatmaps'].append(heat({v}, '{dtype}'))", "context['heatmaps'][0] is not a number at 1 pixels"
        )
        for dtype in ("f2", "f4", "f8", "g", ">f4")
        for v in NOT_NUMBERS[:3]
    },
    "a heatmap of nothing but NaN": (
        "context['heatmaps'].append(np.full((6, 8), nan))", "context['heatmaps'][0] is not a number at 48 pixels"
    ),
    "a masked heatmap": (
        "context['heatmaps'].append(np.ma.masked_greater(heat(9, 'u1'), 8))", "context['heatmaps'][0] is not a number"
    ),
    "a second heatmap": ("context['heatmaps'] += [heat(0.5), heat(nan)]", "context['heatmaps'][1] is not a number"),
    **{
        f"heatmap of {dtype}": (
            f"context['heatmaps'].append(heat(0, '{dtype}'))", "context['heatmaps'][0] is an array of"
        )
        for dtype in ("i4", "u2", "c8", "O", "M8[s]")
    },
    "heatmap None": ("context['heatmaps'].append(None)", "context['heatmaps'][0] is None"),
    "heatmaps None": ("context['heatmaps'] = None", "context['heatmaps'] is None"),
    "heatmaps NaN": ("context['heatmaps'] = nan", "context['heatmaps'] is nan"),
    "heatmaps, an array": ("context['heatmaps'] = np.full((1, 6, 8), nan)", "context['heatmaps'] is a ndarray"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "told"), LEFT.values(), ids=LEFT.keys())
def test_what_is_not_a_number_is_told_and_never_ok(code: str, told: str, tmp_path: Path) -> None:
    inspection = inspect(code_flow(tmp_path, f"{HEAD}\ndef main(context):\n    {code}\n"))
    text = context_json(inspection.context)
    context = json.loads(text, parse_constant=pytest.fail)
    assert (context["result"], context["error"]) == (False, True)
    [entry] = context["errors"]
    assert entry["message"].startswith(told)
    assert entry.keys() == {"message", "type", "file", "line", "module", "moduleId"}
    # what follows in a worker asks the same dict
    assert inspection.context["result"] is False
    if inspection.heat is not None:
        assert np.isfinite(inspection.heat).all()
        assert ("not a number" in told) == (inspection.heat[2, 3] == 1)


def test_numbers_that_are_numbers_stay_ok(tmp_path: Path) -> None:
    code = """
        context.update(score=np.float32(0.5), threshold=fractions.Fraction(1, 2), angle=3, result=np.True_)
        context.update(nothing=None, text="null", mean=np.float64(1e300), many=np.ones(3, "f4"), whole=np.arange(3))
        context["heatmaps"] += [heat(1e300, "f8"), heat(-1e300, "f8"), np.ma.masked_less(heat(1), -1)]
        context["detectedRectangles"] = [rectangle(note=None)]
    """
    inspection = inspect(code_flow(tmp_path, f"{HEAD}\ndef main(context):\n{code}"))
    context = json.loads(context_json(inspection.context))
    assert (context["result"], context["errors"]) == (True, [])


def test_what_a_first_module_left_is_told_though_a_later_one_says_ok(tmp_path: Path) -> None:
    spoil = f"{HEAD}\ndef main(context):\n    context['globalData'] = {{'m': nan}}\n"
    flow = code_flow(tmp_path, spoil, "def main(context):\n    context['result'] = True\n")
    context = json.loads(context_json(inspect(flow).context))
    assert context["result"] is False
    assert context["errors"][0]["message"].startswith("context['globalData']['m'] is nan")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flow = '[[flow]]\nmodule = "code"\nfile = "code/obey.py"\n'
    obey = f"{HEAD}\ndef main(context):\n    exec(context['data'], {{**globals(), 'context': context}})\n"
    with serving(write_served(tmp_path_factory.mktemp("numbers"), flow, obey=obey)) as running:
        yield running


FRAME = bytes(6 * 8 * 3)


@pytest.mark.parametrize(
    "code",
    [
        "context['result'] = nan",
        "context['score'] = np.float64('nan')",
        "context['detectedRectangles'] = [rectangle(confidence=nan)]",
        "context['width_mm'] = inf",
        "context['heatmaps'].append(heat(nan))",
    ],
)
def test_a_server_answers_nok_and_says_where(server: Server, code: str) -> None:
    with server.client() as client:
        parameters = {"width": "8", "height": "6", "data": code}
        context = client.post("/analyze_raw_image", params=parameters, content=FRAME).raise_for_status().json()
        assert (context["result"], context["error"], len(context["errors"])) == (False, True, 1)
        kept = client.get("/last_image", params={"response_type": "context"})
        assert b"NaN" not in kept.content


def test_a_picture_of_heat_shows_what_is_not_a_number_at_its_hottest(server: Server) -> None:
    with server.client() as client:
        parameters = {"width": "8", "height": "6", "data": "context['heatmaps'].append(heat(nan))"}
        for kind, red in (("heatmap", 204), ("annotated_image", 255)):
            answer = client.post("/analyze_raw_image", params={**parameters, "response_type": kind}, content=FRAME)
            picture = decoded(answer.raise_for_status().content)
            assert picture[2, 3].tolist() == [0, 0, red]
            assert not np.delete(picture.reshape(48, 3), 2 * 8 + 3, axis=0).any()
