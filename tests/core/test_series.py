"""One-minute series: late, doubled and revised points, and the edges of their windows."""

from __future__ import annotations

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
