"""CloudWatch's side of Contributor Insights for DynamoDB: rules and their reports, on the wire.

Sources: API reference GetInsightRuleReport, DescribeInsightRules; "Contributor Insights for DynamoDB: How it works";
"Metric math" (INSIGHT_RULE_METRIC). What CloudWatch answers for a rule in an expression that does not exist is not
documented: here an empty series with a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Final

from watcher.replay.insights import Samplers
from watcher.replay.plant import Contributor
from watcher.sandbox.wire import ApiError, JsonObject

MOST_CONTRIBUTORS: Final = 25  # of DynamoDB's rules; CloudWatch's own allow 100
LONGEST_REPORT: Final = 86_400
RULES_PER_PAGE: Final = 500
# What an expression or a report may ask for; the others mean nothing for DynamoDB's rules and have no points.
MEANINGFUL: Final = ("MaxContributorValue", "Maximum")
STATISTICS: Final = (*MEANINGFUL, "UniqueContributors", "SampleCount", "Sum", "Minimum", "Average")
SCHEMA: Final = {"Name": "DynamoDBServiceRule", "Version": 1}

_EXPRESSION: Final = re.compile(
    r"""\s*INSIGHT_RULE_METRIC\(\s*(?P<q>["']?)(?P<rule>[^"',]+)(?P=q)\s*,\s*(?P<p>["']?)(?P<metric>\w+)(?P=p)\s*\)\s*"""
)


def rule_metric(expression: str) -> tuple[str, str] | None:
    """(rule, metric) of an INSIGHT_RULE_METRIC, or None for any other expression."""
    found = _EXPRESSION.fullmatch(expression)
    return (found["rule"].strip(), found["metric"]) if found else None


class Reports:
    """What CloudWatch tells of the rules of ``samplers``."""

    def __init__(self, samplers: Samplers) -> None:
        self._samplers = samplers

    def report(self, body: JsonObject) -> JsonObject:
        """GetInsightRuleReport; points as far as CloudWatch shows them by now."""
        found = self._samplers.rule(body["RuleName"])
        if found is None:
            raise ApiError("ResourceNotFoundException", f"Insight rule {body['RuleName']} does not exist.", status=404)
        place, rule = found
        start, end, period, count = _checked_window(body)
        seen = self._samplers.contributors(place, rule, start, end)
        by_maximum = body.get("OrderBy", "Sum") == "Maximum"
        ranked = [_Ranked(contributor, period, start, by_maximum=by_maximum) for contributor in seen]
        ranked.sort(key=lambda one: (-one.value, one.contributor.keys))
        return {
            "KeyLabels": ["PartitionKey", "SortKey"] if rule.is_of_items else ["PartitionKey"],
            "AggregationStatistic": "Maximum" if by_maximum else "Sum",
            "AggregateValue": sum(one.value for one in ranked),
            "ApproximateUniqueCount": len(ranked),
            "Contributors": [one.described() for one in ranked[:count]],
            "MetricDatapoints": list(_datapoints(ranked, body.get("Metrics", []))),
        }

    def describe(self, body: JsonObject) -> JsonObject:
        """DescribeInsightRules: every rule there is, page by page."""
        size, after = body.get("MaxResults") or RULES_PER_PAGE, body.get("NextToken", "")
        if not 1 <= size <= RULES_PER_PAGE:
            raise _invalid(f"The value {size} for parameter MaxResults is not between 1 and {RULES_PER_PAGE}.")
        names = [name for name in self._samplers.rules() if name > after]
        described: JsonObject = {"InsightRules": [_described(name) for name in names[:size]]}
        if len(names) > size:
            described["NextToken"] = names[size - 1]
        return described

    def peaks(self, name: str, metric: str, period: int, window: tuple[float, float]) -> Mapping[int, float] | None:
        """The points of INSIGHT_RULE_METRIC by start of period, or None where there is no such rule."""
        found = self._samplers.rule(name)
        if found is None:
            return None
        start = int(window[0] // period * period)
        seen = [
            _Ranked(one, period, start, by_maximum=True)
            for one in self._samplers.contributors(*found, start, window[1])
        ]
        return {point["Timestamp"]: point[metric] for point in _datapoints(seen, [metric])}


def _described(name: str) -> JsonObject:
    return {
        "Name": name,
        "State": "ENABLED",
        "Schema": json.dumps(SCHEMA),
        "Definition": json.dumps({"Schema": SCHEMA}),
        "ManagedRule": True,
    }


class _Ranked:
    """One contributor over the report's window, in steps of its period."""

    def __init__(self, contributor: Contributor, period: int, start: int, *, by_maximum: bool) -> None:
        self.contributor = contributor
        self.steps: dict[int, float] = {}
        for minute, value in contributor.minutes.items():
            step = start + (minute - start) // period * period
            self.steps[step] = self.steps.get(step, 0.0) + value
        values = self.steps.values()
        self.value = max(values, default=0.0) if by_maximum else sum(values)

    def described(self) -> JsonObject:
        return {
            "Keys": list(self.contributor.keys),
            "ApproximateAggregateValue": self.value,
            "Datapoints": [
                {"Timestamp": step, "ApproximateValue": value} for step, value in sorted(self.steps.items())
            ],
        }


def _checked_window(body: JsonObject) -> tuple[int, int, int, int]:
    """(start, end, period, contributors) of a report, or ApiError."""
    count, period = body.get("MaxContributorCount", 10), body["Period"]
    if not 1 <= count <= MOST_CONTRIBUTORS:
        raise _invalid(f"The value {count} for parameter MaxContributorCount is not between 1 and {MOST_CONTRIBUTORS}.")
    if period < 60 or period % 60:
        raise _invalid(f"The value {period} for parameter Period is not a multiple of 60.")
    start, end = int(body["StartTime"] // 60 * 60), ceil(body["EndTime"])
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    if end - start > LONGEST_REPORT:
        raise _invalid("The report must not cover more than 24 hours.")
    return start, end, period, count


def _datapoints(ranked: Sequence[_Ranked], metrics: Sequence[str]) -> Iterator[JsonObject]:
    """One point per step. Only two metrics mean anything for DynamoDB's rules; others stay out of the answer."""
    unknown = [name for name in metrics if name not in STATISTICS]
    if unknown:
        raise _invalid(f"The value {unknown[0]} for parameter Metrics is not one of {', '.join(STATISTICS)}.")
    wanted = [name for name in MEANINGFUL if name in metrics]
    if not wanted:
        return
    for step in sorted({step for one in ranked for step in one.steps}):
        largest = max(one.steps.get(step, 0.0) for one in ranked)
        yield {"Timestamp": step, **dict.fromkeys(wanted, largest)}


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message, shape="InvalidParameterValueException")
