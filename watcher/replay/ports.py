"""The cycle's ports over the plant, in memory: what tests and replay put where AWS stands in production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from watcher.clock import Clock
from watcher.core.insights import Place, SamplerMode, SamplerStatus
from watcher.core.model import (
    Action,
    Answer,
    Dimension,
    Kind,
    Lever,
    Metric,
    Query,
    ScalableTarget,
    Switch,
    TableDescription,
)
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsNotFound, DeliveryError
from watcher.ports import Hand, Outgoing, RegionPorts
from watcher.replay.history import MINUTE, gauge, is_answered, summed
from watcher.replay.insights import RULES_QUOTA, Samplers
from watcher.replay.insights_port import Cloak, PlantInsights, plainly
from watcher.replay.plant import Plant
from watcher.replay.spec import PlantRefusal

REFUSALS = {
    "ResourceInUseException": Outcome.BUSY,
    "LimitExceededException": Outcome.QUOTA,
    "ResourceNotFoundException": Outcome.GONE,
    "ValidationException": Outcome.INVALID,
}


@dataclass
class PlantAws:
    """Tables, Metrics, Scaling, Insights and the acting Hand of one Region, answered by a plant.

    Every call first brings the plant to the clock's time. scaling: Application Auto Scaling targets by table.
    calls: every accepted or refused change as (instant, wanted, outcome), for tests. samplers: where another hand
    has had Contributor Insights on since the tables were made, and in which mode; None: of throttled keys everywhere,
    as far as ``quota``, the rules an account may have, goes. cloak: what keys look like.
    """

    plant: Plant
    clock: Clock
    scaling: Mapping[str, Mapping[Dimension, ScalableTarget]] = field(default_factory=dict)
    calls: list[tuple[float, Action, Outcome]] = field(default_factory=list)
    samplers: Mapping[Place, SamplerMode] | None = None
    quota: int = RULES_QUOTA
    cloak: Cloak = plainly
    insights: PlantInsights = field(init=False)

    def __post_init__(self) -> None:
        machine = Samplers(self.plant, quota=self.quota)
        found = self.samplers
        if found is None:
            found = dict.fromkeys(machine.everywhere(), SamplerMode.THROTTLED)
        for place, mode in found.items():
            machine.install(place, mode)
        self.insights = PlantInsights(self.plant, self.clock, machine, self.cloak)

    def names(self) -> list[str]:
        return self._now().names()

    def describe(self, name: str) -> TableDescription:
        try:
            return self._now().describe(name)
        except PlantRefusal as refusal:
            raise AwsNotFound(refusal.message, code=refusal.code, operation="DescribeTable", subject=name) from None

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = 60) -> Mapping[Query, Answer]:
        """See the port. Raises ValueError for latency by more than a minute."""
        plant = self._now()
        if period > MINUTE:
            start, end = -(-start // period) * period, end // period * period
        if not is_answered(start, period, plant.now):
            return {query: Answer() for query in queries}
        return {query: Answer(self._points(plant, query, start, end, period)) for query in queries}

    @staticmethod
    def _points(plant: Plant, query: Query, start: float, end: float, period: int) -> Mapping[int, float]:
        if query.metric is Metric.PROVISIONED:
            steps = plant.steps(query.table, query.dimension) if query.dimension else ()
            return gauge(steps, (start, end), plant.now)
        if query.operation and period > MINUTE:
            raise ValueError(f"{query.metric} by {period} s: the plant has latency by the minute only")
        points = plant.points(
            query.table, query.metric, dimension=query.dimension, operation=query.operation, start=start, end=end
        )
        return summed(points, period)

    def operations(self) -> Mapping[str, frozenset[str]]:
        plant = self._now()
        return {name: plant.operations(name) for name in plant.names()}

    def targets(self, tables: Sequence[str]) -> Mapping[str, Mapping[Dimension, ScalableTarget]]:
        return {name: self.scaling[name] for name in tables if name in self.scaling}

    def carry_out(self, action: Action) -> tuple[Outcome, str]:
        """Look anew, then one update of the plant, of a scaling target or of Contributor Insights; refusals become
        outcomes as AWS's would."""
        plant = self._now()
        try:
            outcome, detail = (
                self._switched(Place(action.table.name, action.switch.index), action.switch)
                if action.switch
                else self._objection(action) or self._change(action)
            )
        except AwsNotFound as gone:
            outcome, detail = Outcome.GONE, gone.cause
        except PlantRefusal as refusal:
            outcome, detail = REFUSALS[refusal.code], refusal.message
            if outcome is Outcome.QUOTA and "decreases" in refusal.message:
                outcome = Outcome.BUDGET
        self.calls.append((plant.now, action, outcome))
        return outcome, detail

    def _switched(self, place: Place, switch: Switch) -> tuple[Outcome, str]:
        """Raises AwsNotFound."""
        seen = self.insights.describe(place)
        if not seen.is_settled:
            return Outcome.BUSY, f"Contributor Insights of {place} is {seen.status}"
        if seen.mode is not switch.before:
            return Outcome.CANCELLED, f"Contributor Insights of {place} was {switch.before} and is {seen.mode} now"
        # FAILED counts as off and is not: it stays until it is disabled or enabled anew.
        if seen.mode is switch.after and seen.status is not SamplerStatus.FAILED:
            return Outcome.UNCHANGED, f"Contributor Insights of {place} already is {seen.mode}"
        self.insights.switch(place, switch.after)
        return Outcome.APPLIED, ""

    def _objection(self, action: Action) -> tuple[Outcome, str] | None:
        """Why the action does not fit the world any more, or None. Raises PlantRefusal."""
        seen = self.plant.describe(action.table.name)
        for change in action.changes:
            if change.dimension.index not in seen.throughputs:
                return Outcome.GONE, f"there is no index {change.dimension.index} to change"
            if action.lever is Lever.FLOOR:
                target = self.scaling.get(action.table.name, {}).get(change.dimension)
                current = None if target is None else target.min
            else:
                current = seen.provisioned(change.dimension)
            if current != change.before:
                return Outcome.CANCELLED, f"{change.dimension.noun} were {change.before} and are {current} now"
        return None

    def _change(self, action: Action) -> tuple[Outcome, str]:
        name = action.table.name
        seen = self.plant.describe(name)
        wanted = {
            index: dict(seen.throughputs[index].units)
            for index in dict.fromkeys(change.dimension.index for change in action.changes)
        }
        for change in action.changes:
            units = wanted[change.dimension.index]
            if action.lever is Lever.FLOOR:
                target = replace(self.scaling[name][change.dimension], min=change.after)
                self.scaling = {**self.scaling, name: {**self.scaling[name], change.dimension: target}}
                if units[change.dimension.kind] >= change.after:
                    # Registering a target lifts capacity to its minimum; it never lowers it.
                    return Outcome.APPLIED, ""
            units[change.dimension.kind] = change.after
        self.plant.update_throughput(
            name, {index: (units[Kind.READ], units[Kind.WRITE]) for index, units in wanted.items()}
        )
        return Outcome.APPLIED, ""

    def _now(self) -> Plant:
        self.plant.advance(self.clock.now())
        return self.plant

    def region(self) -> RegionPorts:
        """This plant as the cycle wants it."""
        hands: Mapping[Mode, Hand] = {Mode.ACT: self, Mode.ADVISE: Advising()}
        return RegionPorts(self.plant.region, self, self, self, self.insights, hands)


class Advising:
    """The hand that only advises."""

    def carry_out(self, action: Action) -> tuple[Outcome, str]:  # noqa: ARG002 - that it is not looked at is the point
        return Outcome.ADVISED, ""


@dataclass
class Mailbox:
    """A notifier that keeps what it is given. ``broken`` makes every delivery fail with this sentence."""

    sent: list[Outgoing] = field(default_factory=list)
    topics: Sequence[str] = ("arn:aws:sns:us-east-1:123456789012:alerts",)
    broken: str = ""

    def topics_for(self, alert: object) -> list[str]:  # noqa: ARG002 - every alert goes to every topic
        return list(self.topics)

    def is_quiet(self, topic_arn: str, alert: object, now: float) -> bool:  # noqa: ARG002 - no hour is quiet here
        return False

    def publish(self, outgoing: Outgoing) -> None:
        if self.broken:
            raise DeliveryError(self.broken, subject=outgoing.topic_arn)
        self.sent.append(outgoing)
