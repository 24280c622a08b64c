"""A small world for the laws: demand, AWS's answers, another hand, and the watcher's own cycle around ``step``.

Deliberately not the plant of replay and none of the core's arithmetic: the budget, for one, is counted here anew, from
what AWS documents. Time moves minute by minute; CloudWatch shows a minute one minute after its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.core.builders import BOUNDS, INDEX, KEY, METRIC_OF, MIDNIGHT, policy, settled_with
from watcher.core.model import (
    TABLE_WRITE,
    Action,
    Answer,
    Billing,
    Change,
    Dimension,
    Kind,
    Lever,
    Metric,
    Query,
    ScalableTarget,
    Status,
    TableDescription,
    TableObservation,
    Throughput,
)
from watcher.core.policy import OBJECTIVES, AutoScaling, Bounds, Objective, TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome
from watcher.core.result import StepResult
from watcher.core.state import TableState
from watcher.core.step import step

WINDOW = 10  # minutes read back each cycle
HISTORY = 60  # minutes that are there to be read back by the first one: enough for a decrease


@dataclass(frozen=True, slots=True)
class Beat:
    """What happens in one minute. demand: units/s by dimension. hot: events of a key range. lost: dimensions whose
    newest points are not published; late: their newest point comes a minute later. garbled: incomplete answers.
    burst: all that is asked for is served, by a bucket that is never empty.
    refuse: what AWS answers to an action instead of accepting it."""

    demand: Mapping[Dimension, float] = field(default_factory=dict)
    hot: Mapping[Dimension, float] = field(default_factory=dict)
    unnamed: bool = False
    burst: bool = False
    silence: bool = False
    lost: frozenset[Dimension] = frozenset()
    late: frozenset[Dimension] = frozenset()
    garbled: frozenset[tuple[Dimension, Metric]] = frozenset()
    updating: bool = False
    foreign: Mapping[Dimension, int] = field(default_factory=dict)
    index: bool | None = None
    billing: Billing | None = None
    replicas: tuple[str, ...] | None = None
    scaling: Mapping[Dimension, ScalableTarget] | None = None
    scaling_unread: bool = False
    refuse: Outcome | None = None
    skipped_minutes: int = 0


@dataclass(slots=True)
class Ledger:
    """AWS's own count of one part's decreases: four a UTC day, then one an hour after the last."""

    day: float = 0.0
    count: int = 0
    last: float | None = None

    def would_refuse(self, at: float) -> bool:
        today = at // 86_400
        count = self.count if today == self.day else 0
        return count >= 4 and self.last is not None and at - self.last < 3600

    def spend(self, at: float) -> None:
        today = at // 86_400
        self.count = self.count + 1 if today == self.day else 1
        self.day, self.last = today, at


@dataclass(frozen=True, slots=True)
class Told:
    """One cycle: what was seen and what came of it. said: the minutes CloudWatch has ever given a consumption for."""

    now: float
    policy: TablePolicy
    before: TableState
    observation: TableObservation
    result: StepResult
    said: Mapping[Dimension, frozenset[int]] = field(default_factory=dict)


class World:
    """One table. Collects every cycle in ``told`` and everything AWS would have refused in ``refused``."""

    def __init__(self, policy: TablePolicy, start: float = MIDNIGHT + 22 * 3600) -> None:
        self.policy = policy
        self.now = start
        self.state = TableState()
        self.units: dict[Dimension, int] = {Dimension("", kind): 100 for kind in Kind}
        self.billing = Billing.PROVISIONED
        self.replicas: tuple[str, ...] = ()
        self.scaling: dict[Dimension, ScalableTarget] = {}
        self.truth: dict[tuple[Metric, Dimension], dict[int, float]] = {}
        self.ledgers: dict[str, Ledger] = {"": Ledger(), INDEX: Ledger()}
        self.told: list[Told] = []
        self.refused: list[Action] = []
        self.unanswered: tuple[Action, float] | None = None
        for minute in range(1, HISTORY + 1):
            for dimension in self.units:
                self._publish(Metric.CONSUMED, dimension, int(start) - 60 * minute, 30.0 * 60)

    def live(self, beat: Beat) -> None:
        """One minute of traffic, then one cycle."""
        for _ in range(1 + beat.skipped_minutes):
            self._minute(beat)
            self.now += 60
        self._events(beat)
        if self.unanswered is not None and self.now - self.unanswered[1] > 60:
            # The cycle's reconciliation: DescribeTable does not show it, so it never happened.
            self.state = settled_with(self.state, self.unanswered[0], Outcome.SUPERSEDED, self.now)
            self.unanswered = None
        observation = self.observation(beat)
        before = self.state
        result = step(self.now, self.policy, before, observation)
        self.told.append(Told(self.now, self.policy, before, observation, result, self._said(observation)))
        self.state = result.state
        for action in result.actions:
            self._carry_out(action, beat)

    def _minute(self, beat: Beat) -> None:
        start = int(self.now)
        starved = 0.0
        for dimension, units in sorted(self.units.items(), reverse=True):  # indexes before the table they hold back
            demand = beat.demand.get(dimension, 30.0)
            on_demand = self.billing is Billing.ON_DEMAND
            served = demand if on_demand or beat.burst else min(demand, float(units))
            self._publish(Metric.CONSUMED, dimension, start, served * 60)
            over = 0.0 if on_demand else (demand - served) * 60
            hot = beat.hot.get(dimension, 0.0)
            starved += over if dimension.index and dimension.kind is Kind.WRITE else 0.0
            held_back = starved if dimension == TABLE_WRITE else 0.0
            if over + hot + held_back:
                self._publish(Metric.THROTTLED, dimension, start, over + hot + held_back)
            for cause, events in ((Cause.PROVISIONED, over), (Cause.KEY_RANGE, hot)):
                if events and not beat.unnamed:
                    self._publish(METRIC_OF[cause], dimension, start, events)

    def _publish(self, metric: Metric, dimension: Dimension, minute: int, value: float) -> None:
        self.truth.setdefault((metric, dimension), {})[minute] = value

    def _events(self, beat: Beat) -> None:
        self.billing = beat.billing or self.billing
        self.replicas = self.replicas if beat.replicas is None else beat.replicas
        if beat.scaling is not None:
            self.scaling = dict(beat.scaling)
        if beat.index is not None:
            for kind in Kind:
                self.units.pop(Dimension(INDEX, kind), None)
                if beat.index:
                    self.units[Dimension(INDEX, kind)] = 50
        for dimension, units in beat.foreign.items():
            if dimension not in self.units:
                continue
            if units < self.units[dimension]:
                if self.ledgers[dimension.index].would_refuse(self.now):
                    continue  # AWS refuses them as it refuses us
                self.ledgers[dimension.index].spend(self.now)
            self.units[dimension] = units

    def description(self, *, updating: bool = False) -> TableDescription:
        parts = {}
        for index in sorted({dimension.index for dimension in self.units}):
            ledger = self.ledgers[index]
            on_demand = self.billing is Billing.ON_DEMAND
            parts[index] = Throughput(
                units={kind: 0 if on_demand else self.units[Dimension(index, kind)] for kind in Kind},
                status=Status.UPDATING if updating and not index else Status.ACTIVE,
                decreases_today=ledger.count,
                last_decrease=ledger.last,
            )
        return TableDescription(KEY, self.billing, parts, self.replicas)

    def observation(self, beat: Beat) -> TableObservation:
        description = self.description(updating=beat.updating)
        visible = int(self.now) - 60
        window = WINDOW if self.told else HISTORY
        answers: dict[Query, Answer] = {}
        for dimension in description.dimensions():
            for metric in (Metric.CONSUMED, Metric.THROTTLED, *METRIC_OF.values()):
                known = self.truth.get((metric, dimension), {})
                end = visible - (60 * 8 if beat.silence or dimension in beat.lost else 0)
                end -= 60 if dimension in beat.late else 0
                points = {m: value for m, value in known.items() if visible - 60 * window <= m < end}
                answers[Query(KEY.name, metric, dimension)] = Answer(points, (dimension, metric) not in beat.garbled)
        scaling = None if beat.scaling_unread else dict(self.scaling)
        return TableObservation(description, self.now, answers, scaling)

    def _said(self, observation: TableObservation) -> dict[Dimension, frozenset[int]]:
        said = dict(self.told[-1].said) if self.told else {}
        for query, answer in observation.answers.items():
            if query.metric is Metric.CONSUMED and query.dimension is not None:
                said[query.dimension] = said.get(query.dimension, frozenset()) | frozenset(answer.points)
        return said

    def _carry_out(self, action: Action, beat: Beat) -> None:
        at = self.now + 2
        self.state = replace(self.state, pending="i")
        if action.mode is not Mode.ACT:
            outcome = Outcome.ADVISED
        elif beat.refuse is not None:
            outcome = beat.refuse
            self.unanswered = (action, self.now) if outcome is Outcome.UNKNOWN else None
        elif action.lever is Lever.FLOOR:
            (change,) = action.changes
            self.scaling[change.dimension] = replace(self.scaling[change.dimension], min=change.after)
            self.units[change.dimension] = max(self.units[change.dimension], change.after)
            outcome = Outcome.APPLIED
        else:
            outcome = self._update(action, at)
        self.state = settled_with(self.state, action, outcome, at)

    def _update(self, action: Action, at: float) -> Outcome:
        lowered = {change.dimension.index for change in action.changes if change.is_decrease}
        if any(self.ledgers[index].would_refuse(at) for index in lowered):
            self.refused.append(action)
            return Outcome.BUDGET
        for index in lowered:
            self.ledgers[index].spend(at)
        for change in action.changes:
            self.units[change.dimension] = change.after
        return Outcome.APPLIED


def changes(told: Told) -> list[tuple[Action, Change]]:
    return [(action, change) for action in told.result.actions for change in action.changes]


def is_known(told: Told, dimension: Dimension) -> bool:
    """Whether CloudWatch answered in full in this very cycle and has given a recent word on the dimension: worked out
    from its raw answers, not from what the core made of them. Where a series is silent, others of its table must speak
    for it: at once for one that has no points, and where it has some, for minutes that cannot be merely late (240 s).
    """
    asked = [told.observation.answers[Query(KEY.name, m, dimension)] for m in (Metric.CONSUMED, Metric.THROTTLED)]
    own = told.said[dimension]
    others = frozenset().union(*told.said.values())
    newest = max(own | {m for m in others if not own or told.now - (m + 60) >= 240}, default=None)
    return all(answer.complete for answer in asked) and newest is not None and told.now - (newest + 60) <= 300


RATES = (0.0, 0.4, 3.0, 12.0, 30.0, 45.0, 66.0, 69.9, 90.0, 130.0, 200.0, 420.0, 2_500.0)
RARELY = 0.04
# Numbers that bring the budget, and the limit on changes, into reach within one story.
HASTY: tuple[dict[str, Any], ...] = (
    {
        "lower_hold": 0.0,
        "raise_hold": 0.0,
        "throttle_hold": 60.0,
        "early_saving": 0.1,
        "quiet_minutes": 5,
        "reserve": 0,
    },
    {"max_changes_per_hour": 2},
)


def random_policy(dice: Random) -> TablePolicy:
    """Mostly acting; bounds narrow enough to be met."""
    return policy(
        dice.choice([Mode.ACT, Mode.ACT, Mode.ACT, Mode.ADVISE, Mode.OBSERVE]),
        bounds=dice.choice([BOUNDS, BOUNDS, Bounds(5, 80), Bounds(120, 300), None]),
        index_bounds=dice.choice([BOUNDS, Bounds(20, 90), None]),
        auto_scaling=dice.choice(list(AutoScaling)),
        tuning=replace(OBJECTIVES[dice.choice(list(Objective))], **dice.choice([{}, {}, *HASTY])),
    )


def random_story(dice: Random, minutes: int) -> Iterator[Beat]:
    """Demand that stays a while and then jumps, and everything else now and then."""
    dimensions = [Dimension(index, kind) for index in ("", INDEX) for kind in Kind]
    demand = dict.fromkeys(dimensions, 30.0)
    hot: dict[Dimension, float] = {}
    for _ in range(minutes):
        for dimension in dimensions:
            if dice.random() < RARELY:
                demand[dimension] = dice.choice(RATES)
        if dice.random() < 2 * RARELY:
            hot = {dice.choice(dimensions): dice.choice([1.0, 40.0, 3_000.0])} if dice.random() < 0.5 else {}
        yield Beat(demand=dict(demand), hot=dict(hot), **_mishaps(dice, dimensions))


def _mishaps(dice: Random, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """Fields of a Beat, each set rarely; upheavals rarer still, and mostly ending again."""

    def rarely(value: object) -> bool:
        return value is not None and dice.random() < RARELY

    one = dice.choice(dimensions)
    metric = dice.choice([Metric.CONSUMED, Metric.THROTTLED])
    target = ScalableTarget(dice.choice([1, 40, 90]), dice.choice([100, 5_000]), suspended=dice.random() < 0.2)
    candidates: dict[str, Any] = {
        "unnamed": True,
        "silence": True,
        "lost": frozenset({one}),
        "late": frozenset({one}),
        "garbled": frozenset({(one, metric)}),
        "updating": True,
        "refuse": dice.choice([Outcome.UNKNOWN, *(o for o in Outcome if o.is_refusal)]),
        "scaling_unread": True,
        "skipped_minutes": dice.choice([3, 17, 61]),
        "index": dice.random() < 0.8,
        "scaling": {one: target} if dice.random() < 0.8 else {},
        "foreign": {one: dice.choice([2, 40, 200, 3_000])} if dice.random() < 0.3 else None,
        "billing": dice.choice([Billing.PROVISIONED] * 3 + [Billing.ON_DEMAND]) if dice.random() < 0.5 else None,
        "replicas": dice.choice([(), (), (), ("us-east-1",)]) if dice.random() < 0.5 else None,
    }
    return {name: value for name, value in candidates.items() if rarely(value)}
