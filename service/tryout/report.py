"""One page that shows how a project was wrong: no script, nothing from elsewhere, light and dark, pictures inside."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from service.tryout.inspecting import Trial
from service.tryout.row import Row
from service.tryout.score import VERDICTS, Score, figure
from workers.text import printable

_MOST_PICTURES = 100  # of each kind: the page stays one that a browser opens at once
_MOST_ERRORS = 200


@dataclass(slots=True)
class Findings:
    """The rows that a page shows, gathered as they come; `left_out` are pictures beyond what it has room for."""

    false_ok: list[Row] = field(default_factory=list)
    false_nok: list[Row] = field(default_factory=list)
    errors: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> Row:
        """Take a row where it belongs here; returns it without its preview, to be kept elsewhere."""
        if row.is_false:
            rows = self.false_ok if row.verdict == "OK" else self.false_nok
            rows.append(row if len(rows) < _MOST_PICTURES else replace(row, preview=b""))
        elif row.verdict == "ERROR" or row.failed:
            self.errors.append(row)
        return replace(row, preview=b"") if row.preview else row


def write_report(path: Path, trial: Trial, score: Score, findings: Findings) -> None:
    """Write the page; raises OSError where it cannot be written."""
    page = templates().get_template("report.html")
    path.write_text(
        page.render(
            project=trial.project.name,
            folder=printable(trial.project.folder),
            version=trial.version,
            score=score,
            verdicts=VERDICTS,
            findings=findings,
            errors=findings.errors[:_MOST_ERRORS],
        ),
        "utf-8",
    )


def templates() -> Environment:
    """Return the templates of pages, with the filters that they use; `when` is the time that it is now."""
    templates = Environment(
        loader=PackageLoader("service.tryout"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["when"] = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    templates.filters["figure"] = figure
    templates.filters["inline"] = lambda jpeg: f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return templates
