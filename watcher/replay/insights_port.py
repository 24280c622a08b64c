"""The Insights port over the plant, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from watcher.clock import Clock
from watcher.core.hot_keys.shape import shape_of
from watcher.core.insights import KeySample, KeyTrace, Place, Sampler, SamplerMode, Survey
from watcher.core.model import Answer
from watcher.errors import AwsNotFound
from watcher.replay.insights import Rule, Samplers
from watcher.replay.plant import Contributor, Plant
from watcher.replay.spec import PlantRefusal

LISTED: Final = 100  # places to a page of ListContributorInsights, sampled or not
RULES_LISTED: Final = 500  # rules to a page of DescribeInsightRules
SEPARATOR: Final = "\x1f"
FIELDS: Final[Mapping[str, str]] = {
    "PKT": "throttled",
    "SKT": "throttled_items",
    "PKC": "accessed",
    "SKC": "accessed_items",
}

Cloak = Callable[[tuple[str, ...]], str]
"""Turns a key, its partition and perhaps its sort part, into what may be shown of it."""


def plainly(keys: tuple[str, ...]) -> str:
    """In a simulated world key values are nobody's."""
    return "key:" + " | ".join(keys)


class PlantInsights:
    """The Insights port over a plant. Every call first brings the plant to the clock's time.

    samplers: Contributor Insights of the Region. asked: AWS calls by operation that the same questions would have
    taken; INSIGHT_RULE_METRIC by expression, as GetMetricData bills them.
    """

    def __init__(self, plant: Plant, clock: Clock, samplers: Samplers, cloak: Cloak) -> None:
        self.samplers = samplers
        self.asked: Counter[str] = Counter()
        self._plant = plant
        self._clock = clock
        self._cloak = cloak

    def survey(self, now: float) -> Survey:
        self._advance()
        rules = len(self.samplers.rules())
        self.asked["ListContributorInsights"] += _pages(len(self.samplers.everywhere()), LISTED)
        self.asked["DescribeInsightRules"] += _pages(rules, RULES_LISTED)
        seen = {place: replace(sampler, rules=()) for place, sampler in self.samplers.survey().items()}
        return Survey(now, seen, rules)

    def describe(self, place: Place) -> Sampler:
        self._advance()
        self.asked["DescribeContributorInsights"] += 1
        try:
            return self.samplers.sampler(place)
        except PlantRefusal as refusal:
            raise AwsNotFound(
                refusal.message, code=refusal.code, operation="DescribeContributorInsights", subject=str(place)
            ) from None

    def switch(self, place: Place, mode: SamplerMode) -> None:
        """What the hand does, once it has looked. Raises PlantRefusal."""
        self.asked["UpdateContributorInsights"] += 1
        if mode is SamplerMode.OFF:
            self.samplers.disable(place)
        else:
            self.samplers.enable(place, mode)

    def peaks(self, rules: Sequence[str], start: float, end: float) -> Mapping[str, Answer]:
        self._advance()
        self.asked["INSIGHT_RULE_METRIC"] += len(rules)
        return {name: self._peaks(name, start, end) for name in rules}

    def sample(self, place: Place, sampler: Sampler, rules: Sequence[str], start: float, end: float) -> KeySample:
        """See the port. A rule that has vanished makes the sample incomplete."""
        self._advance()
        if not sampler.is_reading:
            note = f"Contributor Insights is {sampler.status}"
            return KeySample(start, end, since=sampler.updated, note=note)
        found: dict[str, Any] = {}  # fields of the sample
        gone = []
        for name in (name for name in sampler.rules if name in rules):
            self.asked["GetInsightRuleReport"] += 1
            rule = self.samplers.rule(name)
            if rule is None or rule[0] != place:
                gone.append(name)
            else:
                found[FIELDS[rule[1].code]] = self._traces(*rule, start, end)
        return KeySample(
            start,
            end,
            sampler.mode,
            **found,
            since=sampler.updated,
            complete=not gone,
            note=f"the rule {gone[0]} has vanished" if gone else "",
        )

    def _peaks(self, name: str, start: float, end: float) -> Answer:
        rule = self.samplers.rule(name)
        if rule is None:
            return Answer(complete=False)
        return Answer(largest(self.samplers.contributors(*rule, start, end)))

    def _traces(self, place: Place, rule: Rule, start: float, end: float) -> tuple[KeyTrace, ...]:
        return tuple(
            KeyTrace(self._cloak(one.keys), SEPARATOR.join(one.keys), one.keys[0], one.minutes, shape_of(one.keys[-1]))
            for one in self.samplers.contributors(place, rule, start, end)
        )

    def _advance(self) -> None:
        self._plant.advance(self._clock.now())


def largest(contributors: Sequence[Contributor]) -> dict[int, float]:
    """The largest contributor's value of each minute with any."""
    points: dict[int, float] = {}
    for one in contributors:
        for minute, value in one.minutes.items():
            points[minute] = max(value, points.get(minute, 0.0))
    return dict(sorted(points.items()))


def _pages(count: int, size: int) -> int:
    return max(1, -(-count // size))
