"""What callers did, what shall go wrong for them, and how fast they may go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ACCEPTED: Final = "accepted"
# Calls that change what the watcher answers for: tests check bounds and budgets on their record.
RECORDED: Final = frozenset({"UpdateTable", "RegisterScalableTarget", "UpdateContributorInsights"})


@dataclass(frozen=True, slots=True)
class Rate:
    """How often some operations together may be called: ``burst`` calls at once, ``per_second`` more each second."""

    operations: frozenset[str]
    per_second: float
    burst: int
    refusal: str


RATE_EXCEEDED: Final = "Rate exceeded"

# The bursts are wide, as a world whose clock stands still between cycles makes a whole cycle's calls one burst.
RATES: Final = (
    # DynamoDB's control plane lets an account change about one thing a second (measured, unpublished).
    Rate(
        frozenset({"CreateTable", "UpdateTable", "DeleteTable", "UpdateContributorInsights"}),
        1.0,
        10,
        "The rate of control plane requests made by this account is too high",
    ),
    # Unpublished too, and not measured: an assumption.
    Rate(
        frozenset({"UpdateContributorInsights", "DescribeContributorInsights", "ListContributorInsights"}),
        5.0,
        50,
        RATE_EXCEEDED,
    ),
    # "CloudWatch service quotas".
    Rate(frozenset({"GetInsightRuleReport"}), 20.0, 100, RATE_EXCEEDED),
    Rate(frozenset({"DescribeInsightRules"}), 20.0, 100, RATE_EXCEEDED),
)
EXPRESSIONS: Final = Rate(frozenset({"INSIGHT_RULE_METRIC"}), 20.0, 100, RATE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call as received. time: of the sandbox's clock. outcome: "accepted", or the error code answered."""

    time: float
    operation: str
    arguments: Mapping[str, Any]
    outcome: str

    @property
    def is_accepted(self) -> bool:
        return self.outcome == ACCEPTED


@dataclass(slots=True)
class Ledger:
    """entries: calls of the RECORDED operations, oldest first. counts: every call of every operation, by name."""

    entries: list[Recorded] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def note(self, time: float, operation: str, arguments: Mapping[str, Any], outcome: str) -> None:
        if operation in RECORDED:
            self.entries.append(Recorded(time, operation, arguments, outcome))

    def of(self, operation: str) -> list[Recorded]:
        return [entry for entry in self.entries if entry.operation == operation]


@dataclass(slots=True)
class Fault:
    code: str
    message: str
    status: int
    times: int
    lost: bool


class Faults:
    """Failures to come, by operation name."""

    def __init__(self) -> None:
        self._planned: dict[str, list[Fault]] = {}

    def fail(
        self,
        operation: str,
        code: str = "InternalServerError",
        message: str = "The sandbox was told to fail.",
        status: int = 400,
        *,
        times: int = 1,
        lost: bool = False,
    ) -> None:
        """The next ``times`` calls of ``operation`` are refused with ``code`` and the HTTP ``status``.

        lost: the call is carried out, only its answer is replaced, as when a connection breaks too late. Faults of
        one operation queue up.
        """
        self._planned.setdefault(operation, []).append(Fault(code, message, status, times, lost))

    def clear(self) -> None:
        self._planned.clear()

    def take(self, operation: str) -> Fault | None:
        """The fault due for this call, used up once."""
        planned = self._planned.get(operation)
        if not planned:
            return None
        fault = planned[0]
        fault.times -= 1
        if fault.times <= 0:
            planned.pop(0)
        return fault


class RateLimit:
    """A token bucket that keeps to a rate."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._tokens = float(rate.burst)
        self._at = 0.0

    def admits(self, operation: str, now: float, calls: int = 1) -> bool:
        """Whether ``calls`` of it may go on; operations that the rate does not limit always may."""
        if operation not in self.rate.operations or not calls:
            return True
        refilled = self.rate.per_second * max(0.0, now - self._at)
        self._tokens = min(float(self.rate.burst), self._tokens + refilled)
        self._at = now
        if self._tokens < calls:
            return False
        self._tokens -= calls
        return True
