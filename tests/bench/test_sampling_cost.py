"""The sampling-cost bench: its fleet, its arithmetic, and small runs of the loop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from tests.bench import sampling_cost
from tests.bench.loop import START
from tests.bench.sampling_cost import (
    HOT_WRITES,
    LEFT_ON,
    WEEK,
    Count,
    Fit,
    Job,
    bill,
    fit,
    fleet,
    main,
    play,
    rules_for,
)
from watcher.core.insights import SamplerMode, Sampling
from watcher.core.model import TABLE_WRITE

HOURS = 3 * 60  # minutes: the first table's hot key comes after two hours
MONTH = 43_800  # minutes
# One table in two, one rule each and all month, as of a month of a hundred tables a fiftieth.
COUNT = Count(
    sampling=Sampling.THROTTLED.value,
    tables=2,
    minutes=MONTH,
    rule_seconds=2 * 60.0 * MONTH,
    events=1e6,
    created=2,
    calls={"INSIGHT_RULE_METRIC": 600, "GetInsightRuleReport": 400, "DescribeInsightRules": 9000, "Other": 7},
    full=0,
    named=1,
)


def test_a_fleet_has_as_much_traffic_as_is_said() -> None:
    for spec in fleet(2):
        # The fifth day, which has no incident on either table.
        day = range(START + 4 * 86_400, START + 5 * 86_400, 600)
        calm = [sum(spec.demand(minute).units.values()) / 60 for minute in day]
        # The index's writes follow the table's and are not requests of their own.
        assert fmean(calm) == pytest.approx(200.0, rel=0.02)
        assert min(calm) == pytest.approx(100.0, rel=0.05)


def test_every_table_has_one_hot_key_and_one_shortage_in_its_first_week() -> None:
    for spec in fleet(4):
        week = [spec.demand(START + 60 * minute) for minute in range(WEEK)]
        writes = [one.units[TABLE_WRITE] / 60 for one in week]
        assert sum(bool(one.hot) for one in week) == 20
        hot = [rate for one, rate in zip(week, writes, strict=True) if one.hot]
        assert min(hot) > 0.95 * HOT_WRITES  # the noise of a minute
        assert sum(rate > 150 and not one.hot for one, rate in zip(week, writes, strict=True)) == 20


@pytest.mark.parametrize(
    ("mode", "rules"),
    [
        pytest.param(SamplerMode.THROTTLED, 1 + (2 + 1), id="one, two with a sort key, and one of the index"),
        pytest.param(SamplerMode.FULL, 2 + (4 + 2), id="twice that with every access"),
        pytest.param(SamplerMode.OFF, 0, id="none"),
    ],
)
def test_rules_for_a_plain_table_and_one_with_a_sort_key_and_an_index(mode: SamplerMode, rules: int) -> None:
    assert rules_for(fleet(2), mode) == rules


def test_a_bill_is_for_a_hundred_tables() -> None:
    found = bill(COUNT)
    assert found.rules == pytest.approx(100 * 0.50)
    assert found.whole_rules == pytest.approx(100 * 0.50)
    assert found.events == pytest.approx(50 * 0.03)
    assert found.reading == pytest.approx(50 * 1000 * 0.01 / 1000)
    assert found.counting == pytest.approx(9000 * 0.01 / 1000)  # of the Region, however many tables it has
    assert found.total == pytest.approx(50.0 + 1.5 + 0.5 + 0.09)


@pytest.mark.parametrize(
    ("sampling", "whole"),
    [
        pytest.param(Sampling.THROTTLED, 50.0, id="what stays on was created once, however long was counted"),
        pytest.param(Sampling.ON_INCIDENT, 100.0, id="what is created by incidents goes on being created"),
    ],
)
def test_half_a_month_is_doubled(sampling: Sampling, whole: float) -> None:
    half = bill(replace(COUNT, sampling=sampling.value, minutes=MONTH // 2, rule_seconds=COUNT.rule_seconds / 2))
    assert half.rules == pytest.approx(50.0)
    assert half.whole_rules == pytest.approx(whole)
    assert half.events == pytest.approx(2 * bill(COUNT).events)


def test_where_nothing_is_sampled_nothing_is_paid() -> None:
    count = play(Job(Sampling.OFF.value, 1, HOURS))
    assert bill(count).total == 0.0
    assert count.named == 1  # that nothing is known


def test_throttled_keys_cost_rules_all_the_time_and_reports_in_an_incident() -> None:
    count = play(Job(Sampling.THROTTLED.value, 1, HOURS))
    assert count.rule_seconds == pytest.approx(60 * HOURS, rel=0.02)
    assert count.created == 1
    assert count.calls["GetInsightRuleReport"] == count.calls["INSIGHT_RULE_METRIC"] > 15
    # One of 1,400 writes a second beyond a partition's 1,000 throttles; less than all of 20 minutes of them.
    assert 300_000 < count.events < 20 * 60 * HOT_WRITES


def test_on_incident_costs_rules_for_a_while_and_every_access_meanwhile() -> None:
    count = play(Job(Sampling.ON_INCIDENT.value, 1, HOURS))
    assert (count.full, count.created) == (1, 2)
    assert 2 * 600 < count.rule_seconds < 2 * 960
    assert count.events > 600 * 1000


def test_left_on_bills_every_access_of_every_rule() -> None:
    count = play(Job(LEFT_ON, 1, 60))
    # Two rules for an hour; 200 requests a second, at the wave's middle and rising by an eighth at most.
    assert count.rule_seconds == pytest.approx(2 * 3600, rel=0.05)
    assert 200 * 3300 < count.events < 225 * 3720


def test_past_the_quota_some_tables_lose_out_and_history_says_so() -> None:
    found = fit(tables=4, quota=5, minutes=4)
    assert (found.tables, found.needed) == (4, 8)
    assert found.used <= 5
    assert found.whole + found.part + found.none == 4
    assert found.none + found.part > 0
    assert found.told > 0


def test_a_small_run_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling_cost, "fit", lambda: Fit(100, 200, 100, 50, 25, 25, 75))
    out = tmp_path / "out.json"
    assert main(f"--days 0.01 --tables 2 --jobs 1 --markdown --json {out}".split()) == 0
    printed = capsys.readouterr().out
    assert "### Dollars a month per 100 tables, from 2 tables simulated for 0.00972222 days\n" in printed
    assert "\n| off | $0.00 | $0.00 | $0.00 | $0.00 | $0.00 | $0.00 |" in printed
    assert "which need 200 in throttled mode, the loop samples 50 wholly, 25 in part" in printed
    written = json.loads(out.read_text(encoding="utf-8"))
    assert [one["sampling"] for one in written["dollars"]] == ["off", "throttled", "on-incident", LEFT_ON]
    assert written["quota"]["none"] == 25
