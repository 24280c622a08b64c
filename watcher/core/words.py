"""Numbers as people read them. Sentences are built only from these, so that alert, log and page agree."""

from __future__ import annotations

from datetime import UTC, datetime

DAY = 86_400.0


def units(value: float) -> str:
    """``1,045``; below ten one decimal, so that a table of 3 units does not round to nothing."""
    if 0 < value < 0.05:
        return "under 0.1"
    return f"{value:,.1f}" if 0 < value < 10 and value != int(value) else f"{value:,.0f}"


def rate(value: float) -> str:
    """Units per second: ``812/s``."""
    return f"{units(value)}/s"


def percent(share: float) -> str:
    """A fraction of 1 as per cent, small ones not rounded away: ``135 %``, ``0.4 %``."""
    value = share * 100
    if 0 < value < 0.05:
        return "under 0.1 %"
    return f"{value:.1f} %" if 0 < value < 10 else f"{value:,.0f} %"


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def time_of_day(instant: float, now: float) -> str:
    """``02:00 UTC``, with the date when that is a day or more from ``now``: ``2026-11-28 02:00 UTC``."""
    near = abs(instant - now) < DAY
    return datetime.fromtimestamp(instant, UTC).strftime("%H:%M UTC" if near else "%Y-%m-%d %H:%M UTC")


def count(number: float, noun: str) -> str:
    """``1 event``, ``1,204 events``."""
    return f"{number:,.0f} {noun}" if round(number) == 1 else f"{number:,.0f} {noun}s"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def capitalised(text: str) -> str:
    """``text`` with its first letter large and every other as it was: names of indexes keep their case."""
    return text[:1].upper() + text[1:]
