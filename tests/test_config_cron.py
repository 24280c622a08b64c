"""Cron expressions on the clock of a time zone: what they mean, at daylight saving time too, and what is no cron."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.clock import instant, iso, utc
from watcher.config_cron import CronStarts, cron_mistake, cron_starts, is_timezone
from watcher.core.schedule import Starts

HOUR = 3600
DAY = 24 * HOUR
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=150, database=None)


def following(cron: str, timezone: str, after: str, count: int = 1) -> list[str]:
    """The next starts, as UTC."""
    starts, found, at = CronStarts(cron, timezone), [], instant(after)
    for _ in range(count):
        start = starts.following(at)
        assert start is not None
        found.append(iso(start))
        at = start
    return found


def test_cron_starts_are_what_the_core_asks_for() -> None:
    starts: Starts = cron_starts("45 17 * * *", "UTC")

    assert starts.following(0.0) == 17.75 * HOUR


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        # 2026-11-22 is a Sunday.
        pytest.param("45 17 * * *", ["2026-11-22T17:45:00Z", "2026-11-23T17:45:00Z"], id="daily"),
        pytest.param("45 17 * * 1-5", ["2026-11-23T17:45:00Z", "2026-11-24T17:45:00Z"], id="1 is Monday"),
        pytest.param("0 8 * * 0", ["2026-11-22T08:00:00Z", "2026-11-29T08:00:00Z"], id="0 is Sunday"),
        pytest.param("0 8 * * 7", ["2026-11-22T08:00:00Z", "2026-11-29T08:00:00Z"], id="and so is 7"),
        pytest.param("0 8 * * fri", ["2026-11-27T08:00:00Z", "2026-12-04T08:00:00Z"], id="days have names"),
        pytest.param("0 8 1 jan *", ["2027-01-01T08:00:00Z", "2028-01-01T08:00:00Z"], id="and so have months"),
        pytest.param("0 8 24 * 1", ["2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"], id="either day, if both are set"),
        pytest.param(
            "*/30 6,18 * * *", ["2026-11-22T06:00:00Z", "2026-11-22T06:30:00Z", "2026-11-22T18:00:00Z"],
            id="steps and lists",
        ),
        pytest.param("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"], id="leap days"),
    ],
)  # fmt: skip
def test_five_fields(cron: str, expected: list[str]) -> None:
    assert following(cron, "UTC", "2026-11-22T00:00:00Z", len(expected)) == expected


@pytest.mark.parametrize(
    ("at", "latest", "next_one"),
    [
        pytest.param(-1, -DAY, 0, id="a second before a start, it is still to come"),
        pytest.param(-0.5, -DAY, 0, id="half a second before, too"),
        pytest.param(0, 0, DAY, id="at the start it has begun"),
        pytest.param(0.5, 0, DAY, id="and half a second later"),
        pytest.param(DAY - 1, 0, DAY, id="until the next one"),
    ],
)
def test_both_sides_of_a_start(at: float, latest: float, next_one: float) -> None:
    start = instant("2026-11-23T16:45:00Z")
    starts = CronStarts("45 17 * * *", "Europe/Berlin")

    assert starts.latest(start + at) == start + latest
    assert starts.following(start + at) == start + next_one


# --- daylight saving time ---------------------------------------------------------------------------------------------

# Berlin: on 29 March 2026 02:00 becomes 03:00 (01:00 UTC), on 25 October 03:00 becomes 02:00 (01:00 UTC).


@pytest.mark.parametrize(
    ("cron", "timezone", "after", "expected"),
    [
        pytest.param(
            "45 17 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-28T16:45:00Z", "2026-03-29T15:45:00Z"],
            id="summer time comes: the same time on the clock is an hour earlier",
        ),
        pytest.param(
            "45 17 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["2026-10-24T15:45:00Z", "2026-10-25T16:45:00Z"],
            id="summer time ends: an hour later",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
            id="a skipped time begins when the clock goes on, at 03:00",
        ),
        pytest.param(
            "0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
            id="the first time that is not skipped",
        ),
        pytest.param(
            "0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
            id="several skipped ones begin together, with the one that is due",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
            id="a time that comes twice begins the first time only",
        ),
        pytest.param(
            "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
            id="so the repeated hour of an event of every half hour has none",
        ),
        pytest.param(
            "*/30 * * * *", "UTC", "2026-10-25T00:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"],
            id="but UTC repeats nothing",
        ),
        pytest.param(
            "45 1 * * *", "Australia/Lord_Howe",
            "2026-04-03T15:30:00Z", ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
            id="a clock that goes back by half an hour",
        ),
        pytest.param(
            "15 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", ["2026-04-23T22:00:00Z", "2026-04-24T21:15:00Z"],
            id="midnight itself skipped",
        ),
    ],
)  # fmt: skip
def test_daylight_saving_time(cron: str, timezone: str, after: str, expected: list[str]) -> None:
    assert following(cron, timezone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("at", "latest"),
    [
        pytest.param("2026-10-25T00:29:59Z", "2026-10-24T00:30:00Z", id="before it begins the first time"),
        pytest.param("2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", id="when it does"),
        pytest.param("2026-10-25T01:10:00Z", "2026-10-25T00:30:00Z", id="in the second passing, at a time before it"),
        pytest.param("2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z", id="when it comes the second time"),
    ],
)
def test_a_time_that_comes_twice_has_begun_from_the_first_on(at: str, latest: str) -> None:
    start = CronStarts("30 2 * * *", "Europe/Berlin").latest(instant(at))

    assert start is not None
    assert iso(start) == latest


def starts_by_hand(cron: str, zone: ZoneInfo, begin: float, end: float) -> list[float]:
    """Every start, by mapping each time on the clock's face to the first instant at which it shows, or has passed."""
    faces = CronSim(cron, utc(begin).astimezone(zone).replace(tzinfo=None))
    return list(takewhile(lambda start: start < end, (first_shown(face, zone) for face in faces)))


def first_shown(face: datetime, zone: ZoneInfo) -> float:
    aware = face.replace(tzinfo=zone)
    # A skipped time is the one that comes back as another.
    while utc(aware.timestamp()).astimezone(zone).replace(tzinfo=None) != aware.replace(tzinfo=None):
        aware += timedelta(minutes=1)
    return aware.timestamp()


# Around each change of the clock in 2026, whole or half an hour, at midnight or at night, and two hours at once.
CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"), ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"), ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"), ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00:00Z"), ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00:00Z"), ("UTC", "2026-03-29T01:00:00Z"),
]  # fmt: skip
MINUTES = st.sampled_from(["*", "*/20", "0", "15", "30,45", "59"])
HOURS = st.sampled_from(["*", "*/2", "0", "1", "2", "1-3", "0,23"])
DAYS = st.sampled_from(["*", "0", "1-5", "6,0"])


@REPEATABLE
@given(st.sampled_from(CHANGES), MINUTES, HOURS, DAYS, st.lists(st.integers(-DAY, DAY), min_size=1, max_size=20))
def test_starts_around_a_change_of_the_clock_are_those_counted_by_hand(
    change: tuple[str, str], minute: str, hour: str, weekday: str, offsets: list[int]
) -> None:
    timezone, moment = change
    cron, changed = f"{minute} {hour} * * {weekday}", instant(moment)
    expected = starts_by_hand(cron, ZoneInfo(timezone), changed - 9 * DAY, changed + 9 * DAY)
    starts = CronStarts(cron, timezone)

    for at in (changed + offset for offset in offsets):  # forth and back, so that what is kept is tested too
        place = bisect_right(expected, at)
        assert (starts.latest(at), starts.following(at)) == (expected[place - 1], expected[place])


# --- effort -----------------------------------------------------------------------------------------------------------


def test_tables_that_share_an_expression_share_what_was_worked_out() -> None:
    assert cron_starts("1 2 * * *", "UTC") is cron_starts("1 2 * * *", "UTC")
    assert cron_starts("1 2 * * *", "UTC") == CronStarts("1 2 * * *", "UTC")
    assert cron_starts("1 2 * * *", "UTC") != cron_starts("1 2 * * *", "Europe/Berlin")


def test_an_expression_is_read_once_between_two_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(cron: str, at: datetime, *, reverse: bool = False) -> CronSim:
        read.append(cron)
        return CronSim(cron, at, reverse=reverse)

    monkeypatch.setattr("watcher.config_cron.CronSim", counting)
    starts, begin = CronStarts("0 12 * * *", "Europe/Berlin"), instant("2026-11-23T11:00:00Z")

    for minute in range(24 * 60):
        assert starts.latest(begin + 60 * minute) == begin
        assert starts.following(begin + 60 * minute) == begin + DAY

    assert len(read) == 2  # once back and once forth
    assert starts.latest(begin + DAY) == begin + DAY
    assert len(read) == 4


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "mistake"),
    [
        pytest.param("45 17 * * 1-5", "", id="five good fields"),
        pytest.param("45 17 * * mon-fri", "", id="with names"),
        pytest.param("0 0 29 2 *", "", id="leap days come"),
        pytest.param("60 17 * * *", "whose minute is not valid", id="a minute too many"),
        pytest.param("59 24 * * *", "whose hour is not valid", id="an hour too many"),
        pytest.param("59 23 0 * *", "whose day-of-month is not valid", id="no day"),
        pytest.param("59 23 1 0 *", "whose month is not valid", id="no month"),
        pytest.param("59 23 * * 8", "whose day-of-week is not valid", id="an eighth day of the week"),
        pytest.param("59 23 * * 5-1", "whose day-of-week is not valid", id="a range that runs backwards"),
        pytest.param("*/0 * * * *", "whose minute is not valid", id="a step of nothing"),
        pytest.param("0 0 30 2 *", "whose day-of-month is not valid", id="a day that the month has not"),
        pytest.param("* * */20 * 1L", "which never comes", id="days that never meet"),
        pytest.param("0 45 17 * * *", "with 6 fields", id="seconds are no part of it"),
        pytest.param("17:45", "with 1 field", id="a time is no cron"),
        pytest.param("", "with 0 fields", id="nothing"),
    ],
)
def test_what_is_wrong_with_an_expression(cron: str, mistake: str) -> None:
    assert cron_mistake(cron) == mistake


@pytest.mark.parametrize(
    ("name", "known"),
    [
        pytest.param("UTC", True, id="UTC"),
        pytest.param("America/Argentina/Buenos_Aires", True, id="a long name"),
        pytest.param("Europe/Berln", False, id="a typing error"),
        pytest.param("America", False, id="a directory of zones"),
        pytest.param("../../etc/passwd", False, id="a way out of the database"),
        pytest.param("/etc/localtime", False, id="a file"),
        pytest.param("a\0b", False, id="a null character"),
        pytest.param("x" * 5000, False, id="a name longer than any file's"),
        pytest.param("\udcff", False, id="no text at all"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_time_zones(name: str, *, known: bool) -> None:
    assert is_timezone(name) is known
