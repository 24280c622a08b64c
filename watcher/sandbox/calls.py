"""What callers did, what shall go wrong for them, and how fast they may go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ACCEPTED: Final = "accepted"
# Calls that change what the watcher answers for: tests check bounds and budgets on their record.
RECORDED: Final = frozenset({"UpdateTable", "RegisterScalableTarget", "UpdateContributorInsights"})
# DynamoDB's control plane refuses an account that changes more than about one thing a second (measured, unpublished).
MUTATIONS: Final = frozenset({"CreateTable", "UpdateTable", "DeleteTable", "UpdateContributorInsights"})


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
    """A token bucket: ``burst`` calls at once, one more each second."""

    def __init__(self, burst: int) -> None:
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = 0.0

    def admits(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at))
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
