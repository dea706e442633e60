"""The verdict of a project, `[verdict]`: rules over the context that the flow has ended with.

    [verdict]
    combine = "and"          # with what modules have set; "overwrite", the default, is the rules alone
    join = "and"             # of the rules; "or": one that holds is enough

    [[verdict.rules]]
    name = "four screws"
    rule = "count"
    label = "screw"
    min = 4
    max = 4

    [[verdict.rules]]
    rule = "or"
    rules = [
        { rule = "present", label = "scratch", present = false },
        { rule = "area", label = "scratch", max_px = 200, scope = "together" },
    ]

`context["verdict"]` says of each rule, depth first as modules are counted, whether it holds and what it found. A frame
with an error is never OK, whatever the rules say. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workers.context.plain_values import plain
from workers.flow.mistakes import Mistakes
from workers.flow.rules import KINDS, Group, Rule
from workers.modules.project_files import meant
from workers.text import shown, type_name

MOST_RULES = 200
_DEEPEST = 20


class VerdictOptions(BaseModel):
    """What a project says about its verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    combine: Annotated[
        Literal["overwrite", "and"],
        Field(description="overwrite: the rules alone decide; and: what modules have set must be OK too"),
    ] = "overwrite"
    join: Annotated[
        Literal["and", "or"], Field(description="and: all rules must hold; or: one that holds is enough")
    ] = "and"
    after_exit: Annotated[
        Literal["judge", "keep"],
        Field(description="where only_if or exit ended the flow. judge: as always; keep: the result stays as it is"),
    ] = "judge"
    rules: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_RULES, description="its rules")]


@dataclass(frozen=True, slots=True)
class Judge:
    """A rule with those of its group, if it is one."""

    rule: Rule
    rules: tuple[Judge, ...] = ()

    def judge(self, context: Mapping[str, Any], found: list[dict[str, Any]], note: Callable[..., None]) -> bool:
        """Return whether it holds; `found` gets an entry for it, and for each of its group behind that."""
        entry: dict[str, Any] = {"rule": self.rule.title, "holds": False, "value": None}
        found.append(entry)
        if self.rules:
            held = [each.judge(context, found, note) for each in self.rules]
            entry["holds"] = all(held) if self.rule.rule == "and" else any(held)
            entry["value"] = sum(held)
            return entry["holds"] is True
        try:
            entry["holds"], entry["value"] = self.rule.judge(context)
        except Exception as error:  # noqa: BLE001 - a value of user code may be of a class that raises anything
            note(f"the rule {self.rule.title!r} of the verdict cannot be judged: {error}", type=type_name(error))
        return entry["holds"] is True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The rules of a project, ready to judge."""

    options: VerdictOptions
    rules: tuple[Judge, ...]

    def judge(self, context: dict[str, Any], note: Callable[..., None]) -> None:
        """Set `result` and `verdict` of a context that is whole; `note` is told of what cannot be judged."""
        found: list[dict[str, Any]] = []
        context["verdict"] = found
        if self.options.after_exit == "keep" and plain(context.get("exit")):
            return
        held = [each.judge(context, found, note) for each in self.rules]
        good = all(held) if self.options.join == "and" else any(held)
        if self.options.combine == "and":
            good = good and context["result"] is True
        context["result"] = good and context["error"] is False


def read_verdict(table: object, mistakes: Mistakes) -> Verdict | None:
    """Read the table [verdict]; what is returned counts only if there are no mistakes."""
    options = mistakes.valid(VerdictOptions, table, "verdict")
    given = table.get("rules") if isinstance(table, dict) else None
    rules = _rules(given, "verdict.rules", mistakes, 1)
    if _size(rules) > MOST_RULES:
        mistakes.add("verdict.rules", f"has {_size(rules)} rules in all, at most {MOST_RULES} are allowed")
    return Verdict(options, rules) if options else None


def _size(rules: tuple[Judge, ...]) -> int:
    return sum(1 + _size(each.rules) for each in rules)


def _rules(tables: object, where: str, mistakes: Mistakes, depth: int) -> tuple[Judge, ...]:
    if not isinstance(tables, list):
        return ()  # said by the options
    if depth > _DEEPEST:
        mistakes.add(where, f"is nested more than {_DEEPEST} deep")
        return ()
    read = [_rule(table, f"{where}[{index}]", mistakes, depth) for index, table in enumerate(tables)]
    return tuple(rule for rule in read if rule)


def _rule(table: object, where: str, mistakes: Mistakes, depth: int) -> Judge | None:
    if not isinstance(table, dict):
        return None  # said by the options
    name = table.get("rule")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        what = "is missing" if name is None else f"there is no rule {shown(name)}"
        mistakes.add(f"{where}.rule", f"{what}; known are {', '.join(KINDS)}{meant(str(name), KINDS)}")
        return None
    options = mistakes.valid(kind, table, where)
    rules = _rules(table.get("rules"), f"{where}.rules", mistakes, depth + 1) if kind is Group else ()
    return Judge(options, rules) if options else None
