"""Quiet hours on the clock of a place: edges, days, and the nights in which that clock is changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest

from watcher.clock import instant
from watcher.core.quiet import EVERY_DAY, MIDNIGHT, QuietHours

BERLIN = ZoneInfo("Europe/Berlin")
CAIRO = ZoneInfo("Africa/Cairo")
MONDAY, FRIDAY, SATURDAY = 0, 4, 5
NIGHT = (22 * 60, 7 * 60)
LUNCH = (12 * 60, 13 * 60)


def hours(window: tuple[int, int], *days: int, zone: tzinfo = BERLIN) -> QuietHours:
    return QuietHours(*window, frozenset(days) if days else EVERY_DAY, zone)


# 2026-11-23 is a Monday.
@pytest.mark.parametrize(
    ("window", "days", "at", "held"),
    [
        pytest.param(LUNCH, (), "2026-11-23T11:59:59+01:00", False, id="a second before it begins"),
        pytest.param(LUNCH, (), "2026-11-23T12:00:00+01:00", True, id="the instant it begins"),
        pytest.param(LUNCH, (), "2026-11-23T12:59:59+01:00", True, id="the last second"),
        pytest.param(LUNCH, (), "2026-11-23T13:00:00+01:00", False, id="the end is not part of it"),
        pytest.param(LUNCH, (), "2026-11-23T12:30:00Z", False, id="noon is the place's and not UTC's"),
        pytest.param(NIGHT, (), "2026-11-23T21:59:59+01:00", False, id="a second before the night"),
        pytest.param(NIGHT, (), "2026-11-23T22:00:00+01:00", True, id="the night begins"),
        pytest.param(NIGHT, (), "2026-11-24T00:00:00+01:00", True, id="midnight is in it"),
        pytest.param(NIGHT, (), "2026-11-24T06:59:59+01:00", True, id="the last second of the night"),
        pytest.param(NIGHT, (), "2026-11-24T07:00:00+01:00", False, id="the morning"),
        pytest.param(NIGHT, (MONDAY,), "2026-11-23T06:00:00+01:00", False, id="Monday's morning is Sunday's night"),
        pytest.param(NIGHT, (MONDAY,), "2026-11-23T23:00:00+01:00", True, id="Monday's evening"),
        pytest.param(NIGHT, (MONDAY,), "2026-11-24T06:00:00+01:00", True, id="Tuesday's morning is Monday's night"),
        pytest.param(NIGHT, (MONDAY,), "2026-11-24T23:00:00+01:00", False, id="Tuesday's evening"),
        pytest.param(NIGHT, (FRIDAY,), "2026-11-28T06:00:00+01:00", True, id="Saturday's morning is Friday's night"),
        pytest.param(LUNCH, (SATURDAY,), "2026-11-28T12:30:00+01:00", True, id="the one day given"),
        pytest.param(LUNCH, (SATURDAY,), "2026-11-27T12:30:00+01:00", False, id="the day before"),
        pytest.param((0, MIDNIGHT), (SATURDAY,), "2026-11-27T23:59:59+01:00", False, id="before a whole day"),
        pytest.param((0, MIDNIGHT), (SATURDAY,), "2026-11-28T00:00:00+01:00", True, id="a whole day begins"),
        pytest.param((0, MIDNIGHT), (SATURDAY,), "2026-11-28T23:59:59+01:00", True, id="a whole day's last second"),
        pytest.param((0, MIDNIGHT), (SATURDAY,), "2026-11-29T00:00:00+01:00", False, id="a whole day is over"),
        pytest.param((NIGHT[0], 0), (), "2026-11-23T23:59:59+01:00", True, id="until midnight"),
        pytest.param((NIGHT[0], 0), (), "2026-11-24T00:00:00+01:00", False, id="and no longer"),
    ],
)
def test_when_it_holds(window: tuple[int, int], days: tuple[int, ...], at: str, *, held: bool) -> None:
    assert hours(window, *days).holds(instant(at)) is held


def test_on_the_clock_of_utc_it_needs_no_rules_of_a_place() -> None:
    assert hours(LUNCH, zone=UTC).holds(instant("2026-11-23T12:30:00Z"))
    assert not hours(LUNCH, zone=UTC).holds(instant("2026-11-23T12:30:00+01:00"))


def edges(window: QuietHours, start: str, end: str) -> Iterator[tuple[float, bool]]:
    """Every change between two instants, looked at minute by minute."""
    at, before = instant(start), False
    while at < instant(end):
        if (now := window.holds(at)) != before:
            yield at, now
        at, before = at + 60, now


SPRING = ("2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00")  # 02:00 becomes 03:00
AUTUMN = ("2026-10-24T12:00:00+02:00", "2026-10-25T12:00:00+01:00")  # 03:00 becomes 02:00


@pytest.mark.parametrize(
    ("window", "night", "begins", "ends"),
    [
        pytest.param(
            NIGHT, SPRING, "2026-03-28T22:00:00+01:00", "2026-03-29T07:00:00+02:00", id="eight hours in spring"
        ),
        pytest.param(NIGHT, AUTUMN, "2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00+01:00", id="ten hours in autumn"),
        pytest.param(
            (1320, 150), SPRING, "2026-03-28T22:00:00+01:00", "2026-03-29T03:00:00+02:00", id="an end that is skipped"
        ),
        pytest.param(
            (150, 420), SPRING, "2026-03-29T03:00:00+02:00", "2026-03-29T07:00:00+02:00", id="a start that is skipped"
        ),
        pytest.param(
            (1320, 150),
            AUTUMN,
            "2026-10-24T22:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            id="an end shown twice: the first, and not once more an hour later",
        ),
        pytest.param(
            (150, 420),
            AUTUMN,
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T07:00:00+01:00",
            id="a start shown twice: from the first, in one piece",
        ),
    ],
)
def test_the_nights_in_which_the_clock_is_changed(
    window: tuple[int, int], night: tuple[str, str], begins: str, ends: str
) -> None:
    assert list(edges(hours(window), *night)) == [(instant(begins), True), (instant(ends), False)]


def test_a_window_that_the_clock_skips_whole_does_not_come() -> None:
    assert list(edges(hours((135, 165)), *SPRING)) == []


def test_a_day_without_its_midnight_begins_when_its_clock_does() -> None:
    """In Cairo the clock goes from 23:59 to 01:00 on the last Friday of April."""
    friday = hours((0, 420), FRIDAY, zone=CAIRO)
    found = list(edges(friday, "2026-04-23T12:00:00+02:00", "2026-04-24T12:00:00+03:00"))
    assert found == [(instant("2026-04-24T01:00:00+03:00"), True), (instant("2026-04-24T07:00:00+03:00"), False)]
