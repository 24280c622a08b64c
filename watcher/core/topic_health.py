"""A topic that fails is asked again with one message at growing intervals; everything else for it waits meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_WAIT = 30.0  # seconds
LONGEST_WAIT = 300.0
SLACK = 5.0  # a pass that comes this much early still probes: passes are not to the second, a missed one costs a minute


def patience(failures: int) -> float:
    """Seconds to wait after so many failures in a row, at least one: twice as long each time."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 10))


@dataclass(frozen=True, slots=True)
class Failing:
    """error: why, in the topic's own words. failures: in a row, of probes. probe_at: monotonic seconds."""

    error: str
    failures: int
    probe_at: float

    def is_due(self, monotonic: float) -> bool:
        return monotonic >= self.probe_at - SLACK


def failed(before: Failing | None, error: str, monotonic: float) -> Failing:
    """The topic after one more failure. Several that were on their way at once count as one."""
    if before is not None and not before.is_due(monotonic):
        return Failing(error, before.failures, before.probe_at)
    failures = 1 if before is None else before.failures + 1
    return Failing(error, failures, monotonic + patience(failures))
