"""Replays of short traces whose outcome can be worked out by hand, and the two promises: causal, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.plants import NOON
from watcher.core.model import TABLE_WRITE, Kind, Metric
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Mode
from watcher.cycle import Cycle
from watcher.errors import UsageError, WatcherError
from watcher.ports import CycleReport
from watcher.replay.baselines import parse_policy
from watcher.replay.figures import Relief
from watcher.replay.report import record_of, write_timeline
from watcher.replay.runner import TABLE, Result, Scenario, World, _plant, run
from watcher.replay.trace import Trace

NAME = parse_policy("static:100")
IDLE = Bounds(1, 40_000)
EVEN = World(jitter=0.0, late_share=0.0, spread=0.0)
POLICIES = (
    "watcher",
    "target-tracking:70",
    "target-tracking:50",
    "dynamic-dynamodb",
    "dynamic-dynamodb:tuned",
    "static:120",
    "on-demand",
)


def trace(*rates: float, start: int = NOON) -> Trace:
    """Units per second, one rate per minute."""
    return Trace({start + 60 * number: rate * 60.0 for number, rate in enumerate(rates)}, 60)


def scenario(recorded: Trace, world: World = EVEN, **changes: object) -> Scenario:
    return replace(Scenario(recorded, world=world, name="t.csv"), **changes)  # type: ignore[arg-type]  # a test's choice


def acting(low: int, high: int, other: Bounds = IDLE) -> TablePolicy:
    return TablePolicy(mode=Mode.ACT, bounds={Kind.WRITE: Bounds(low, high), Kind.READ: other})


# Where a replay begins ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "bounds", "opening"),
    [
        pytest.param([100.0] * 40, (1, 40_000), 120, id="1.2 times an even first half hour"),
        pytest.param([10.0] * 29 + [100.0] + [10.0] * 10, (1, 40_000), 120, id="the thirtieth minute counts"),
        pytest.param([10.0] * 30 + [100.0] * 10, (1, 40_000), 12, id="the thirty-first does not"),
        pytest.param([7.0] * 40, (1, 40_000), 9, id="rounded up: 8.4"),
        pytest.param([35.0] * 40, (1, 40_000), 42, id="a whole number stays"),
        pytest.param([0.0] * 40, (1, 40_000), 1, id="at least one unit"),
        pytest.param([100.0] * 40, (200, 500), 200, id="at least the minimum"),
        pytest.param([100.0] * 40, (1, 50), 50, id="at most the maximum"),
    ],
)
def test_every_policy_opens_alike(rates: list[float], bounds: tuple[int, int], opening: int) -> None:
    for policy in ("watcher", "target-tracking:70", "dynamic-dynamodb"):
        result = run(scenario(trace(*rates), policy=acting(*bounds)), policy)
        assert result.steps[0] == (NOON, opening), policy


def test_the_other_kind_is_idle_at_its_minimum() -> None:
    reads = scenario(trace(*[100.0] * 40), kind=Kind.READ, policy=acting(60, 70, other=Bounds(1, 500)))
    described = _plant(reads, parse_policy("watcher")).describe(TABLE)
    assert {dimension.kind: described.provisioned(dimension) for dimension in described.dimensions()} == {
        Kind.READ: 120,
        Kind.WRITE: 60,
    }
    figures = run(reads, "static:120").figures
    assert figures.demanded_units == pytest.approx(100 * 2400)
    assert figures.cost_usd == pytest.approx(figures.unit_hours * 0.00013)


# Figures by hand ----------------------------------------------------------------------------------------------------


def test_static_capacity_by_hand() -> None:
    """100 of 100 saves nothing; 150 throttle 50 a second for two minutes; a minute at 40 saves 3,600, which a minute
    at 150 uses up together with 100 a second of capacity, so nothing throttles until the 73rd second of it."""
    result = run(scenario(trace(100.0, 100.0, 150.0, 150.0, 40.0, 150.0, 150.0)), "static:100")
    assert list(result.throttled.values()) == pytest.approx([0, 0, 3000, 3000, 0, 0, 2400])
    assert result.figures.demanded_units == pytest.approx(840 * 60)
    assert result.figures.served_units == pytest.approx(840 * 60 - 8400)
    assert result.figures.throttled_minutes == 3
    # 120 s, then 60 s and 72 s of calm, then 48 s.
    assert result.figures.relief_seconds == Relief(48.0, 120.0, 120.0)
    assert result.figures.unit_hours == pytest.approx(100 * 7 / 60)
    assert result.steps == [(NOON, 100)]


def test_target_tracking_by_hand() -> None:
    """Opened at 120 of which 100 are 83 %. Two minutes are over at 12:02, published at 12:03, in effect at 12:03:30."""
    result = run(scenario(trace(*[100.0] * 40)), "target-tracking:70")
    assert result.steps == [(NOON, 120), (NOON + 210, 143)]
    assert (result.figures.increases, result.figures.decreases) == (1, 0)
    assert result.figures.unit_hours == pytest.approx((210 * 120 + 2190 * 143) / 3600)


def test_dynamic_dynamodb_by_hand() -> None:
    """It checks every five minutes the window fifteen to ten minutes old. The first window of the quiet time is over at
    12:35 and looked at at 12:45: 20 of 120 are 17 %, so half is taken away; then 20 of 60 are 33 %."""
    result = run(scenario(trace(*[100.0] * 30, *[20.0] * 40)), "dynamic-dynamodb")
    assert result.steps == [(NOON, 120), (NOON + 45 * 60 + 30, 60)]


def test_refused_decreases_are_counted_and_asked_again() -> None:
    """Each plateau asks for a decrease fifteen minutes after it began. The fifth comes twenty minutes after the fourth
    and is refused every minute until the hour is over."""
    plateaux = [1000.0 * 0.6**number for number in range(6)]
    result = run(scenario(trace(*(rate for rate in plateaux for _ in range(20)), *[77.76] * 60)), "target-tracking:70")
    lowered = [second for (_, before), (second, after) in pairwise(result.steps) if after < before]
    assert [later - earlier for earlier, later in pairwise(lowered)] == [1200, 1200, 1200, 3600]
    assert result.figures.decreases == 5
    assert result.figures.rejected_updates == 40


def test_on_demand_serves_all_and_costs_by_the_unit() -> None:
    figures = run(scenario(trace(*[10.0] * 30, *[5000.0] * 30)), "on-demand").figures
    assert figures.throttled_units == 0.0
    assert figures.cost_usd == figures.on_demand_cost_usd == pytest.approx(0.3006 * 30 * 0.625)
    assert (figures.unit_hours, figures.increases, figures.rejected_updates) == (0.0, 0, 0)


def test_on_demand_throttles_above_the_table_quota_only() -> None:
    figures = run(scenario(trace(40_000.0, 40_001.0)), "on-demand").figures
    assert figures.throttled_units == pytest.approx(60.0)
    assert figures.cost_usd == pytest.approx(figures.served_units * 0.625e-6)


def test_bounds_above_the_default_quota_are_those_of_a_lifted_one() -> None:
    result = run(scenario(trace(*[60_000.0] * 35), policy=acting(1, 100_000)), "target-tracking:90")
    assert result.steps[0] == (NOON, 72_000)


def test_the_record_has_the_contracts_keys_in_its_order() -> None:
    record = record_of(run(scenario(trace(100.0, 130.0)), "static:120").figures)
    assert list(record) == [
        "trace",
        "policy",
        "demanded_units",
        "served_units",
        "throttled_units",
        "throttled_fraction",
        "throttled_minutes",
        "unit_hours",
        "billed_unit_hours",
        "cost_usd",
        "on_demand_cost_usd",
        "increases",
        "decreases",
        "rejected_updates",
        "relief_seconds",
        "advice",
    ]
    assert record["relief_seconds"] == {"p50": 0.0, "p95": 0.0, "max": 0.0}
    assert record["advice"] == {"on_demand_since": None, "on_demand_days": 0.0}


# Gaps and odd starts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_a_gap_has_no_figures_but_its_capacity_is_paid_for(policy: str) -> None:
    whole = trace(*[100.0] * 90)
    gap = range(NOON + 40 * 60, NOON + 60 * 60)
    holed = Trace({minute: units for minute, units in whole.rows.items() if minute not in gap}, 60)
    result = run(scenario(holed), policy)
    assert not set(result.demanded) & set(gap)
    assert result.figures.demanded_units == pytest.approx(70 * 6000)
    if policy == "static:120":
        assert result.figures.unit_hours == pytest.approx(120 * 1.5)


def test_a_trace_may_start_within_a_minute() -> None:
    start = NOON + 47
    result = run(scenario(trace(*[100.0] * 40, start=start)), "target-tracking:70")
    assert (result.start, result.end) == (start, start + 2400)
    assert result.figures.demanded_units == pytest.approx(100 * 2400)
    # A whole minute of 100 is in the data at 12:03 for the first time, two at 12:04.
    assert result.steps == [(start, 120), (NOON + 270, 143)]


def test_coarse_rows_are_laid_out_over_their_minutes() -> None:
    result = run(scenario(Trace({NOON: 60_000.0, NOON + 600: 60_000.0}, 600)), "static:150")
    assert len(result.demanded) == 20
    assert result.figures.demanded_units == pytest.approx(120_000.0)
    assert max(result.demanded.values()) > 6000.0, "a flat split would be too kind"


# The world ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "second"),
    [
        pytest.param(replace(EVEN, actuation=0.0), NOON + 180, id="an immediate effect"),
        pytest.param(replace(EVEN, actuation=90.0), NOON + 270, id="a slow one"),
        pytest.param(replace(EVEN, publication=0.0), NOON + 150, id="immediate publication"),
        pytest.param(
            replace(EVEN, publication=185.0), NOON + 335, id="publication after three minutes and five seconds"
        ),
        pytest.param(replace(EVEN, publication=1500.0), NOON + 1650, id="publication after 25 minutes"),
        pytest.param(replace(EVEN, late_share=1.0, late=120.0), NOON + 330, id="every point two minutes late"),
        pytest.param(replace(EVEN, jitter=7.5), NOON + 218, id="a pass waits for the jitter, to the full second"),
    ],
)
def test_the_worlds_delays_show_in_the_timeline(world: World, second: int) -> None:
    assert run(scenario(trace(*[100.0] * 40), world), "target-tracking:70").steps[1] == (second, 143)


def test_a_baseline_waits_for_its_change_to_take_effect() -> None:
    result = run(scenario(trace(*[100.0] * 40), replace(EVEN, actuation=600.0)), "target-tracking:70")
    assert result.steps == [(NOON, 120), (NOON + 780, 143)]
    assert result.figures.rejected_updates == 0


def test_nothing_is_forgotten_in_sixteen_days() -> None:
    rows = {NOON + 600 * number: 600.0 for number in range(16 * 144)}
    result = run(scenario(Trace(rows, 600)), "static:1")
    assert len(result.demanded) == 16 * 1440
    assert result.figures.unit_hours == pytest.approx(16 * 24)


def test_retries_ask_again() -> None:
    figures = run(scenario(trace(100.0, 200.0), replace(EVEN, retry_factor=0.5)), "static:100").figures
    assert figures.demanded_units > 300 * 60
    assert figures.served_units == pytest.approx(200 * 60)


def test_requests_of_several_units_make_fewer_throttle_events() -> None:
    """Four throttled units are four requests of one unit, or one of four."""
    events = []
    for size in (1.0, 4.0):
        plant = _plant(scenario(trace(100.0, 100.0, 100.0 + 4 / 60), replace(EVEN, mean_units_per_request=size)), NAME)
        plant.advance(NOON + 600)
        events.append(plant.points(TABLE, Metric.THROTTLED, dimension=TABLE_WRITE, start=NOON, end=NOON + 600))
    assert events == [{NOON + 120: 4.0}, {NOON + 120: 1.0}]


# The watcher --------------------------------------------------------------------------------------------------------


def test_the_watcher_answers_a_surge_with_its_own_cycle() -> None:
    result = run(scenario(trace(*[100.0] * 60, *[1000.0] * 60)), "watcher")
    assert result.figures.throttled_units > 0.0
    assert result.steps[-1][1] >= 1000
    assert not any(units for minute, units in result.throttled.items() if minute >= NOON + 70 * 60)


def test_a_failing_step_is_an_error_not_a_silent_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("watcher.cycle.step", broken)
    with pytest.raises(WatcherError, match="planted"):
        run(scenario(trace(*[100.0] * 5)), "watcher")


def test_what_the_cycle_could_not_see_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[CycleReport] = []
    real = Cycle.run

    def blind(cycle: Cycle) -> CycleReport:
        report = replace(real(cycle), region_errors={"us-east-1": "no answer"})
        told.append(report)
        cycle._telemetry.cycle_finished(report)
        return report

    monkeypatch.setattr(Cycle, "run", blind)
    with pytest.raises(WatcherError, match="no answer"):
        run(scenario(trace(*[100.0] * 5)), "watcher")
    assert len(told) == 1


def test_progress_is_told_and_ends_with_one() -> None:
    told: list[float] = []
    run(scenario(trace(*[1.0] * 600)), "static:1", told.append)
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert len(told) == 4


def test_a_wrong_policy_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="no policy 'none'"):
        run(scenario(trace(1.0, 1.0)), "none")


# Causal and deterministic -------------------------------------------------------------------------------------------


def timeline(result: Result, folder: Path) -> bytes:
    path = folder / "timeline.csv"
    write_timeline(path, result)
    return path.read_bytes()


def lively(minutes: int) -> Trace:
    """Surges, a quiet time, a gap: every policy has something to do."""
    rates = [100.0 + 37.0 * (number % 7) for number in range(40)]
    rates += [900.0] * 15 + [40.0] * 70 + [300.0 + 9.0 * number for number in range(60)] + [5.0] * 60
    whole = trace(*(rates * 2)[:minutes])
    return Trace({start: units for start, units in whole.rows.items() if not 130 <= (start - NOON) // 60 < 137}, 60)


@pytest.fixture(scope="module")
def whole() -> Callable[[str], Result]:
    results: dict[str, Result] = {}

    def known(policy: str) -> Result:
        if policy not in results:
            results[policy] = run(scenario(lively(300), World()), policy)
        return results[policy]

    return known


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_scenario_gives_the_same_timeline(policy: str, whole: Callable[[str], Result], tmp_path: Path) -> None:
    again = run(scenario(lively(300), World()), policy)
    assert timeline(again, tmp_path) == timeline(whole(policy), tmp_path)
    assert again.figures == whole(policy).figures


def test_another_seed_gives_another_world() -> None:
    results = [run(scenario(lively(120), World(seed=seed)), "static:400") for seed in (1, 2)]
    assert results[0].throttled_seconds != results[1].throttled_seconds
    laid_out = [run(scenario(coarse([5.0] * 4, 600), World(seed=seed)), "static:9").demanded for seed in (1, 2)]
    assert laid_out[0] != laid_out[1]


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy not in ("static:120", "on-demand")])
def test_the_lively_trace_moves_every_policy(policy: str, whole: Callable[[str], Result]) -> None:
    assert len(whole(policy).steps) >= 3, "a timeline that stands still shows nothing"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("minutes", [31, 47, 59, 133, 141, 230])
def test_cutting_the_trace_changes_nothing_before_the_cut(
    policy: str, minutes: int, whole: Callable[[str], Result], tmp_path: Path
) -> None:
    assert_same_until(scenario(lively(minutes), World()), policy, whole(policy), tmp_path)


def assert_same_until(shorter: Scenario, policy: str, longer: Result, folder: Path) -> None:
    part = run(shorter, policy)
    cut = shorter.trace.end
    before = replace(longer, steps=[(second, units) for second, units in longer.steps if second < cut])
    assert timeline(part, folder) == timeline(before, folder)
    assert part.throttled == {minute: units for minute, units in longer.throttled.items() if minute < cut}


def coarse(rows: Sequence[float], step: int) -> Trace:
    return Trace({NOON + step * number: units * step for number, units in enumerate(rows)}, step)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.floats(0.0, 900.0), min_size=14, max_size=24),
    step=st.sampled_from([300, 600]),
    policy=st.sampled_from(POLICIES[1:]),
    cut=st.integers(12, 23),
)
def test_cutting_a_coarse_trace_changes_nothing_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: list[float], step: int, policy: str, cut: int
) -> None:
    longer = run(scenario(coarse(rows, step), World()), policy)
    shorter = scenario(coarse(rows[:cut], step), World())
    assert_same_until(shorter, policy, longer, tmp_path_factory.mktemp("cut"))
