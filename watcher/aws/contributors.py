"""Who the contributors of Contributor Insights rules are: GetInsightRuleReport, rule by rule.

Key values are other people's data. They leave this module only under a cloak.
See AWS docs: Contributor Insights for DynamoDB, how it works (more than 25 contributors are refused; of the metrics
only the maxima mean anything); GetInsightRuleReport; CloudWatch service quotas (20 reports a second).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.cloak import KeyCloak
from watcher.aws.metric_data import ABSURD
from watcher.aws.pace import Pacer
from watcher.aws.permissions import GET_INSIGHT_REPORT
from watcher.clock import utc
from watcher.core.hot_keys.shape import shape_of
from watcher.core.insights import KeyTrace, Place
from watcher.core.series import MINUTE
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

Contributor = tuple[tuple[str, ...], Mapping[int, float]]  # keys, points by minute

CONTRIBUTORS = 25
LONGEST_WINDOW = 24 * 3600

# Calls a second, of reports, of INSIGHT_RULE_METRIC and of DescribeInsightRules. The quota of each is 20, for the whole
# account.
RULES_RATE = 18.0

# What a rule ranks, by the code in its name; the order in which they are asked for. Rules are recognised by these and
# never built: for an index the rest of the name is ambiguous.
KINDS: Mapping[str, str] = {
    "PKT": "throttled keys",
    "PKC": "accessed keys",
    "SKT": "throttled items",
    "SKC": "accessed items",
}


def kind_of(rule: str) -> str:
    """The code of :data:`KINDS`, "" for a rule that is none of DynamoDB's."""
    return next((code for code in KINDS if rule.startswith(f"DynamoDBContributorInsights-{code}-")), "")


def subject_of(place: Place) -> str:
    """A place in an error's sentence."""
    return f"index {place.index} of table {place.table}" if place.index else f"table {place.table}"


def whereabouts(place: Place) -> dict[str, Any]:
    """A place in a request of Contributor Insights."""
    return {"TableName": place.table} | ({"IndexName": place.index} if place.index else {})


def clipped(start: float, end: float) -> tuple[int, float]:
    """The newest 24 hours of [start, end) at most, from a whole minute on."""
    return max(int(start // MINUTE), math.ceil((end - LONGEST_WINDOW) / MINUTE)) * MINUTE, end


@dataclass
class Found:
    """Traces by kind. gaps: why something could not be read, by kind. denied: AWS's words by the operation that it
    denied."""

    traces: dict[str, tuple[KeyTrace, ...]] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[KeyTrace, ...]:
        return self.traces.get(kind, ())

    def note(self) -> str:
        """One sentence on all gaps, "" without any."""
        kinds: dict[str, list[str]] = {}
        for kind, why in self.gaps.items():
            kinds.setdefault(why, []).append(KINDS[kind])
        return "; ".join(f"{' and '.join(names)} {why}" for why, names in kinds.items())


class ReportReader:
    """Reads reports of one Region. requested: told of each report, which is billed like a metric."""

    def __init__(self, cloudwatch: CloudWatchClient, *, requested: Callable[[int], None], pacer: Pacer) -> None:
        self._cloudwatch = cloudwatch
        self._requested = requested
        self._pacer = pacer

    def read(self, place: Place, rules: Sequence[str], start: int, end: float, cloak: KeyCloak) -> Found:
        """The contributors of each rule in [start, end), at most a day. Never raises AwsError. An AWS that does not
        answer one report is not asked for the rest."""
        found = Found()
        ordered = sorted(filter(kind_of, rules), key=lambda rule: list(KINDS).index(kind_of(rule)))
        for position, rule in enumerate(ordered):
            kind = kind_of(rule)
            try:
                contributors = self._contributors(place, rule, start, end)
            except AwsNotFound:
                found.gaps[kind] = "were switched off meanwhile"
            except AwsUnavailable as error:
                found.gaps |= {kind_of(silent): f"could not be read: {error}" for silent in ordered[position:]}
                break
            except AwsError as error:
                found.gaps[kind] = f"could not be read: {error}"
                if isinstance(error, AwsDenied):
                    found.denied[error.operation] = str(error)
            else:
                traces = [_trace(keys, points, cloak) for keys, points in contributors if keys and points]
                found.traces[kind] = tuple(sorted(traces, key=_rank))
        return found

    def _contributors(self, place: Place, rule: str, start: int, end: float) -> list[Contributor]:
        self._pacer.turn()
        self._requested(1)
        with aws_call(GET_INSIGHT_REPORT, subject_of(place)):
            report = self._cloudwatch.get_insight_rule_report(
                RuleName=rule,
                StartTime=utc(start),
                EndTime=utc(end),
                Period=MINUTE,
                MaxContributorCount=CONTRIBUTORS,
                Metrics=["MaxContributorValue", "Maximum"],
                OrderBy="Maximum",
            )
            return [
                (tuple(map(str, one["Keys"])), dict(_points(one["Datapoints"], start, end)))
                for one in report["Contributors"]
            ]


def _points(datapoints: Iterable[Mapping[str, Any]], start: int, end: float) -> Iterator[tuple[int, float]]:
    """By minute, and only what can be true of one."""
    for point in datapoints:
        minute = int(point["Timestamp"].timestamp() // MINUTE) * MINUTE
        value = point["ApproximateValue"]
        if start <= minute < end and isinstance(value, int | float) and 0 <= value <= ABSURD:  # NaN fails this, too
            yield minute, float(value)


def _trace(keys: tuple[str, ...], points: Mapping[int, float], cloak: KeyCloak) -> KeyTrace:
    return KeyTrace(
        label=cloak(keys),
        identity=cloak.identity(keys),
        partition=cloak.identity(keys[:1]),
        points=points,
        shape=shape_of(keys[-1]),
    )


def _rank(trace: KeyTrace) -> tuple[float, float, str, str]:
    """Busiest minute first; the rest only makes the order certain."""
    return -trace.busiest, -trace.total, trace.label, trace.identity
