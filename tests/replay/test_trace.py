"""Trace files: the contract, its mistakes, and honest minutes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.clock import instant
from watcher.core.model import TABLE_READ, TABLE_WRITE
from watcher.errors import WatcherError
from watcher.replay.trace import Trace, parse_trace, read_trace, write_trace

NOON = int(instant("2023-11-14T12:00:00Z"))
RECORDINGS = Path(__file__).parents[3] / "shared" / "traces"


def parsed(*rows: str, header: str = "timestamp,units") -> Trace:
    return parse_trace([header, *rows], "t.csv")


def test_rows_and_their_interval() -> None:
    trace = parsed("2023-11-14T12:00:00Z,60", "2023-11-14T12:05:00Z,0", "2023-11-14T12:15:00+00:00,1.5", "")
    assert trace.rows == {NOON: 60.0, NOON + 300: 0.0, NOON + 900: 1.5}
    # Steps of 300 and 600 once each: the smaller.
    assert (trace.step, trace.start, trace.end) == (300, NOON, NOON + 1200)
    # 61.5 units in three intervals of 300 s; the missing one does not count as zero.
    assert trace.mean == pytest.approx(61.5 / 900)


def test_interval_is_the_most_common_step() -> None:
    times = ("12:00", "12:01", "12:06", "12:11", "12:16")
    trace = parsed(*(f"2023-11-14T{time}:00Z,1" for time in times))
    assert trace.step == 300


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([], "line 1: the header is missing (make the first line timestamp,units)", id="an empty file"),
        pytest.param(
            ["2023-11-14T12:00:00Z,5"],
            "line 1: the header is missing (make the first line timestamp,units)",
            id="no header",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,5,6"],
            "line 2: 3 columns (write two: timestamp,units)",
            id="a third column",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,5", "2023-11-14T12:01:00,5"],
            "line 3: '2023-11-14T12:01:00' is not a time with an offset (write it as 2026-11-22T03:04:05Z)",
            id="a time without an offset",
        ),
        pytest.param(
            ["timestamp,units", "yesterday,5"],
            "line 2: 'yesterday' is not a time with an offset (write it as 2026-11-22T03:04:05Z)",
            id="no time at all",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,many"],
            "line 2: 'many' is not a number (write the units as a number, or leave the row out)",
            id="units that are no number",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,"],
            "line 2: '' is not a number (write the units as a number, or leave the row out)",
            id="empty units",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,-1"],
            "line 2: '-1' units (write zero or more, at most 1e+15, or leave the row out)",
            id="negative units",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,nan"],
            "line 2: 'nan' units (write zero or more, at most 1e+15, or leave the row out)",
            id="not-a-number units",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:00:00Z,1e308"],
            "line 2: '1e308' units (write zero or more, at most 1e+15, or leave the row out)",
            id="units that no sum could hold",
        ),
        pytest.param(
            ["timestamp,units", "2023-11-14T12:01:00Z,1", "2023-11-14T12:00:00Z,1"],
            "line 3: 2023-11-14T12:00:00Z is not later than the row before (sort the rows and drop duplicates)",
            id="rows out of order",
        ),
        pytest.param(
            ["timestamp,units", "", "2023-11-14T12:01:00Z,1", "2023-11-14T12:01:00Z,1"],
            "line 4: 2023-11-14T12:01:00Z is not later than the row before (sort the rows and drop duplicates)",
            id="a row twice; the blank line counts",
        ),
    ],
)
def test_bad_rows_name_the_line_and_the_remedy(lines: list[str], message: str) -> None:
    with pytest.raises(WatcherError) as caught:
        parse_trace(lines, "t.csv")
    assert str(caught.value) == f"read trace of t.csv, {message}"


@pytest.mark.parametrize(
    ("rows", "count"), [pytest.param((), 0, id="header only"), pytest.param(("2023-11-14T12:00:00Z,1",), 1, id="one")]
)
def test_too_few_rows_for_an_interval(rows: tuple[str, ...], count: int) -> None:
    with pytest.raises(WatcherError) as caught:
        parsed(*rows)
    assert (
        str(caught.value)
        == f"read trace of t.csv: {count} data rows, so the interval is unknown (give at least two rows)"
    )


def test_file_there_and_back(tmp_path: Path) -> None:
    trace = Trace({NOON: 60.25, NOON + 60: 0.0, NOON + 180: 1e7}, 60)
    path = tmp_path / "t.csv"
    write_trace(path, trace)
    assert path.read_text() == (
        "timestamp,units\n2023-11-14T12:00:00Z,60.25\n2023-11-14T12:01:00Z,0\n2023-11-14T12:03:00Z,10000000\n"
    )
    assert read_trace(path) == trace


def test_spreadsheet_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbftimestamp, units\r\n2023-11-14T12:00:00Z, 1\r\n2023-11-14T12:01:00Z, 2\r\n")
    assert read_trace(path).rows == {NOON: 1.0, NOON + 60: 2.0}


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(WatcherError, match=r"none\.csv: No such file or directory \(give a readable CSV file\)"):
        read_trace(tmp_path / "none.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"timestamp,units\n2023-11-14T12:00:00Z,\xe9\n")
    with pytest.raises(WatcherError, match=r"not UTF-8 text \(save it as CSV in UTF-8\)"):
        read_trace(latin)
    with pytest.raises(WatcherError, match=r"write trace of .*give a writable path"):
        write_trace(tmp_path, Trace({NOON: 1.0, NOON + 60: 1.0}, 60))


def test_rescaling_to_a_mean() -> None:
    trace = Trace({NOON: 60.0, NOON + 60: 180.0}, 60)
    assert trace.mean == 2.0
    assert trace.rescaled(500.0).rows == pytest.approx({NOON: 15_000.0, NOON + 60: 45_000.0})
    assert trace.rescaled(500.0).mean == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("rows", "mean", "message"),
    [
        pytest.param({NOON: 1.0, NOON + 60: 1.0}, 0.0, "give a positive mean", id="a mean of zero"),
        pytest.param({NOON: 1.0, NOON + 60: 1.0}, float("nan"), "give a positive mean", id="no number"),
        pytest.param({NOON: 1.0, NOON + 60: 1.0}, 1.1e9, "a positive mean, at most", id="a mean no table can have"),
        pytest.param({NOON: 5e-324, NOON + 60: 0.0}, 5.0, "nothing to rescale", id="so little that it counts as none"),
        pytest.param({NOON: 0.0, NOON + 60: 0.0}, 5.0, "leave the mean out", id="a trace of zeros"),
    ],
)
def test_rescaling_refused(rows: dict[int, float], mean: float, message: str) -> None:
    with pytest.raises(WatcherError, match=message):
        Trace(rows, 60).rescaled(mean)


def test_minute_rows_are_their_own_minutes() -> None:
    rows = {NOON: 3.0, NOON + 60: 0.0, NOON + 180: 7.5}
    assert Trace(rows, 60).minutes() == rows


@pytest.mark.parametrize(
    ("rows", "step", "minutes"),
    [
        pytest.param(
            {NOON: 4.0, NOON + 30: 2.0, NOON + 60: 6.0}, 30, {NOON: 6.0, NOON + 60: 6.0}, id="half minutes are added up"
        ),
        # Half a minute late: half of each row in the minute it starts in, half in the next.
        pytest.param(
            {NOON + 30: 10.0, NOON + 90: 20.0},
            60,
            {NOON: 5.0, NOON + 60: 15.0, NOON + 120: 10.0},
            id="minutes that start at :30 are cut in halves",
        ),
    ],
)
def test_rows_that_do_not_fit_whole_minutes(rows: dict[int, float], step: int, minutes: dict[int, float]) -> None:
    assert Trace(rows, step).minutes() == pytest.approx(minutes)


def test_coarse_row_follows_the_slope_behind_it() -> None:
    # Rows of 5 minutes at 100, 200, 300 a minute; the third climbs by the smaller of the last two changes, 100:
    # 260, 280, 300, 320, 340, and 5 % of noise each.
    trace = Trace({NOON: 500.0, NOON + 300: 1000.0, NOON + 600: 1500.0}, 300)
    seeds = range(200)
    runs = [trace.minutes(seed=seed) for seed in seeds]
    third = [sum(run[NOON + 600 + 60 * number] for run in runs) / len(runs) for number in range(5)]
    assert third == pytest.approx([260.0, 280.0, 300.0, 320.0, 340.0], rel=0.015)
    # The first two have no slope behind them: level.
    assert [sum(run[NOON + 60 * number] for run in runs) / len(runs) for number in range(5)] == pytest.approx(
        [100.0] * 5, rel=0.015
    )
    assert len({run[NOON] for run in runs}) == len(runs)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param((500.0, 1500.0, 400.0), id="up and down"),
        pytest.param((500.0, 500.0, 1500.0), id="level, then a jump"),
    ],
)
def test_coarse_row_is_level_without_a_slope(rows: tuple[float, ...]) -> None:
    trace = Trace({NOON + 300 * number: units for number, units in enumerate(rows)}, 300)
    runs = [trace.minutes(seed=seed) for seed in range(200)]
    third = [sum(run[NOON + 600 + 60 * number] for run in runs) / len(runs) for number in range(5)]
    assert third == pytest.approx([rows[2] / 5] * 5, rel=0.015)


def test_slope_never_leads_below_zero() -> None:
    trace = Trace({NOON: 9000.0, NOON + 300: 5000.0, NOON + 600: 1.0}, 300)
    minutes = trace.minutes()
    assert min(minutes.values()) >= 0.0
    assert sum(minutes[NOON + 600 + 60 * number] for number in range(5)) == pytest.approx(1.0)


def test_gap_breaks_the_slope_and_stays_a_gap() -> None:
    trace = Trace({NOON: 500.0, NOON + 300: 1000.0, NOON + 900: 1500.0}, 300)
    minutes = trace.minutes()
    assert set(range(NOON + 600, NOON + 900, 60)).isdisjoint(minutes)
    after = [trace.minutes(seed=seed)[NOON + 900] for seed in range(200)]
    assert sum(after) / len(after) == pytest.approx(300.0, rel=0.015)


coarse = st.builds(
    lambda units, step, phase, missing: Trace(
        {NOON + phase + step * number: unit for number, unit in enumerate(units) if number not in missing}
        or {NOON: 1.0},
        step,
    ),
    st.lists(st.floats(0.0, 1e6), min_size=2, max_size=30),
    st.sampled_from((30, 60, 90, 300, 600, 3600)),
    st.integers(0, 59),
    st.sets(st.integers(0, 30), max_size=5),
)


@given(trace=coarse, keep=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_cutting_a_trace_changes_nothing_before_the_cut(trace: Trace, keep: int) -> None:
    cut = Trace(dict(list(trace.rows.items())[:keep]), trace.step)
    whole = {minute: units for minute, units in trace.minutes().items() if minute + 60 <= cut.end}
    assert {minute: units for minute, units in cut.minutes().items() if minute + 60 <= cut.end} == whole


@given(trace=coarse)
@settings(max_examples=100, deadline=None)
def test_minutes_keep_every_unit(trace: Trace) -> None:
    minutes = trace.minutes()
    assert sum(minutes.values()) == pytest.approx(trace.total)
    assert all(minute % 60 == 0 for minute in minutes)
    assert min(minutes.values()) >= 0.0


def test_source_knows_what_it_does_not_know() -> None:
    source = Trace({NOON: 60.0, NOON + 120: 30.0}, 60).source(TABLE_READ)
    assert source(NOON).units == {TABLE_READ: 60.0}
    assert source(NOON).known
    assert not source(NOON + 60).known
    assert not source(NOON - 60).known
    assert Trace({NOON: 60.0, NOON + 120: 30.0}, 60).source()(NOON).units == {TABLE_WRITE: 60.0}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings lie beside the checkout and are not part of it")
@pytest.mark.parametrize(
    ("name", "step", "days", "peak_over_mean"),
    [
        pytest.param("ms_mongo_app1", 60, 11, 2.6, id="ms_mongo_app1"),
        pytest.param("ms_mongo_app4", 60, 11, 2.9, id="ms_mongo_app4"),
        pytest.param("ms_ingress2", 60, 11, 8.5, id="ms_ingress2"),
        pytest.param("wc98_may", 60, 28, 38.9, id="wc98_may"),
        pytest.param("wc98_group", 60, 19, 8.0, id="wc98_group"),
        pytest.param("nab_tweets_amzn", 300, 55, 31.4, id="nab_tweets_amzn"),
        pytest.param("nab_elb_requests", 300, 14, 10.6, id="nab_elb_requests"),
        pytest.param("servegen_m_large", 600, 14, 3.0, id="servegen_m_large"),
        pytest.param("isp_eu_2005", 300, 52, 2.3, id="isp_eu_2005"),
    ],
)
def test_recordings(name: str, step: int, days: int, peak_over_mean: float) -> None:
    trace = read_trace(RECORDINGS / f"{name}.csv")
    assert trace.step == step
    assert (trace.end - trace.start) / 86_400 == pytest.approx(days, abs=0.6)
    assert max(trace.rows.values()) / step / trace.mean == pytest.approx(peak_over_mean, rel=0.05)
    minutes = trace.minutes()
    assert sum(minutes.values()) == pytest.approx(trace.total)
    if step > 60:
        # Not flat: nearly every minute differs from the next.
        ordered = [minutes[minute] for minute in sorted(minutes) if minutes[minute] > 0.0]
        assert sum(a != b for a, b in pairwise(ordered)) > 0.9 * len(ordered)
