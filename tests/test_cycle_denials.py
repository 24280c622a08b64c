"""What AWS denies stays known until it is answered, and is told as one thing for each operation."""

from __future__ import annotations

import pytest

from tests.support.wire import down
from watcher.clock import SimulatedClock
from watcher.core.region_sight import Denial
from watcher.cycle_denials import HOLDS, Denials, Question, denials_of, merged
from watcher.errors import AwsDenied, AwsError


def denied(operation: str = "DescribeTable", *, retryable: bool = False) -> AwsDenied:
    return AwsDenied("no", code="AccessDeniedException", operation=operation, retryable=retryable)


@pytest.mark.parametrize(
    ("refused", "whole", "tables"),
    [
        pytest.param([("a", denied()), ("b", denied())], 3, [("a", "b")], id="two of three tables"),
        pytest.param([("a", denied()), ("b", denied())], 2, [()], id="all tables are the Region"),
        pytest.param([("", denied())], 0, [()], id="a question about no table"),
        pytest.param([("a", down())], 1, [], id="no answer is no denial"),
        pytest.param([], 0, [], id="nothing failed"),
    ],
)
def test_errors_become_denials_by_operation(
    refused: list[tuple[str, AwsError]], whole: int, tables: list[tuple[str, ...]]
) -> None:
    assert [denial.tables for denial in denials_of(refused, whole)] == tables


def test_refused_credentials_are_known_by_being_worth_a_retry() -> None:
    (denial,) = denials_of([("", denied(retryable=True))])
    assert denial.credentials


def test_the_region_as_a_whole_outweighs_its_tables() -> None:
    parts = (Denial("X", "no", ("b",)), Denial("X", "no", ("a",)), Denial("A", "no"))
    assert [(one.operation, one.tables) for one in merged(parts)] == [("A", ()), ("X", ("a", "b"))]
    assert merged((*parts, Denial("X", "no", darkens=True)))[1] == Denial("X", "no", darkens=True)


def test_an_answer_takes_back_what_was_denied_of_that_question_alone() -> None:
    denials = Denials(SimulatedClock(0.0))
    denials.note(Question.SAMPLER, denied("DescribeContributorInsights"), "a", "a")
    denials.note(Question.SAMPLER, denied("DescribeContributorInsights"), "b", "b")
    denials.note(Question.NAMES, denied("ListTables"))
    assert [one.tables for one in denials.of(Question.SAMPLER)] == [("a", "b")]
    denials.answered(Question.SAMPLER, "a")
    assert [(one.operation, one.tables) for one in denials.standing()] == [
        ("DescribeContributorInsights", ("b",)),
        ("ListTables", ()),
    ]
    denials.keep(Question.NAMES, ())
    assert [one.operation for one in denials.standing()] == ["DescribeContributorInsights"]


def test_who_is_not_reached_neither_denies_nor_allows() -> None:
    denials = Denials(SimulatedClock(0.0))
    denials.note(Question.NAMES, down())
    assert denials.standing() == ()
    denials.note(Question.NAMES, denied("ListTables"))
    denials.note(Question.NAMES, down())
    assert [one.operation for one in denials.standing()] == ["ListTables"]


@pytest.mark.parametrize(
    ("seconds", "known"),
    [
        pytest.param(HOLDS - 1, 1, id="asked again within the hour"),
        pytest.param(HOLDS, 0, id="not asked for so long that nobody can tell"),
    ],
)
def test_a_denial_is_forgotten_in_the_end(seconds: float, known: int) -> None:
    clock = SimulatedClock(0.0)
    denials = Denials(clock)
    denials.note(Question.SURVEY, denied("ListContributorInsights"))
    clock.advance(seconds)
    assert len(denials.standing()) == known
