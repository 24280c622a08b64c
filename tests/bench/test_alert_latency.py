"""The latency bench's own arithmetic, and a small storm told in both ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import alert_latency
from tests.bench.alert_latency import BAR, Figures, Fleet, measure, quantile

SMALL = Fleet(tables=24, storm=12, storms=2)


def figures(**changes: object) -> Figures:
    plain: dict[str, object] = {
        "fleet": SMALL,
        "shown": [5.0] * 99 + [60.0],
        "asked": [1.0] * 99 + [30.0],
        "untold": 0,
        "messages": 100,
        "offset": 12.0,
    }
    return Figures(**{**plain, **changes})  # type: ignore[arg-type]  # the fields' own types


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([1.0, 2.0, 3.0, 4.0], 0.5, 2.0, id="half of four are not above the second"),
        pytest.param([1.0, 2.0, 3.0, 4.0], 0.51, 3.0, id="a little more takes the third"),
        pytest.param([float(n) for n in range(1, 101)], 0.99, 99.0, id="of a hundred, one may be above the 99th"),
        pytest.param([7.0], 1.0, 7.0, id="the largest of one"),
    ],
)
def test_a_quantile_is_one_of_the_values(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        pytest.param({}, True, id="one of a hundred may take longer"),
        pytest.param({"asked": [1.0] * 98 + [BAR, 60.0]}, False, id="two may not, not even by reaching the bar"),
        pytest.param({"untold": 1}, False, id="an incident that nobody was told of is none that was told fast"),
        pytest.param({"shown": [], "asked": []}, False, id="nothing measured proves nothing"),
    ],
)
def test_the_bar_is_for_what_was_told(changes: dict[str, object], holds: bool) -> None:  # noqa: FBT001 - a column
    assert figures(**changes).holds is holds


def test_parts_of_the_fleet_are_struck_in_turn_and_harder_each_time() -> None:
    fleet = Fleet(tables=30, storm=10, storms=4)
    assert [fleet.struck(storm) for storm in range(4)] == [range(10), range(10, 20), range(20, 30), range(10)]
    assert fleet.factor(3) == 3 * fleet.factor(0)
    assert fleet.factor(0) == fleet.factor(2)


@pytest.mark.parametrize("folding", [True, False], ids=["folded into storms", "each by itself"])
def test_a_small_storm_is_told_whole(folding: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a column
    found = measure(Fleet(tables=24, storm=12, storms=2, folding=folding), tmp_path, sleeps=False)
    assert found.untold == 0
    assert len(found.shown) == len(found.asked) == 24
    assert found.asked[0] > 0  # no message before CloudWatch was asked
    # What is told was shown before it was asked for.
    assert all(shown > asked for shown, asked in zip(found.shown, found.asked, strict=True))
    assert (found.messages < 24) is folding


def test_what_misses_the_bar_is_said_plainly() -> None:
    assert alert_latency.plainly(figures()) == (
        "folded into storms: p99 5.0 s from the point shown, within 10 s; p99 1.0 s from the asking\n"
    )
    assert ", over 10 s;" in alert_latency.plainly(figures(shown=[BAR] * 100))


def test_the_document_names_both_figures() -> None:
    said = json.loads(json.dumps(alert_latency._document(figures())))
    assert said["from_shown"] == {"p50": 5.0, "p99": 5.0, "max": 60.0}
    assert said["from_asking"] == {"p50": 1.0, "p99": 1.0, "max": 30.0}
    assert said["told"] == 100
