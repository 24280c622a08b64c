"""The ladder of operating points, where a goal begins on it, and where a night leads."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.core.builders import KEY, NOON, even, observed, table
from watcher.core.model import TABLE_WRITE, Choice
from watcher.core.points import ORDER, Trial, candidates, choose, evidence, fraction, story, taken_up
from watcher.core.policy import OBJECTIVES, POINTS, Objective, TablePolicy, Tuning, beginning, between
from watcher.core.reasons import Reason
from watcher.core.state import TableState
from watcher.core.step import step

GOAL = 1e-3


# The ladder ---------------------------------------------------------------------------------------------------------


def test_the_points_are_the_objectives_and_what_lies_between() -> None:
    assert ORDER == ("economy", "lean", "balanced", "careful", "safe")
    assert {name: POINTS[name.value] for name in Objective} == OBJECTIVES


def test_between_takes_the_mean_of_every_number_and_the_rest_from_the_more_careful() -> None:
    low = Tuning(headroom=0.1, quiet_minutes=10, reserve=1, seasons=True)
    high = Tuning(headroom=0.3, quiet_minutes=20, reserve=4, seasons=False)
    middle = between(low, high)
    assert middle == replace(low, headroom=0.2, quiet_minutes=15, reserve=2, seasons=False)


@pytest.mark.parametrize(
    ("lower", "point", "upper"), [("economy", "lean", "balanced"), ("balanced", "careful", "safe")]
)
def test_a_point_between_follows_its_neighbours_numbers(lower: str, point: str, upper: str) -> None:
    for one in fields(Tuning):
        low, middle, high = (getattr(POINTS[name], one.name) for name in (lower, point, upper))
        assert min(low, high) <= middle <= max(low, high), one.name
    assert POINTS[point] not in (POINTS[lower], POINTS[upper])


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        pytest.param(0.1, "economy", id="one in ten"),
        pytest.param(3e-3, "economy", id="3e-3 is still the cheapest"),
        pytest.param(2.999e-3, "lean", id="just under it is not"),
        pytest.param(1e-3, "lean", id="1e-3"),
        pytest.param(9.99e-4, "balanced", id="just under 1e-3"),
        pytest.param(3e-4, "balanced", id="3e-4"),
        pytest.param(2.99e-4, "careful", id="just under 3e-4"),
        pytest.param(1e-4, "careful", id="1e-4"),
        pytest.param(9.99e-5, "safe", id="just under 1e-4"),
        pytest.param(1e-9, "safe", id="next to nothing"),
    ],
)
def test_where_a_goal_begins(goal: float, expected: str) -> None:
    assert beginning(goal) == expected


@pytest.mark.parametrize(
    ("goal", "point", "chosen_for", "expected"),
    [
        pytest.param(None, "safe", 1e-3, "", id="without a goal no point is in force"),
        pytest.param(GOAL, "", None, "lean", id="nothing chosen yet: where the goal begins"),
        pytest.param(GOAL, "safe", GOAL, "safe", id="what was chosen"),
        pytest.param(GOAL, "safe", 1e-4, "lean", id="chosen for another goal: that begins anew"),
        pytest.param(GOAL, "reckless", GOAL, "lean", id="a point of another version of the watcher"),
    ],
)
def test_the_point_in_force(goal: float | None, point: str, chosen_for: float | None, expected: str) -> None:
    assert TablePolicy(goal=goal).standing(point, chosen_for) == expected


def test_the_configs_own_numbers_hold_at_every_point() -> None:
    policy = TablePolicy(goal=GOAL, overrides=(("max_raise_factor", 3.0),))
    for point in ORDER:
        assert policy.in_force(point) == replace(POINTS[point], max_raise_factor=3.0)
        assert policy.at(point).tuning == policy.in_force(point)


def test_without_a_point_the_policys_own_tuning_stays() -> None:
    policy = TablePolicy(tuning=Tuning(headroom=0.77))
    assert policy.at("") is policy
    assert policy.in_force("").headroom == 0.77


# The choice ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        pytest.param("economy", ("economy", "lean"), id="nothing is cheaper than the first"),
        pytest.param("lean", ("economy", "lean", "balanced"), id="one step either way"),
        pytest.param("balanced", ("lean", "balanced", "careful"), id="from the middle too"),
        pytest.param("safe", ("careful", "safe"), id="nothing is safer than the last"),
    ],
)
def test_one_night_leads_one_step(current: str, expected: tuple[str, ...]) -> None:
    assert candidates(current) == expected


@pytest.mark.parametrize(
    ("lower", "here", "upper", "expected"),
    [
        pytest.param((2e-3, 4.0), (5e-4, 5.0), (1e-4, 6.0), "balanced", id="the cheapest that meets it is the current"),
        pytest.param(
            (7e-4, 4.9), (5e-4, 5.0), (1e-4, 6.0), "lean", id="a cheaper one 30 % clear of the goal, 2 % less"
        ),
        pytest.param((7.01e-4, 4.0), (5e-4, 5.0), (1e-4, 6.0), "balanced", id="not clear of it"),
        pytest.param((1e-4, 4.91), (5e-4, 5.0), (1e-4, 6.0), "balanced", id="not 2 % cheaper"),
        pytest.param((9e-4, 4.0), (1e-3, 5.0), (1e-4, 6.0), "balanced", id="the goal itself is met"),
        pytest.param((9e-3, 4.0), (1.01e-3, 5.0), (1e-3, 6.0), "careful", id="missed: the next one meets it"),
        pytest.param((9e-4, 4.0), (1.01e-3, 5.0), (1e-4, 6.0), "lean", id="missed: the cheapest that meets it"),
        pytest.param((9e-3, 4.0), (5e-3, 5.0), (4.5e-3, 6.0), "careful", id="none meets it: the least, 10 % better"),
        pytest.param((9e-3, 4.0), (5e-3, 5.0), (4.51e-3, 6.0), "balanced", id="not 10 % better"),
        pytest.param((2e-3, 4.0), (5e-3, 5.0), (4e-3, 6.0), "lean", id="none meets it, a cheaper one throttles least"),
        pytest.param((2e-3, 4.0), (5e-3, 5.0), (2e-3, 6.0), "lean", id="alike: the cheaper"),
        pytest.param((0.0, 6.0), (0.0, 5.0), (0.0, 4.0), "careful", id="dearer points may come out cheaper"),
        pytest.param((0.0, 5.0), (0.0, 5.0), (0.0, 5.0), "balanced", id="all alike"),
    ],
)
def test_the_choice_from_balanced_at_a_goal_of_1e_3(
    lower: tuple[float, float], here: tuple[float, float], upper: tuple[float, float], expected: str
) -> None:
    trials = {
        point: Trial(point, *said)
        for point, said in zip(("lean", "balanced", "careful"), (lower, here, upper), strict=True)
    }
    assert choose(GOAL, "balanced", trials) == expected


def test_at_either_end_there_is_one_way() -> None:
    trials = {"economy": Trial("economy", 5e-3, 1.0), "lean": Trial("lean", 1e-4, 2.0)}
    assert choose(GOAL, "economy", trials) == "lean"
    trials = {"careful": Trial("careful", 1e-4, 1.0), "safe": Trial("safe", 1e-5, 2.0)}
    assert choose(GOAL, "safe", trials) == "careful"


def test_a_choice_does_not_go_back_and_forth_on_the_same_past() -> None:
    """Whatever the figures of the five points, following the choice ends at one of them."""
    for number in range(5**5):
        shares = [3e-4 * (number // 5**place % 5) for place in range(5)]
        trials = {
            point: Trial(point, share, 1.0 + 0.1 * at)
            for at, (point, share) in enumerate(zip(ORDER, shares, strict=True))
        }
        current = "balanced"
        for _ in range(5):
            current = choose(GOAL, current, trials)
        assert choose(GOAL, current, trials) == current, shares


def test_the_story_has_the_numbers() -> None:
    trials = {"lean": Trial("lean", 3.14e-4, 4.1), "balanced": Trial("balanced", 0.0, 4.38)}
    trials["economy"] = Trial("economy", 2e-2, 0.052)
    assert story(1e-4, "lean", "balanced", trials, 7.0) == (
        "replayed 7 days: economy would have throttled 2e-2 at $0.052 a day, lean 3.1e-4 at $4.10, "
        "balanced nothing at $4.38; goal 1e-4: balanced instead of lean"
    )
    assert story(4e-4, "lean", "lean", trials, 1.0).endswith("; goal 4e-4: lean stays")
    assert story(4e-4, "lean", "lean", trials, 1.0).startswith("replayed 1 day: ")
    assert evidence(1e-4, trials, 7.0)["lean_throttled"] == 3.14e-4


def test_a_goal_out_of_reach_is_said() -> None:
    trials = {point: Trial(point, 2e-3, 4.0) for point in ("balanced", "careful", "safe")}
    assert story(1e-4, "careful", "safe", trials, 7.0).endswith("goal 1e-4: none meets it, safe instead of careful")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "nothing"), (1e-4, "1e-4"), (3.14e-4, "3.1e-4"), (0.95e-4, "9.5e-5"), (0.1, "1e-1")]
)
def test_fractions_as_people_read_them(share: float, expected: str) -> None:
    assert fraction(share) == expected


# In force -----------------------------------------------------------------------------------------------------------


def test_a_choice_is_taken_up_and_told() -> None:
    policy = TablePolicy(goal=GOAL)
    state, decisions = taken_up(NOON, policy, TableState(), Choice(KEY, GOAL, "careful", "the story", {"goal": GOAL}))
    assert (state.point, state.point_goal, state.point_at) == ("careful", GOAL, NOON)
    (decision,) = decisions
    assert (decision.reason, decision.sentence, decision.noun) == (Reason.CHOOSE_POINT, "the story", "table")
    assert not decision.is_change


def test_a_turn_without_a_story_is_only_remembered() -> None:
    state, decisions = taken_up(NOON, TablePolicy(goal=GOAL), TableState(), Choice(KEY, GOAL, "lean"))
    assert (state.point_at, list(decisions)) == (NOON, [])


@pytest.mark.parametrize(
    "goal", [pytest.param(None, id="the goal is gone"), pytest.param(2e-3, id="the goal is another")]
)
def test_a_choice_that_comes_too_late_counts_as_nothing(goal: float | None) -> None:
    state = TableState(point="safe", point_goal=GOAL)
    assert taken_up(NOON, TablePolicy(goal=goal), state, Choice(KEY, GOAL, "lean", "x")) == (state, ())


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        pytest.param("economy", False, id="an even 80 of 100 are enough for economy"),
        pytest.param("safe", True, id="safe wants more room than that"),
    ],
)
def test_a_step_decides_by_the_point_in_force(point: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    policy = TablePolicy(goal=GOAL, tuning=POINTS["lean"])
    chosen = replace(observed(table(), {TABLE_WRITE: even(80.0)}), choice=Choice(KEY, GOAL, point, "because"))
    first = step(NOON, policy, TableState(), chosen)
    told = {one.reason for one in first.explanation.new_decisions}
    assert Reason.CHOOSE_POINT in told
    assert (Reason.RAISE_DEMAND in told) is expected
    again = step(NOON + 60, policy, first.state, observed(table(), {TABLE_WRITE: even(80.0)}, now=NOON + 60))
    assert again.state.point == point
    assert (Reason.RAISE_DEMAND in {one.reason for one in again.explanation.decisions}) is expected
    assert all(one.reason is not Reason.CHOOSE_POINT for one in again.explanation.new_decisions), "told once"
