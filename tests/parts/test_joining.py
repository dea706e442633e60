"""How frames become a part: whatever comes in whatever order, nothing is OK of which not all is."""

from __future__ import annotations

from collections.abc import Mapping

import hypothesis.strategies as st
from hypothesis import given
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.parts.joining import ERROR, MISSING, NOK, OFF, OK, Frame, Joining, Part, Seen, Verdict
from service.parts.plans import PartPlan

VIEWS = ("top", "left", "right")
MS_NS = 1_000_000
WORDS = st.sampled_from([OK, NOK, OFF, ERROR])
TOLD = st.lists(st.tuples(st.sampled_from([*VIEWS, "bottom"]), WORDS, st.integers(1, 6)), max_size=12)


def part(rule_of: str | None = None) -> Part:
    return Part("4711", 1, PartPlan(VIEWS, 100, rule_of), 1, 100 * MS_NS)


def no_rule(_: str, __: Mapping[str, bool]) -> bool:
    raise AssertionError("there is none")


@given(TOLD)
def test_a_part_is_ok_only_where_each_view_came_once_and_was_ok(told: list[tuple[str, str, int]]) -> None:
    one = part()
    for view, word, came_ns in told:
        one.add(view, Seen(word, Frame(came_ns, 0)))
    verdict = one.verdict(no_rule)
    frames = {view: {(came_ns, word) for name, word, came_ns in told if name == view} for view in VIEWS}
    each_once = all(len(frames[view]) == 1 for view in VIEWS)
    only_views = all(view in VIEWS for view, _, _ in told)
    said = {word for view in VIEWS for _, word in frames[view]}
    assert (verdict.word == OK) == (each_once and only_views and said == {OK})
    assert (verdict.word == NOK) == (each_once and only_views and said in ({NOK}, {OK, NOK}))
    assert (verdict.word == OFF) == (each_once and only_views and said == {OFF})
    assert bool(verdict.why) == (verdict.word in {ERROR, OFF})


@given(TOLD, st.booleans())
def test_a_rule_is_asked_only_where_there_is_no_doubt(told: list[tuple[str, str, int]], held: bool) -> None:
    asked: list[dict[str, bool]] = []

    def holds(_: str, views: Mapping[str, bool]) -> bool:
        asked.append(dict(views))
        return held

    one = part("top or left")
    for view, word, came_ns in told:
        one.add(view, Seen(word, Frame(came_ns, 0)))
    verdict = one.verdict(holds)
    assert bool(asked) == (verdict.word in {OK, NOK})
    if asked:
        assert verdict.word == (OK if held else NOK)
        assert asked == [{view: one.seen[view].word == OK for view in VIEWS}]


def test_a_rule_that_raises_or_says_anything_but_true_is_not_ok() -> None:
    one = part("top")
    for came_ns, view in enumerate(VIEWS):
        one.add(view, Seen(OK, Frame(came_ns, 0)))

    def fails(_: str, __: Mapping[str, bool]) -> bool:
        raise ZeroDivisionError

    says_one: bool = 1  # type: ignore[assignment]
    assert one.verdict(fails) == Verdict(ERROR, "rule")
    assert one.verdict(lambda _, __: says_one).word == NOK


def test_a_frame_that_is_told_again_changes_nothing_and_one_that_is_taken_back_is_an_error() -> None:
    one = part()
    for came_ns, view in enumerate(VIEWS):
        for _ in range(2):
            one.add(view, Seen(OK, Frame(came_ns, 0)))
    assert one.verdict(no_rule).word == OK
    one.add("top", Seen(ERROR, Frame(0, 0)))
    assert one.verdict(no_rule) == Verdict(ERROR, "error")


@given(TOLD, st.text(max_size=200))
def test_a_part_that_is_kept_comes_back_as_it_was(told: list[tuple[str, str, int]], name: str) -> None:
    one = Part(name, 7, PartPlan(VIEWS, 100, "top"), 1, 2)
    for view, word, came_ns in told:
        one.add(view, Seen(word, Frame(came_ns, 3)))
    assert Part.unpack(one.pack(), -1) == one


class Desk(RuleBasedStateMachine):
    """Parts come and go; a model that knows them only by their frames says what each must have become."""

    def __init__(self) -> None:
        super().__init__()
        self.joining = Joining(3)
        self.now_ns = 0
        self.model: dict[str, list[tuple[str, str, Frame]]] = {}
        self.due: dict[str, int] = {}
        self.frames = 0

    def _end(self, one: Part, verdict: Verdict) -> None:
        told = self.model.pop(one.name)
        del self.due[one.name]
        self.joining.end(one)
        views = [view for view, _, _ in told]
        if verdict.word == OK:
            assert sorted(views) == sorted(VIEWS)
            assert all(word == OK for _, word, _ in told)
        if len(set(views)) < 3:
            assert verdict.word == ERROR

    def _end_overdue(self) -> None:
        for one in self.joining.overdue(self.now_ns):
            assert self.due[one.name] <= self.now_ns
            self._end(one, one.verdict(no_rule))
        assert all(due > self.now_ns for due in self.due.values())

    @rule(name=st.sampled_from("abcdefg"), view=st.sampled_from(VIEWS), word=WORDS)
    def tell(self, name: str, view: str, word: str) -> None:
        self._end_overdue()
        self.frames += 1
        frame = Frame(self.frames, 0)
        one = self.joining.open(name, 1, PartPlan(VIEWS, 100), frame, self.now_ns)
        one.add(view, Seen(word, frame))
        self.model.setdefault(name, []).append((view, word, frame))
        self.due.setdefault(name, self.now_ns + 100 * MS_NS)
        oldest = next(iter(self.model))
        if (surplus := self.joining.surplus()) is not None:
            assert surplus.name == oldest
            self._end(surplus, Verdict(ERROR, "pushed_out"))
        if one.is_whole:
            self._end(one, one.verdict(no_rule))

    @rule(ms=st.integers(0, 150))
    def wait(self, ms: int) -> None:
        self.now_ns += ms * MS_NS
        self._end_overdue()

    @precondition(lambda self: self.model)
    @rule()
    def look(self) -> None:
        for name, told in self.model.items():
            one = self.joining.get(name)
            assert one is not None
            assert {view for view in VIEWS if one.word_of(view) != MISSING} == {view for view, _, _ in told}

    @invariant()
    def what_is_open_is_bounded_and_known(self) -> None:
        assert len(self.joining) == len(self.model) <= 3
        assert self.joining.next_due_ns == min(self.due.values(), default=None)


test_parts_that_come_and_go = Desk.TestCase
