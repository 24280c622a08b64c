"""Numbers as people read them, at both edges of every change of form."""

from __future__ import annotations

import pytest

from watcher.core.words import capitalised, count, duration, milliseconds, percent, rate, time_of_day, units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(0, "0", id="zero is written as such"),
        pytest.param(0.049, "under 0.1", id="almost nothing is not nothing"),
        pytest.param(0.05, "0.1", id="the smallest number that one decimal can show"),
        pytest.param(3, "3", id="a whole number below ten has no decimal"),
        pytest.param(3.44, "3.4", id="a fraction below ten has one decimal"),
        pytest.param(9.94, "9.9", id="just below ten"),
        pytest.param(10.4, "10", id="from ten on no decimals"),
        pytest.param(1045.2, "1,045", id="thousands are grouped"),
    ],
)
def test_units(value: float, text: str) -> None:
    assert units(value) == text
    assert rate(value) == f"{text}/s"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        pytest.param(0.0, "0 %", id="nothing"),
        pytest.param(0.0004, "under 0.1 %", id="a trace is not rounded away"),
        pytest.param(0.0005, "0.1 %", id="the smallest share that one decimal can show"),
        pytest.param(0.004, "0.4 %", id="below ten one decimal"),
        pytest.param(0.1, "10 %", id="ten per cent has no decimal"),
        pytest.param(1.35, "135 %", id="more than everything"),
        pytest.param(12.0, "1,200 %", id="thousands are grouped"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0, "0 s", id="no time at all"),
        pytest.param(89, "89 s", id="seconds up to a minute and a half"),
        pytest.param(90, "2 min", id="from a minute and a half on minutes"),
        pytest.param(119 * 60, "119 min", id="minutes up to two hours"),
        pytest.param(120 * 60, "2 h", id="two hours sharp"),
        pytest.param(200 * 60, "3 h 20 min", id="hours and minutes"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(0, "0 events", id="none is plural"),
        pytest.param(1, "1 event", id="one is singular"),
        pytest.param(1.4, "1 event", id="what reads as 1 is singular"),
        pytest.param(2, "2 events", id="two"),
        pytest.param(1204, "1,204 events", id="thousands are grouped"),
    ],
)
def test_count(number: float, text: str) -> None:
    assert count(number, "event") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(9.94, "9.9 ms", id="one decimal below ten"),
        pytest.param(10.0, "10 ms", id="none from ten on"),
        pytest.param(1500.0, "1,500 ms", id="grouped"),
    ],
)
def test_milliseconds(value: float, text: str) -> None:
    assert milliseconds(value) == text


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        pytest.param(0, "18:00 UTC", id="now"),
        pytest.param(6 * 3600 + 59, "00:00 UTC", id="tomorrow, whole minutes"),
        pytest.param(86_399, "17:59 UTC", id="less than a day ahead"),
        pytest.param(86_400, "2023-11-15 18:00 UTC", id="a day ahead, with the date"),
        pytest.param(-86_399, "18:00 UTC", id="less than a day ago"),
        pytest.param(-86_400, "2023-11-13 18:00 UTC", id="a day ago, with the date"),
    ],
)
def test_time_of_day(ahead: float, text: str) -> None:
    evening = 1_699_984_800.0  # 2023-11-14T18:00:00Z

    assert time_of_day(evening + ahead, evening) == text


def test_names_of_indexes_keep_their_case() -> None:
    assert capitalised("writes of index GSI-Customer") == "Writes of index GSI-Customer"
    assert capitalised("") == ""
