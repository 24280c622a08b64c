"""How often provisioned throughput may go down: of a table, or of one index, apart from each other.

AWS: "After the first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once every
3600 seconds" (the LimitExceededException of UpdateTable; measured: the hour runs from the last accepted decrease, the
count starts anew at 00:00 UTC, refused attempts do not count).
"""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86_400.0
FREE_DECREASES = 4
PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class DecreaseBudget:
    """count: decreases accepted on the UTC day of ``last``. last: instant of the last accepted one, None when never."""

    count: int = 0
    last: float | None = None

    def today(self, now: float) -> int:
        """NumberOfDecreasesToday."""
        if self.last is None or self.last // DAY != now // DAY:
            return 0
        return self.count

    def allowed_at(self, now: float) -> float:
        """When one more decrease is allowed: ``now`` itself, or an instant after it."""
        if self.last is None or self.today(now) < FREE_DECREASES:
            return now
        midnight = (now // DAY + 1) * DAY
        return max(now, min(self.last + PAUSE, midnight))

    def spent(self, now: float) -> DecreaseBudget:
        """The budget after one more accepted decrease."""
        return DecreaseBudget(self.today(now) + 1, now)
