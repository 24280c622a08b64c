"""The decrease budget of one table or one index: four a UTC day, then one an hour after the last.

Measured behaviour of UpdateTable, also in its LimitExceededException text: "After the first 4 decreases, each
subsequent decrease in the same UTC day can be performed at most once every 3600 seconds." The table and every index
have budgets of their own; reads and writes lowered in one call are one decrease. Whether idle hours accumulate
decreases, as one page of the developer guide says, is not established, so it is not counted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from watcher.core.model import Throughput

FIRST = 4
HOUR = 3600.0
DAY = 86_400.0
# AWS's clock decides; being a few seconds late costs nothing, being early costs a refused call.
MARGIN = 5.0


@dataclass(frozen=True, slots=True)
class Budget:
    """left: of the first four. idle: seconds since the last decrease of any day (infinite when never).
    wait: seconds until a decrease is accepted, 0 when now."""

    left: int
    idle: float
    wait: float

    @property
    def allowed(self) -> bool:
        return self.wait <= 0

    @property
    def available(self) -> int:
        """Decreases that could be made right now, one after the other."""
        return max(self.left, int(self.allowed))


def midnight(now: float) -> float:
    """Start of ``now``'s UTC day."""
    return now - now % DAY


def budget(now: float, throughput: Throughput) -> Budget:
    """What is left for this table or index at ``now``."""
    last = throughput.last_decrease
    # The counter is of the day of the last decrease; DescribeTable may still show yesterday's.
    today = midnight(now - MARGIN)
    spent = throughput.decreases_today if last is None or last >= today else 0
    left = max(0, FIRST - spent)
    idle = inf if last is None else max(0.0, now - last)
    # Spent without an instant to count an hour from: only the new day is certain.
    hourly = inf if last is None else HOUR + MARGIN - idle
    wait = 0.0 if left else max(0.0, min(hourly, today + DAY + MARGIN - now))
    return Budget(left, idle, wait)
