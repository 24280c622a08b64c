"""The scalers that the watcher is compared with, behind one protocol, and the names by which policies are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from watcher.core.model import Dimension, Kind, Metric
from watcher.core.policy import Bounds
from watcher.errors import UsageError
from watcher.replay.dynamic_dynamodb import DEFAULTS, TUNED, DynamicDynamoDb
from watcher.replay.plant import Plant
from watcher.replay.scaler import IN_MINUTES, MISSING_MINUTES, TargetTracking

WATCHER = "watcher"
ON_DEMAND = "on-demand"
DYNAMIC_DYNAMODB = {"dynamic-dynamodb": DEFAULTS, "dynamic-dynamodb:tuned": TUNED}
NAMES = "watcher, target-tracking:70 (20 to 90), dynamic-dynamodb, dynamic-dynamodb:tuned, static:N or on-demand"


@dataclass(frozen=True, slots=True)
class Published:
    """What CloudWatch shows of one dimension of one table of a plant."""

    plant: Plant
    table: str
    dimension: Dimension

    def points(self, metric: Metric, start: float, end: float) -> dict[int, float]:
        """Visible points with start <= minute < end, by the minute's start."""
        return self.plant.points(self.table, metric, dimension=self.dimension, start=start, end=end)


class Scaler(Protocol):
    """Asked once a minute, right after publication."""

    def wanted(self, now: float, published: Published, capacity: int) -> int | None:
        """The capacity it asks for, units per second, or None when it lets things be."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """Target tracking, looking back as far as its alarms may. publication: seconds until every point is out."""

    rule: TargetTracking
    publication: float

    def wanted(self, now: float, published: Published, capacity: int) -> int | None:
        lookback = (IN_MINUTES + MISSING_MINUTES + 1) * 60 + self.publication
        return self.rule.wanted(published.points(Metric.CONSUMED, now - lookback, now), capacity)


@dataclass(frozen=True, slots=True)
class Polling:
    """dynamic-dynamodb, asking CloudWatch when its own interval is over."""

    rule: DynamicDynamoDb

    def wanted(self, now: float, published: Published, capacity: int) -> int | None:
        window = self.rule.window(now)
        if window is None:
            return None
        consumed, throttled = (published.points(metric, *window) for metric in (Metric.CONSUMED, Metric.THROTTLED))
        return self.rule.check(consumed, throttled, capacity)


class Static:
    """Leaves the capacity as it began."""

    def wanted(self, now: float, published: Published, capacity: int) -> int | None:  # noqa: ARG002 - that is static
        return None


@dataclass(frozen=True, slots=True)
class PolicyName:
    """A policy as asked for. number: the N of target-tracking:N and static:N, 0 for the others."""

    text: str
    family: str
    number: int = 0

    def scaler(self, kind: Kind, bounds: Bounds, publication: float) -> Scaler:
        """The baseline of this name. publication: seconds until every point is out, late ones too."""
        if self.family == "target-tracking":
            return Tracking(TargetTracking(self.number, bounds.min, bounds.max), publication)
        if self.text in DYNAMIC_DYNAMODB:
            return Polling(DynamicDynamoDb(DYNAMIC_DYNAMODB[self.text], kind, bounds))
        return Static()


def parse_policy(text: str) -> PolicyName:
    """The policy of a name. Raises UsageError for a name that is none."""
    if text in (WATCHER, ON_DEMAND, *DYNAMIC_DYNAMODB):
        return PolicyName(text, text)
    match = re.fullmatch(r"(target-tracking|static):([0-9]{1,7})", text)
    if match is None:
        raise UsageError(f"there is no policy {text!r}", hint=f"give {NAMES}")
    family, number = match[1], int(match[2])
    if family == "target-tracking" and not 20 <= number <= 90:
        raise UsageError(f"target tracking has no target of {number} %", hint="give target-tracking:20 to :90")
    if family == "static" and number < 1:
        raise UsageError("a table cannot have 0 units", hint="give static:1 or more")
    return PolicyName(text, family, number)
