"""What the watcher says of the billing mode in a replay: where provisioned capacity cannot win, and only there."""

from __future__ import annotations

import pytest

from watcher.clock import instant
from watcher.core.model import Kind
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Mode
from watcher.replay.figures import Advice
from watcher.replay.runner import run
from watcher.replay.scenario import Scenario
from watcher.replay.trace import Trace

START = 1_790_000_000 // 86_400 * 86_400
POLICY = TablePolicy(mode=Mode.ACT, bounds=dict.fromkeys(Kind, Bounds(1, 40_000)))


def advice(rates: list[float], policy: str = "watcher") -> Advice:
    trace = Trace({START + 60 * number: rate * 60.0 for number, rate in enumerate(rates)}, 60)
    return run(Scenario(trace, policy=POLICY), policy).figures.advice


def jumping(minutes: int) -> list[float]:
    """Nearly idle, and sixty times as much for four minutes at an odd time of every second hour or so."""
    return [60.0 if minute % 131 < 4 else 1.0 for minute in range(minutes)]


def test_a_nearly_idle_table_that_jumps_is_advised_to_go_on_demand_after_a_day() -> None:
    found = advice(jumping(2000))
    assert found.on_demand_since is not None
    first = instant(found.on_demand_since)
    assert 86_400 <= first - START < 90_000
    assert found.on_demand_days == pytest.approx((START + 120_000 - first) / 86_400, abs=0.01)


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param([0.0] * 300 + [1000.0] * 1500, id="a launch from zero"),
        pytest.param([100.0] * 1600, id="an even load"),
        pytest.param(jumping(1400), id="not before a day is known"),
    ],
)
def test_what_is_not_advised_away(rates: list[float]) -> None:
    assert advice(rates) == Advice(None, 0.0)


def test_other_policies_give_no_advice() -> None:
    assert advice(jumping(2000), "target-tracking:70") == Advice()
