"""dynamic-dynamodb 2.5.1 on one dimension of one table, its oddities included, as its source has them.

Left out: what is off by default and not part of either variant (scale dictionaries, alarms, maintenance windows, the
circuit breaker), and the other dimension, whose values it sends along unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from watcher.core.model import Kind
from watcher.core.policy import Bounds


@dataclass(frozen=True, slots=True)
class Options:
    """Its options, the defaults as released. Seconds, percent, throttle events in the window (0 is off), checks."""

    check_interval: int = 300
    lookback_start: int = 900
    lookback_period: int = 300
    upper_threshold: float = 90.0
    lower_threshold: float = 30.0
    increase_with: int = 50
    decrease_with: int = 50
    throttled_upper_threshold: int = 0
    checks_before_scale_down: int = 1


DEFAULTS = Options()
# As careful owners set it: a look every minute at the newest minute that is surely published, and throttling counts.
TUNED = Options(
    check_interval=60,
    lookback_start=180,
    lookback_period=60,
    upper_threshold=80.0,
    lower_threshold=45.0,
    increase_with=30,
    decrease_with=30,
    throttled_upper_threshold=1,
    checks_before_scale_down=10,
)


class DynamicDynamoDb:
    """Remembers when it last checked and how many checks asked for a decrease."""

    def __init__(self, options: Options, kind: Kind, bounds: Bounds) -> None:
        self._options = options
        self._kind = kind
        self._bounds = bounds
        self._checks = 0
        self._next_check: float | None = None

    def window(self, now: float) -> tuple[int, int] | None:
        """[start, end) of the minutes that a check at ``now`` looks at; None when no check is due."""
        if self._next_check is not None and now < self._next_check:
            return None
        self._next_check = now + self._options.check_interval
        start = int(now - self._options.lookback_start) // 60 * 60  # CloudWatch rounds down to the minute
        return start, start + self._options.lookback_period

    def check(self, consumed: Mapping[int, float], throttled: Mapping[int, float], current: int) -> int | None:
        """What it asks for, units per second, or None. consumed, throttled: units and events by minute, of the window;
        a minute without a point counts nothing. current: units per second provisioned."""
        percent = sum(consumed.values()) / self._options.lookback_period / current * 100.0
        events = sum(throttled.values())
        wanted = self._raised(percent, events, current)
        if wanted > current:
            self._checks = 0
        else:
            wanted = self._lowered(percent, events, current)
        wanted = min(self._bounds.max, max(self._bounds.min, wanted))
        if wanted == current or ceil(current * percent / 100.0) > wanted:
            return None
        return wanted

    def _raised(self, percent: float, events: float, current: int) -> int:
        options = self._options
        is_busy = percent > options.upper_threshold
        is_throttled = 0 < options.throttled_upper_threshold < events
        if not is_busy and not is_throttled:
            return current
        base = max(current, ceil(current * percent / 100.0))  # consumption can exceed capacity by what bursts allow
        return min(self._bounds.max, base + ceil(base * options.increase_with / 100.0))

    def _lowered(self, percent: float, events: float, current: int) -> int:
        options = self._options
        if percent == 0.0 or percent >= options.lower_threshold:
            return current
        # Only writes are held while they throttle.
        if self._kind is Kind.WRITE and 0 < options.throttled_upper_threshold < events:
            return current
        wanted = max(self._bounds.min, current - int(current * options.decrease_with / 100.0))
        if wanted == current:
            return current
        # A check that asks for no decrease does not set the count back: "consecutive" it is not.
        self._checks += 1
        if self._checks < options.checks_before_scale_down:
            return current
        self._checks = 0
        return wanted
