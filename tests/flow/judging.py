"""A project whose code finds what a test tells it to, and whose verdict judges that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.projects import inspect, write_project
from workers.context.context import context_json
from workers.flow.flow import Flow
from workers.flow.project import load_project

SET = """
def main(context, form):
    for label, area, confidence in form.pop("found", []):
        names = [{"label": label}, {"label": "second"}]
        context["detectedRectangles"].append(
            {"x": 0, "y": 0, "width": 2, "height": 2, "area": area, "confidence": confidence, "classNames": names}
        )
    context.update(form)
"""
FOUND = '[["screw", 100.0, 0.9], ["screw", 150.0, 0.5], ["nut", 40.0, 0.8]]'


def judged(folder: Path, verdict: str, form: str = f"{{ found = {FOUND} }}", behind: str = "") -> dict[str, Any]:
    step = f'[[flow]]\nmodule = "code"\nfile = "code/set.py"\nform = {form}\n{behind}\n'
    project = load_project(write_project(folder, step + verdict, set=SET))
    context = inspect(Flow.prepare(project)).context
    assert context_json(context)
    return context
