"""What sampling takes: rules of the Region's quota, and dollars. And the limits that both are held to.

Sources: "Contributor Insights for DynamoDB: How it works" (rules by mode, events), Amazon CloudWatch pricing.
"""

from __future__ import annotations

from dataclasses import dataclass

from watcher.core.insights import SamplerMode
from watcher.core.prices import INSIGHT_EVENT_PRICE, INSIGHT_RULE_PRICE

MINUTES_A_MONTH = 43_800.0  # 730 hours


@dataclass(frozen=True, slots=True)
class SamplingLimits:
    """rules: the quota of Contributor Insights rules per Region and account. full_seconds: how long full mode may be on
    for one incident. usd_per_day: what full mode may cost a Region in one UTC day, estimated. switches: how many
    places are switched in one cycle at most."""

    rules: int = 100
    full_seconds: float = 900.0
    usd_per_day: float = 5.0
    switches: int = 10


def mode_rules(mode: SamplerMode, has_sort: bool) -> int:  # noqa: FBT001  # a fact of the key, not a switch
    """Rules that a place takes of the quota: one per mode's kind of key, twice that with a sort key."""
    kinds = {SamplerMode.OFF: 0, SamplerMode.THROTTLED: 1, SamplerMode.FULL: 2}[mode]
    return kinds * (2 if has_sort else 1)


def billed_events(requests: float, has_sort: bool) -> float:  # noqa: FBT001  # a fact of the key, not a switch
    """Events that full mode bills for requests: with a sort key, every access is told twice."""
    return requests * (2 if has_sort else 1)


def event_dollars(events: float) -> float:
    """What so many events cost."""
    return events * INSIGHT_EVENT_PRICE


def monthly_dollars(rules: float, events: float) -> float:
    """What Contributor Insights costs in a month. rules: in use all month. events: billed in that month."""
    return rules * INSIGHT_RULE_PRICE + event_dollars(events)


def window_dollars(events: float, seconds: float) -> float:
    """What full mode costs for a while, beside its rules. events: billed a minute."""
    return event_dollars(events * seconds / 60)
