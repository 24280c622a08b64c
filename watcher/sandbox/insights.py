"""Contributor Insights for DynamoDB: enabling, modes, rules and their quota, reports.

Sources: "Contributor Insights for DynamoDB: How it works", "CloudWatch service quotas", API reference
GetInsightRuleReport; the behaviour past the quota and the durations are measured, not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from watcher.replay.plant import Contributor
from watcher.sandbox.wire import ApiError, JsonObject
from watcher.sandbox.world import World

FULL: Final = "ACCESSED_AND_THROTTLED_KEYS"
THROTTLED: Final = "THROTTLED_KEYS"
RULES_QUOTA: Final = 100
SWITCHING_SECONDS: Final = 2.0
MOST_CONTRIBUTORS: Final = 25  # of DynamoDB's rules; CloudWatch's own allow 100
LONGEST_REPORT: Final = 86_400
# The plant knows partition keys only: in rules with a sort key, each partition has this one item.
ONLY_ITEM: Final = "0"

Place = tuple[str, str]
"""(table, index); index "" for the table itself."""


@dataclass(slots=True)
class Sampler:
    """Insights of one table or index. rules: names by letter code, kept while enabled. settled: the status after
    ``until``."""

    mode: str
    status: str
    settled: str
    until: float
    updated: float
    rules: dict[str, str]

    def settle(self, now: float) -> None:
        if now >= self.until:
            self.status = self.settled


class Insights:
    """All samplers of the account. structure: of a table as DescribeTable has it (keys, indexes), or None."""

    def __init__(self, world: World, structure: Callable[[str], JsonObject | None]) -> None:
        self._world = world
        self._structure = structure
        self._samplers: dict[Place, Sampler] = {}

    def update(self, place: Place, *, enable: bool, mode: str) -> Sampler:
        """ENABLE or DISABLE. Enabling what is enabled in the same mode changes nothing."""
        now = self._world.now
        sampler = self.sampler(place)
        if not enable:
            if sampler.status in ("DISABLED", "DISABLING"):
                return sampler
            return self._put(place, Sampler(sampler.mode, "DISABLING", "DISABLED", now + SWITCHING_SECONDS, now, {}))
        if sampler.status in ("ENABLING", "ENABLED") and sampler.mode == mode:
            return sampler
        rules = self._rules(place, mode, sampler.rules, now)
        used = sum(len(other.rules) for where, other in self._samplers.items() if where != place)
        # Past the quota the call is accepted all the same, and fails on its own soon after.
        fits = used + len(rules) <= RULES_QUOTA
        settled = "ENABLED" if fits else "FAILED"
        wait = now + SWITCHING_SECONDS
        return self._put(place, Sampler(mode, "ENABLING", settled, wait, now, rules if fits else {}))

    def sampler(self, place: Place) -> Sampler:
        """The place's sampler as of now; a DISABLED one where there never was any."""
        sampler = self._samplers.get(place)
        if sampler is None:
            return Sampler(FULL, "DISABLED", "DISABLED", 0.0, 0.0, {})
        sampler.settle(self._world.now)
        return sampler

    def places(self) -> list[Place]:
        """All places with a sampler that is not DISABLED, in order."""
        return [place for place in sorted(self._samplers) if self.sampler(place).status != "DISABLED"]

    def forget(self, table: str) -> None:
        """The table is deleted, and its rules with it."""
        for place in [place for place in self._samplers if place[0] == table]:
            del self._samplers[place]

    def report(self, body: JsonObject) -> JsonObject:
        """GetInsightRuleReport of one of DynamoDB's rules; points as far as CloudWatch shows them by now."""
        place, code = self._rule(body["RuleName"])
        start, end, period, count = _checked_window(body)
        found = self._world.plant.contributors(*place, throttled=code.endswith("T"), start=start, end=end)
        by_maximum = body.get("OrderBy", "Sum") == "Maximum"
        ranked = [_Ranked(contributor, period, start, by_maximum=by_maximum) for contributor in found]
        ranked.sort(key=lambda one: (-one.value, one.contributor.key))
        with_sort_key = code.startswith("SK")
        result: JsonObject = {
            "KeyLabels": ["PartitionKey", "SortKey"] if with_sort_key else ["PartitionKey"],
            "AggregationStatistic": "Maximum" if by_maximum else "Sum",
            "AggregateValue": sum(one.value for one in ranked),
            "ApproximateUniqueCount": len(ranked),
            "Contributors": [one.described(with_sort_key=with_sort_key) for one in ranked[:count]],
            "MetricDatapoints": list(_datapoints(ranked, body.get("Metrics", []))),
        }
        return result

    def _put(self, place: Place, sampler: Sampler) -> Sampler:
        self._samplers[place] = sampler
        return sampler

    def _rules(self, place: Place, mode: str, kept: Mapping[str, str], now: float) -> dict[str, str]:
        codes = ["PKT", "SKT"] if mode == THROTTLED else ["PKC", "SKC", "PKT", "SKT"]
        if not self._has_sort_key(place):
            codes = [code for code in codes if code.startswith("PK")]
        # The name of an index's rule joins table and index by a dash and cannot be parsed back.
        resource = "-".join(part for part in place if part)
        stamp = round(now * 1000)
        return {code: kept.get(code) or f"DynamoDBContributorInsights-{code}-{resource}-{stamp}" for code in codes}

    def _has_sort_key(self, place: Place) -> bool:
        table, index = place
        structure = self._structure(table) or {}
        schemas = {part["IndexName"]: part["KeySchema"] for part in structure.get("GlobalSecondaryIndexes", [])}
        return len(schemas[index] if index else structure["KeySchema"]) > 1

    def _rule(self, name: str) -> tuple[Place, str]:
        for place in self.places():
            sampler = self._samplers[place]
            for code, rule in sampler.rules.items():
                if rule == name and sampler.status == "ENABLED":
                    return place, code
        raise ApiError("ResourceNotFoundException", f"Insight rule {name} does not exist.", status=404)


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

    def described(self, *, with_sort_key: bool) -> JsonObject:
        return {
            "Keys": [self.contributor.key, ONLY_ITEM] if with_sort_key else [self.contributor.key],
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
    wanted = [name for name in ("MaxContributorValue", "Maximum") if name in metrics]
    if not wanted:
        return
    for step in sorted({step for one in ranked for step in one.steps}):
        largest = max(one.steps.get(step, 0.0) for one in ranked)
        yield {"Timestamp": step, **dict.fromkeys(wanted, largest)}


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message, shape="InvalidParameterValueException")
