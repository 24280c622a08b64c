"""Generated traffic has the mean it was asked for, its own character, and nothing but its seed to decide it."""

from __future__ import annotations

from statistics import median

import pytest

from tests.bench.traffic import DAY, START, TRAFFIC, generate


@pytest.mark.parametrize("name", TRAFFIC)
def test_mean_length_and_rows(name: str) -> None:
    trace = generate(name, 5.0)
    assert trace.mean == pytest.approx(5.0)
    assert trace.step == 60
    assert list(trace.rows) == list(range(START, START + TRAFFIC[name].days * 86_400, 60))
    assert min(trace.rows.values()) > 0.0


@pytest.mark.parametrize("name", TRAFFIC)
def test_the_seed_decides_everything(name: str) -> None:
    assert generate(name, 500.0, seed=7) == generate(name, 500.0, seed=7)
    assert generate(name, 500.0, seed=7) != generate(name, 500.0, seed=8)


def test_the_mean_changes_the_scale_and_not_the_shape() -> None:
    small, large = generate("steps", 5.0), generate("steps", 500.0)
    assert [units * 100.0 for units in small.rows.values()] == pytest.approx(list(large.rows.values()))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        pytest.param("smooth", 1.5, 2.5, id="smooth traffic stays near its mean"),
        pytest.param("noise", 4.0, 12.0, id="noise reaches several times its median, by chance"),
        pytest.param("hourly batch", 4.0, 8.0, id="a batch is five times what is between batches"),
        pytest.param("flash crowd", 5.0, 20.0, id="a crowd is many times the day's wave"),
        pytest.param("idle then burst", 25.0, 60.0, id="a job is at least 25 times next to nothing"),
    ],
)
def test_peak_over_median_is_the_character(name: str, least: float, most: float) -> None:
    rows = generate(name, 500.0).rows.values()
    assert least <= max(rows) / median(rows) <= most


def test_batches_come_with_the_hour_and_bursts_do_not() -> None:
    def busiest(name: str) -> set[int]:
        rows = generate(name, 500.0).rows
        limit = 2.0 * median(rows.values())
        return {(minute - START) // 60 % 60 for minute, units in rows.items() if units > limit}

    assert busiest("hourly batch") <= set(range(10))
    assert len(busiest("recurrent bursts")) == 60


def test_weekends_are_quieter_where_traffic_is_smooth() -> None:
    rows = list(generate("smooth", 500.0).rows.values())
    days = [sum(rows[DAY * day : DAY * (day + 1)]) for day in range(14)]
    assert max(days[5], days[6], days[12], days[13]) < 0.8 * min(days[:5] + days[7:12])
