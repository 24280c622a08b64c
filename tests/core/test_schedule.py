"""Floors for known events: when they hold, which one wins, and what a sentence says of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.builders import HOUR, INDEX_READ, INDEX_WRITE, MIDNIGHT
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.policy import TablePolicy
from watcher.core.schedule import Floor, Once, Schedule, Starts, Window, floor

DAY = 24 * HOUR
MINUTE = 60
BEGIN = MIDNIGHT + 18 * HOUR
LEAD = 10 * MINUTE
END = BEGIN + 3 * HOUR
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=300, database=None)


@dataclass(frozen=True, slots=True)
class Every:
    """Starts at ``first`` and every ``period`` seconds after, without an end."""

    first: float
    period: float

    def latest(self, at: float) -> float | None:
        return None if at < self.first else self.first + (at - self.first) // self.period * self.period

    def following(self, at: float) -> float | None:
        begun = self.latest(at)
        return self.first if begun is None else begun + self.period


def event(
    write: int = 800,
    starts: Starts | None = None,
    *,
    name: str = "evening",
    duration: float = 3 * HOUR,
    lead: float = LEAD,
) -> Schedule:
    return Schedule(name, starts or Once(BEGIN), duration, lead, units={Kind.WRITE: write})


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        pytest.param(BEGIN - LEAD - 0.001, False, id="a moment before the lead time"),
        pytest.param(BEGIN - LEAD, True, id="from the lead time on"),
        pytest.param(BEGIN - 0.001, True, id="until it begins"),
        pytest.param(BEGIN, True, id="when it begins"),
        pytest.param(END - 0.001, True, id="to its last moment"),
        pytest.param(END, False, id="but not at its end"),
    ],
)
@pytest.mark.parametrize(
    "starts", [pytest.param(Once(BEGIN), id="once"), pytest.param(Every(BEGIN - 3 * DAY, DAY), id="daily")]
)
def test_a_floor_holds_from_the_lead_time_to_the_end(starts: Starts, now: float, *, holds: bool) -> None:
    found = floor(now, (event(starts=starts),), TABLE_WRITE)

    assert found == (Floor(800, "evening", BEGIN, END) if holds else None)


def test_without_lead_time_it_holds_from_the_start() -> None:
    schedules = (event(lead=0),)

    assert floor(BEGIN - 0.001, schedules, TABLE_WRITE) is None
    assert floor(BEGIN, schedules, TABLE_WRITE) == Floor(800, "evening", BEGIN, END)


def test_no_schedule_is_no_floor() -> None:
    assert floor(BEGIN, (), TABLE_WRITE) is None
    assert floor(BEGIN, TablePolicy().schedules, TABLE_WRITE) is None


@pytest.mark.parametrize(
    ("now", "window"),
    [
        pytest.param(BEGIN - DAY, Window(BEGIN, END), id="the first one is to come"),
        pytest.param(BEGIN - LEAD, Window(BEGIN, END), id="its lead time counts as its own"),
        pytest.param(END - 1, Window(BEGIN, END), id="while it is open it is named, not the next"),
        pytest.param(END, Window(BEGIN + DAY, END + DAY), id="then the next day's"),
    ],
)
def test_the_window_that_comes(now: float, window: Window) -> None:
    assert event(starts=Every(BEGIN, DAY)).coming(now) == window


def test_a_single_event_that_is_over_does_not_come_again() -> None:
    assert event().coming(END - 1) == Window(BEGIN, END)
    assert event().coming(END) is None


@pytest.mark.parametrize(
    ("now", "since"),
    [
        pytest.param(BEGIN + HOUR - 1, BEGIN, id="the one that has begun, though the next one's lead time runs"),
        pytest.param(BEGIN + HOUR, BEGIN + HOUR, id="the newest that has begun, though the one before still lasts"),
    ],
)
def test_windows_of_one_event_that_overlap_are_told_by_the_last_that_has_begun(now: float, since: float) -> None:
    found = floor(now, (event(starts=Every(BEGIN, HOUR), duration=90 * MINUTE),), TABLE_WRITE)

    assert found == Floor(800, "evening", since, since + 90 * MINUTE)


# --- dimensions -------------------------------------------------------------------------------------------------------

LAUNCH = Schedule(
    "launch",
    Once(BEGIN),
    3 * HOUR,
    units={Kind.READ: 3000},
    index_units=(("by-c*", {Kind.WRITE: 2000}), ("*", {Kind.WRITE: 1000, Kind.READ: 500})),
)


@pytest.mark.parametrize(
    ("dimension", "units"),
    [
        pytest.param(TABLE_READ, 3000, id="the table's own kind"),
        pytest.param(TABLE_WRITE, None, id="a kind without a floor"),
        pytest.param(INDEX_WRITE, 2000, id="an index by the first pattern that matches"),
        pytest.param(INDEX_READ, None, id="which says nothing about reads"),
        pytest.param(Dimension("other", Kind.READ), 500, id="an index by a later pattern"),
        pytest.param(Dimension("By-customer", Kind.WRITE), 1000, id="names are case-sensitive"),
    ],
)
def test_each_dimension_has_its_own_floor(dimension: Dimension, units: int | None) -> None:
    found = floor(BEGIN, (LAUNCH,), dimension)

    assert (found and found.units) == units


def test_the_usual_lead_time_is_ten_minutes() -> None:
    assert floor(BEGIN - 600, (LAUNCH,), TABLE_READ) == Floor(3000, "launch", BEGIN, END)
    assert floor(BEGIN - 601, (LAUNCH,), TABLE_READ) is None


# --- several events ---------------------------------------------------------------------------------------------------

SMALL = event(800, name="small", duration=5 * HOUR)
LARGE = event(2000, name="large", duration=HOUR)
LONGER = event(2000, name="longer", duration=2 * HOUR)


@pytest.mark.parametrize(
    ("now", "schedules", "name"),
    [
        pytest.param(BEGIN, (SMALL, LARGE), "large", id="the largest floor wins"),
        pytest.param(BEGIN, (LARGE, SMALL), "large", id="in either order"),
        pytest.param(BEGIN, (LARGE, LONGER), "longer", id="of equal ones the one that lasts longest is named"),
        pytest.param(BEGIN, (LONGER, LARGE), "longer", id="likewise in either order"),
        pytest.param(BEGIN + HOUR, (SMALL, LARGE), "small", id="when the largest is over, the next counts"),
        pytest.param(BEGIN + HOUR, (LARGE,), None, id="and none when all are over"),
    ],
)
def test_overlapping_events(now: float, schedules: tuple[Schedule, ...], name: str | None) -> None:
    found = floor(now, schedules, TABLE_WRITE)

    assert (found and found.name) == name


# --- sentences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "duration", "purpose"),
    [
        pytest.param(BEGIN - 1, 8 * HOUR, "for evening from 18:00 UTC", id="before it begins: from when"),
        pytest.param(BEGIN, 8 * HOUR, "for evening until 02:00 UTC", id="while it lasts: until when"),
        pytest.param(BEGIN, DAY, "for evening until 2023-11-15 18:00 UTC", id="a day ahead: with the date"),
        pytest.param(BEGIN + 1, DAY, "for evening until 18:00 UTC", id="less than a day: without"),
    ],
)
def test_what_a_sentence_says_of_a_floor(now: float, duration: float, purpose: str) -> None:
    found = floor(now, (event(duration=duration),), TABLE_WRITE)

    assert found is not None
    assert found.purpose(now) == purpose


# --- properties -------------------------------------------------------------------------------------------------------

SECONDS = st.integers(0, 2 * DAY)
EVENTS = st.builds(
    lambda write, start, duration, lead: event(write, Once(BEGIN + start), duration=duration, lead=lead),
    st.integers(1, 4000), SECONDS, st.integers(1, DAY), st.integers(0, DAY),
)  # fmt: skip


def starts_of(schedule: Schedule) -> float:
    start = schedule.starts.following(0)
    assert start is not None
    return start


@REPEATABLE
@given(st.lists(EVENTS, max_size=4), st.integers(-DAY, 4 * DAY))
def test_a_floor_is_the_largest_of_the_windows_that_hold_now_and_none_outside_all(
    schedules: list[Schedule], since_begin: int
) -> None:
    now = BEGIN + since_begin
    open_now = [
        schedule.units[Kind.WRITE]
        for schedule in schedules
        if starts_of(schedule) - schedule.lead <= now < starts_of(schedule) + schedule.duration
    ]

    found = floor(now, schedules, TABLE_WRITE)

    assert (found and found.units) == max(open_now, default=None)
    assert floor(now, schedules, TABLE_READ) is None


@REPEATABLE
@given(st.integers(1, 3 * DAY), st.integers(1, DAY), st.integers(0, DAY), SECONDS)
def test_a_recurring_floor_holds_exactly_in_the_windows(period: int, duration: int, lead: int, offset: int) -> None:
    now = BEGIN + offset
    open_now = any(start - lead <= now < start + duration for start in range(BEGIN, BEGIN + 4 * DAY, period))

    found = floor(now, (event(starts=Every(BEGIN, period), duration=duration, lead=lead),), TABLE_WRITE)

    assert (found is not None) == open_now
