"""Which operating point a table with a goal stands at: chosen by what its own past would have been at each.

The goal is a throttled fraction. A table moves at most one point a night, to a cheaper one only where that keeps clear
of the goal, so that one week's luck does not send it back and forth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core.model import TABLE_WRITE, Choice, Decision
from watcher.core.policy import POINTS, TablePolicy
from watcher.core.prices import dollars
from watcher.core.reasons import Reason
from watcher.core.state import TableState
from watcher.core.words import count

ORDER = tuple(POINTS)
CLEAR_OF_GOAL = 0.7  # a cheaper point must have kept to this part of the goal
CLEARLY_CHEAPER = 0.98  # and cost at most this part
CLEARLY_BETTER = 0.9  # where no point meets the goal, another must have throttled at most this part


@dataclass(frozen=True, slots=True)
class Trial:
    """What one operating point would have given. throttled: fraction of the units demanded. cost: dollars a day."""

    point: str
    throttled: float
    cost: float


def candidates(current: str) -> tuple[str, ...]:
    """The points that one night may lead to, cheapest first: the current one and its neighbours."""
    place = ORDER.index(current)
    return ORDER[max(0, place - 1) : place + 2]


def choose(goal: float, current: str, trials: Mapping[str, Trial]) -> str:
    """The point from now on.

    The cheapest whose throttled fraction meets the goal, else the one that throttles least; the current one unless
    another is clearly better. trials: of each of ``candidates(current)``.
    """
    here = trials[current]
    others = [trials[point] for point in candidates(current) if point != current]
    if here.throttled <= goal:
        better = [
            one for one in others if one.throttled <= CLEAR_OF_GOAL * goal and one.cost <= CLEARLY_CHEAPER * here.cost
        ]
        return min(better, key=lambda one: one.cost).point if better else current
    meeting = [one for one in others if one.throttled <= goal]
    if meeting:
        return min(meeting, key=lambda one: one.cost).point
    least = min(others, key=lambda one: (one.throttled, one.cost))
    return least.point if least.throttled <= CLEARLY_BETTER * here.throttled else current


def story(goal: float, current: str, chosen: str, trials: Mapping[str, Trial], days: float) -> str:
    """``replayed 7 days: lean would have throttled 3.1e-4 at $4.10 a day, careful 0.6e-4 at $4.38; goal 1e-4: careful
    instead of lean``."""
    first, *rest = (trials[point] for point in candidates(current))
    told = [f"{first.point} would have throttled {fraction(first.throttled)} at {dollars(first.cost)} a day"]
    told += [f"{one.point} {fraction(one.throttled)} at {dollars(one.cost)}" for one in rest]
    verdict = f"{chosen} instead of {current}" if chosen != current else f"{current} stays"
    if all(one.throttled > goal for one in trials.values()):
        verdict = f"none meets it, {verdict}"
    return f"replayed {count(days, 'day')}: {', '.join(told)}; goal {fraction(goal)}: {verdict}"


def fraction(share: float) -> str:
    """``3.1e-4``; ``1e-4``; ``nothing`` for 0."""
    if share <= 0.0:
        return "nothing"
    mantissa, exponent = f"{share:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def evidence(goal: float, trials: Mapping[str, Trial], days: float) -> dict[str, float]:
    """The story's numbers by name."""
    facts = {"goal": goal, "days": days}
    for point, trial in trials.items():
        facts[f"{point}_throttled"] = trial.throttled
        facts[f"{point}_usd_a_day"] = round(trial.cost, 6)
    return facts


def taken_up(
    now: float, policy: TablePolicy, state: TableState, choice: Choice | None
) -> tuple[TableState, Sequence[Decision]]:
    """The state with a new choice in force, and what belongs into history of it.

    A choice for another goal than today's is of a config that is gone: it counts as nothing.
    """
    if choice is None or policy.goal != choice.goal:
        return state, ()
    state = replace(state, point=choice.point, point_goal=choice.goal, point_at=now)
    if not choice.sentence:
        return state, ()
    decision = Decision(
        time=now,
        table=choice.table,
        dimension=TABLE_WRITE,
        before=0,
        after=0,
        reason=Reason.CHOOSE_POINT,
        sentence=choice.sentence,
        mode=policy.mode,
        evidence=choice.evidence,
    )
    return state, (decision,)
