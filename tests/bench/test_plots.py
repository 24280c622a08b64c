"""The end of a replay, cut out for drawing, tells of the end only."""

from __future__ import annotations

import pytest

from tests.bench.plots import last
from tests.replay.plants import NOON
from watcher.replay.runner import run
from watcher.replay.scenario import Scenario
from watcher.replay.trace import Trace


def test_the_last_hour_has_its_own_figures() -> None:
    # An hour at 10, which starts the table at 12; then an hour at 100, of which target tracking is late.
    rows = {NOON + 60 * n: 60.0 * (10.0 if n < 60 else 100.0) for n in range(120)}
    scenario = Scenario(Trace(rows, 60), name="t")
    whole = run(scenario, "target-tracking:70")
    end = last(whole, 3600, scenario)
    assert (end.start, end.end) == (NOON + 3600, NOON + 7200)
    assert list(end.demanded) == list(range(NOON + 3600, NOON + 7200, 60))
    assert end.figures.demanded_units == pytest.approx(360_000.0)
    assert end.figures.throttled_units == pytest.approx(whole.figures.throttled_units)
    assert end.figures.unit_hours < whole.figures.unit_hours
    assert end.steps[0][0] == NOON + 3600
    assert list(end.steps[1:]) == [step for step in whole.steps if step[0] > NOON + 3600]


def test_more_than_there_is_is_all_of_it() -> None:
    rows = {NOON + 60 * n: 6000.0 for n in range(30)}
    scenario = Scenario(Trace(rows, 60), name="t")
    whole = run(scenario, "static:150")
    assert last(whole, 86_400, scenario) == whole
