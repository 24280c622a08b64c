"""The ratios that policies are compared by, on figures small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.compare import Outcome, geometric_mean, hourly_cost, pooled, pooled_relief, summarise
from tests.bench.tables import HEADINGS, Grid, markdown, summary_row, traffic_row
from watcher.replay.figures import Figures, Relief

FIGURES = Figures(
    trace="t",
    policy="p",
    demanded_units=1000.0,
    served_units=1000.0,
    throttled_units=0.0,
    throttled_fraction=0.0,
    throttled_minutes=0,
    unit_hours=100.0,
    billed_unit_hours=150.0,
    cost_usd=10.0,
    on_demand_cost_usd=20.0,
    increases=0,
    decreases=0,
    rejected_updates=0,
    relief_seconds=Relief(),
)


def outcome(cost: float, throttled: float = 0.0, *seconds: int, refused: int = 0, billed: float = 150.0) -> Outcome:
    figures = replace(
        FIGURES, cost_usd=cost, throttled_fraction=throttled, rejected_updates=refused, billed_unit_hours=billed
    )
    return Outcome(figures, seconds)


REFERENCE = {"calm": outcome(10.0), "rough": outcome(20.0, 0.01), "wild": outcome(40.0, 0.03)}
CLAIRVOYANT = {"calm": outcome(5.0), "rough": outcome(10.0), "wild": outcome(20.0)}


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        pytest.param([3.0], 3.0, id="one value is its own mean"),
        pytest.param([0.5, 2.0], 1.0, id="half and twice cancel out"),
        pytest.param([1.0, 10.0, 100.0], 10.0, id="the middle of a geometric row"),
    ],
)
def test_geometric_mean(values: list[float], mean: float) -> None:
    assert geometric_mean(values) == pytest.approx(mean)


@pytest.mark.parametrize("values", [pytest.param([], id="no values"), pytest.param([1.0, 0.0], id="a zero")])
def test_there_is_no_geometric_mean_of(values: list[float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the one is ours, the other is the logarithm's
        geometric_mean(values)


def test_pooled_is_a_ratio_of_means_not_a_mean_of_ratios() -> None:
    # (0 + .002 + .001) / (0 + .01 + .03); a mean of ratios could not bear the calm one.
    outcomes = {"calm": outcome(1.0), "rough": outcome(1.0, 0.002), "wild": outcome(1.0, 0.001)}
    assert pooled(outcomes, REFERENCE) == pytest.approx(0.003 / 0.04)


def test_nothing_is_pooled_where_the_reference_throttles_nothing() -> None:
    assert pooled({"calm": outcome(1.0, 0.5)}, REFERENCE) is None


def test_episodes_of_two_recordings_never_join() -> None:
    # 100 to 109 is ten seconds; 105 of the other recording is one, not part of it. Nearest rank: the first of the two
    # is the median.
    found = pooled_relief([outcome(1.0, 0.1, 100, 109), outcome(1.0, 0.1, 105)])
    assert found == Relief(1.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("figures", "dollars"),
    [
        pytest.param(FIGURES, 15.0, id="150 of 100 unit-hours are billed"),
        pytest.param(replace(FIGURES, unit_hours=0.0, billed_unit_hours=0.0), 10.0, id="on demand has no hours"),
    ],
)
def test_hourly_cost(figures: Figures, dollars: float) -> None:
    assert hourly_cost(figures) == pytest.approx(dollars)


def test_the_line_of_a_policy() -> None:
    outcomes = {
        "calm": outcome(8.0, 0.0001, 60, refused=1),
        "rough": outcome(10.0, 0.011, refused=2),
        "wild": outcome(50.0, 0.0),
    }
    found = summarise("mine", outcomes, REFERENCE, CLAIRVOYANT)
    assert found.cost == pytest.approx((0.8 * 0.5 * 1.25) ** (1 / 3))
    assert found.to_clairvoyant == pytest.approx((1.6 * 1.0 * 2.5) ** (1 / 3))
    # Ten times the on-demand price of $20: $200 for everything throttled.
    assert found.penalised == pytest.approx((8.02 / 10 * 12.2 / 22 * 50 / 46) ** (1 / 3))
    assert found.hourly == pytest.approx(found.cost)
    assert found.calm_to_clairvoyant == pytest.approx(1.6)
    assert found.calm_worst == 0.0001
    assert found.refused == 3
    assert found.dearest == pytest.approx(1.25)
    assert found.worse == ["rough"]  # the calm one throttles more than the reference, but no more than 1e-4


def test_a_line_without_a_clairvoyant_and_without_calm_traffic() -> None:
    found = summarise("mine", {"wild": outcome(50.0)}, REFERENCE)
    assert (found.to_clairvoyant, found.calm_to_clairvoyant, found.calm_worst) == (None, None, None)
    row = summary_row(found)
    assert len(row) == len(HEADINGS)
    assert row[HEADINGS.index("cost / clairvoyant")] == "-"


def test_traffic_row_gives_throttling_and_cost_of_each_policy() -> None:
    row = traffic_row("wild", {"reference": REFERENCE["wild"], "mine": outcome(30.0)}, "reference")
    assert row == ["wild", "3.0e-02 / 1.00", "0 / 0.75"]


def test_markdown_is_a_table_with_its_numbers_to_the_right() -> None:
    grid = Grid("A title", ("name", "value"), [("a|b", "1.00")], ["A note."])
    assert markdown(grid) == "### A title\n\n| name | value |\n| --- | ---: |\n| a\\|b | 1.00 |\n\nA note.\n"
