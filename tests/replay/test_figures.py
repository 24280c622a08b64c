"""The figures of a replay, worked out by hand."""

from __future__ import annotations

import pytest

from tests.replay.plants import NOON
from watcher.core.model import Kind
from watcher.core.reasons import Cause
from watcher.replay.figures import Played, Relief, billed_unit_hours, effective, episodes, relief, result_of, unit_hours
from watcher.replay.table import MinuteTruth

HOUR = 3600


@pytest.mark.parametrize(
    ("seconds", "lengths"),
    [
        pytest.param([], [], id="nothing throttled"),
        pytest.param([5], [1], id="one second is an episode of one second"),
        pytest.param([5, 6, 7], [3], id="from the first to the last, both counted"),
        pytest.param([0, 60], [61], id="59 calm seconds in between end nothing"),
        pytest.param([0, 61], [1, 1], id="60 calm seconds end it"),
        pytest.param([0, 30, 60, 200, 210], [61, 11], id="each episode for itself"),
    ],
)
def test_episodes(seconds: list[int], lengths: list[int]) -> None:
    assert episodes(seconds) == lengths


def test_a_shorter_calm_splits_episodes() -> None:
    assert episodes([0, 60, 100], calm=30) == [1, 1, 1]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        pytest.param([], Relief(0.0, 0.0, 0.0), id="nothing to be relieved of"),
        pytest.param([7], Relief(7.0, 7.0, 7.0), id="one episode is all three"),
        pytest.param([1, 2], Relief(1.0, 2.0, 2.0), id="of two the median is the shorter"),
        pytest.param(list(range(1, 21)), Relief(10.0, 19.0, 20.0), id="of twenty the tenth and the nineteenth"),
        pytest.param(list(range(1, 22)), Relief(11.0, 20.0, 21.0), id="of twenty-one the eleventh and the twentieth"),
    ],
)
def test_relief(lengths: list[int], expected: Relief) -> None:
    starts = (number * 1000 for number in range(len(lengths)))
    assert relief(s for start, length in zip(starts, lengths, strict=True) for s in (start, start + length - 1)) == (
        expected
    )


@pytest.mark.parametrize(
    ("steps", "end", "hours", "billed"),
    [
        pytest.param([(NOON, 100)], NOON + HOUR, 100.0, 100.0, id="an hour of 100"),
        pytest.param([(NOON, 100)], NOON + 900, 25.0, 25.0, id="a quarter of an hour counts as that"),
        pytest.param([(NOON + 1800, 100)], NOON + 5400, 100.0, 100.0, id="two half hours"),
        pytest.param(
            [(NOON, 100), (NOON + 1800, 300)], NOON + HOUR, 200.0, 300.0, id="a raise is billed for the whole hour"
        ),
        pytest.param(
            [(NOON, 300), (NOON + 60, 100)], NOON + 2 * HOUR, 203 + 1 / 3, 400.0, id="a decrease saves the next hour"
        ),
        pytest.param(
            [(NOON, 300), (NOON + HOUR, 100)], NOON + 2 * HOUR, 400.0, 400.0, id="a decrease on the full hour is free"
        ),
        pytest.param(
            [(NOON + 1800, 100), (NOON + HOUR, 200)],
            NOON + HOUR + 900,
            100.0,
            100.0,
            id="half of the first hour and a quarter of the second",
        ),
        pytest.param(
            [(NOON + 60, 900), (NOON + 60, 60)], NOON + HOUR, 59.0, 59.0, id="what held for no second is not billed"
        ),
    ],
)
def test_unit_hours(steps: list[tuple[int, int]], end: int, hours: float, billed: float) -> None:
    assert unit_hours(steps, end) == pytest.approx(hours)
    assert billed_unit_hours(steps, end) == pytest.approx(billed)


def test_steps_begin_with_the_trace_and_end_with_it() -> None:
    plant_steps = [(NOON - 30, 5), (NOON + 40, 6), (NOON + 100, 7)]
    assert effective(plant_steps, NOON, NOON + 100) == [(NOON, 5), (NOON + 40, 6)]


def played(kind: Kind = Kind.WRITE, steps: tuple[tuple[int, int], ...] = ((NOON, 100), (NOON + 60, 80))) -> Played:
    truth = {
        NOON: MinuteTruth(6000.0, 6000.0, 0.0),
        NOON + 60: MinuteTruth(
            7000.0, 6000.0, 1000.0, causes={Cause.PROVISIONED: 1000.0}, throttled_seconds=(1 << 59) | 0b110
        ),
    }
    return Played("t.csv", "static:100", kind, NOON, NOON + 120, truth, steps, rejected=3)


def test_the_figures_of_two_minutes() -> None:
    result = result_of(played())
    figures = result.figures
    assert (figures.trace, figures.policy) == ("t.csv", "static:100")
    assert (figures.demanded_units, figures.served_units, figures.throttled_units) == (13_000.0, 12_000.0, 1000.0)
    assert figures.throttled_fraction == 1 / 13
    assert figures.throttled_minutes == 1
    assert figures.unit_hours == 3.0  # (100 + 80) * 60 s
    assert figures.billed_unit_hours == pytest.approx(100 / 30)
    assert figures.cost_usd == pytest.approx(3 * 0.00065)
    assert figures.on_demand_cost_usd == pytest.approx(0.013 * 0.625)
    assert figures.penalised_cost_usd == pytest.approx(3 * 0.00065 + 10 * 0.001 * 0.625)
    assert (figures.increases, figures.decreases, figures.rejected_updates) == (0, 1, 3)
    assert figures.relief_seconds == Relief(59.0, 59.0, 59.0)  # seconds 1, 2 and 59
    assert result.throttled_seconds == [NOON + 61, NOON + 62, NOON + 119]
    assert result.demanded == {NOON: 6000.0, NOON + 60: 7000.0}
    assert result.served == {NOON: 6000.0, NOON + 60: 6000.0}
    assert result.throttled == {NOON: 0.0, NOON + 60: 1000.0}


def test_reads_cost_a_fifth() -> None:
    figures = result_of(played(Kind.READ)).figures
    assert figures.cost_usd == pytest.approx(3 * 0.00013)
    assert figures.on_demand_cost_usd == pytest.approx(0.013 * 0.125)


def test_on_demand_pays_what_it_serves_and_provisions_nothing() -> None:
    result = result_of(played(steps=()))
    assert result.figures.cost_usd == pytest.approx(0.012 * 0.625)
    assert (result.figures.unit_hours, result.figures.billed_unit_hours) == (0.0, 0.0)
    assert result.steps == [(NOON, 0)]


def test_a_trace_of_which_nothing_is_known_has_figures_too() -> None:
    figures = result_of(Played("t", "static:1", Kind.WRITE, NOON, NOON + 60, {}, [(NOON, 1)], 0)).figures
    assert figures.throttled_fraction == 0.0
    assert figures.penalised_cost_usd == figures.cost_usd > 0.0
