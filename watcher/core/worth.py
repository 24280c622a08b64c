"""Whether provisioned capacity is worth its price for a table, against on-demand billing.

Over the last days (what was spent, used and lost fades with half of two days), for the table as a whole with its
indexes: what was provisioned, plus ten times the on-demand price for each unit throttled, against what the same units
would have cost on demand. Only ever said, never acted on: the billing mode is the owner's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import fsum

from watcher.core.learned import Learned
from watcher.core.learning import FADE
from watcher.core.model import TABLE_WRITE, Billing, Decision, Dimension, TableDescription
from watcher.core.policy import TablePolicy
from watcher.core.prices import ON_DEMAND_PRICE, PENALTY, PROVISIONED_PRICE, dollars
from watcher.core.reasons import Reason
from watcher.core.state import TableState
from watcher.core.words import DAY, rate

DAY_MINUTES = 1440
HOUR = 3600.0
# What a day of minutes has faded to by its end.
LEAST_BOOKED = (1.0 - FADE**DAY_MINUTES) / (1.0 - FADE)
LEAST_USED = 0.1  # units per second over all dimensions; less is no use to judge by
# A launch throttles and idles before its capacity is right. What lasts a day is the traffic's way.
DEARER_FOR = DAY
BACK_UNDER = 0.85  # of the on-demand price before it falls silent again


@dataclass(frozen=True, slots=True)
class Worth:
    """Dollars a day, over the days that count. provisioned: for capacity. penalty: for what was throttled. on_demand:
    for what was asked for. used: units consumed a second. known: whether a day of it has been lived with."""

    provisioned: float
    penalty: float
    on_demand: float
    used: float
    known: bool

    @property
    def total(self) -> float:
        return self.provisioned + self.penalty


def worth(learned: Mapping[Dimension, Learned]) -> Worth | None:
    """The comparison for a table's dimensions; None while there is nothing to compare."""
    booked = max((one.booked for one in learned.values()), default=0.0)
    if not booked:
        return None
    days = booked / DAY_MINUTES
    return Worth(
        provisioned=fsum(one.spent / HOUR * PROVISIONED_PRICE[d.kind] for d, one in learned.items()) / days,
        penalty=fsum(PENALTY * one.lost * ON_DEMAND_PRICE[d.kind] for d, one in learned.items()) / days,
        on_demand=fsum((one.used + one.lost) * ON_DEMAND_PRICE[d.kind] for d, one in learned.items()) / days,
        used=fsum(one.used for one in learned.values()) / (days * DAY),
        known=booked >= LEAST_BOOKED,
    )


@dataclass(frozen=True, slots=True)
class Advice:
    """state: with the advice kept up. sentence: while it is given, else "". news: what belongs into history."""

    state: TableState
    sentence: str = ""
    news: tuple[Decision, ...] = ()


def advise(now: float, policy: TablePolicy, description: TableDescription, state: TableState) -> Advice:
    """Follow the comparison: on-demand is advised once it has been cheaper for a day on end, and no longer when
    provisioned capacity costs clearly less. A table that is on demand is told nothing."""
    if description.billing is Billing.ON_DEMAND:
        return Advice(_with(state, None, None))
    seen = worth({dimension: known.learned for dimension, known in state.dimensions.items()})
    advised = state.on_demand_since is not None
    if seen is None or (advised and not seen.known):
        return Advice(state)  # what was known is lost, and will be known again
    if seen.used < LEAST_USED or seen.total <= seen.on_demand * (BACK_UNDER if advised else 1.0):
        news = (_decision(now, policy, description, Reason.ADVISE_PROVISIONED, seen),) if advised else ()
        return Advice(_with(state, None, None), news=news)
    dearer_since = now if state.dearer_since is None else state.dearer_since
    if not advised and not (seen.known and now - dearer_since >= DEARER_FOR):
        return Advice(_with(state, dearer_since, None))
    news = () if advised else (_decision(now, policy, description, Reason.ADVISE_ON_DEMAND, seen),)
    since = state.on_demand_since if advised else now
    return Advice(_with(state, dearer_since, since), _for_on_demand(seen), news)


def _with(state: TableState, dearer_since: float | None, on_demand_since: float | None) -> TableState:
    if (state.dearer_since, state.on_demand_since) == (dearer_since, on_demand_since):
        return state
    return replace(state, dearer_since=dearer_since, on_demand_since=on_demand_since)


def _decision(now: float, policy: TablePolicy, description: TableDescription, reason: Reason, seen: Worth) -> Decision:
    on_demand = reason is Reason.ADVISE_ON_DEMAND
    return Decision(
        time=now,
        table=description.key,
        dimension=TABLE_WRITE,
        before=0,
        after=0,
        reason=reason,
        sentence=_for_on_demand(seen) if on_demand else _for_provisioned(seen),
        mode=policy.mode,
        evidence={
            "provisioned_usd_a_day": round(seen.provisioned, 6),
            "throttled_usd_a_day": round(seen.penalty, 6),
            "on_demand_usd_a_day": round(seen.on_demand, 6),
        },
    )


def _for_on_demand(seen: Worth) -> str:
    return (
        f"on demand would cost {dollars(seen.on_demand)} a day instead of {dollars(seen.total)}{_penalty(seen)}: "
        "this traffic is too bursty for provisioned capacity"
    )


def _for_provisioned(seen: Worth) -> str:
    if seen.used < LEAST_USED:
        return f"it uses less than {rate(LEAST_USED)} now, too little to judge by: on-demand is advised no longer"
    return (
        f"provisioned capacity costs {dollars(seen.total)} a day{_penalty(seen)}, on demand would cost "
        f"{dollars(seen.on_demand)}: on-demand is advised no longer"
    )


def _penalty(seen: Worth) -> str:
    if seen.penalty < 0.01 * seen.total:
        return ""
    return (
        f" ({dollars(seen.provisioned)} for capacity and {dollars(seen.penalty)} for throttled units at "
        f"{PENALTY:.0f} times the on-demand price)"
    )
