"""One-minute series: late, doubled and revised points, and the edges of their windows."""

from __future__ import annotations

from random import Random

import pytest

from watcher.core.series import Series

KNOWN = Series({0: 1.0, 60: 2.0, 120: 3.0})


def test_the_newest_word_on_a_minute_counts() -> None:
    assert KNOWN.merged({60: 5.0}, 0).points == {0: 1.0, 60: 5.0, 120: 3.0}


def test_a_late_point_finds_its_place() -> None:
    assert list(KNOWN.merged({30 * 60: 9.0}, 0).merged({180: 4.0}, 0).between(120, 30 * 60)) == [(120, 3.0), (180, 4.0)]


def test_minutes_from_the_edge_on_are_kept_on_both_sides_of_a_merge() -> None:
    assert KNOWN.merged({0: 7.0, 180: 4.0}, 60).points == {60: 2.0, 120: 3.0, 180: 4.0}
    assert KNOWN.merged({}, 60.5).points == {120: 3.0}


def test_merging_leaves_the_old_series_as_it_was() -> None:
    KNOWN.merged({0: 9.0}, 60)
    assert KNOWN.points == {0: 1.0, 60: 2.0, 120: 3.0}


def test_windows_include_their_start_and_not_their_end() -> None:
    assert list(KNOWN.between(60, 120)) == [(60, 2.0)]
    assert KNOWN.total(0, 120) == 3.0
    assert KNOWN.total(1, 121) == 5.0


def test_an_empty_series_has_no_newest_minute() -> None:
    assert Series().newest() is None
    assert KNOWN.newest() == 120
    assert Series().at(60, default=-1.0) == -1.0
    assert KNOWN.at(60) == 2.0


def test_points_are_kept_oldest_first_whatever_order_they_came_in() -> None:
    assert list(Series({120: 3.0, 0: 1.0, 60: 2.0}).points) == [0, 60, 120]
    assert list(KNOWN.merged({300: 6.0, 180: 4.0, 240: 5.0}, 0).points) == [0, 60, 120, 180, 240, 300]


def test_a_merge_without_news_is_the_series_itself() -> None:
    assert KNOWN.merged({60: 2.0, 120: 3.0}, 0) is KNOWN
    assert KNOWN.merged({-60: 9.0}, 0) is KNOWN
    assert KNOWN.merged({60: 2.5}, 0) is not KNOWN
    assert KNOWN.merged({}, 1) is not KNOWN


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_plain_dictionary_it_stands_for(seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - made-up points, not a secret
    series, plain = Series(), dict[int, float]()
    for now in range(0, 6000, 60):
        newer = {now + 60 * dice.randint(-12, 6): float(dice.randint(0, 3)) for _ in range(dice.randint(0, 6))}
        keep_from = now - 1200 + dice.choice([0, 0.5, 30])
        series = series.merged(newer, keep_from)
        plain = {minute: value for minute, value in (plain | newer).items() if minute >= keep_from}
        start, end = sorted(now + dice.randint(-1500, 500) for _ in range(2))
        assert list(series.points.items()) == sorted(plain.items())
        assert series.newest() == max(plain, default=None)
        assert list(series.between(start, end)) == [(m, v) for m, v in sorted(plain.items()) if start <= m < end]
