"""Contributor Insights of the plant: what is sampled where, its rules and their quota, and what they show and cost.

Sources: "Contributor Insights for DynamoDB: How it works", "CloudWatch service quotas"; the behaviour past the quota
and the durations are measured, not documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.model import Dimension, Kind
from watcher.replay.control import not_found
from watcher.replay.plant import Contributor, Plant
from watcher.replay.published import events
from watcher.replay.spec import TableSpec

RULES_QUOTA: Final = 100
SWITCHING_SECONDS: Final = 2.0
MINUTE: Final = 60
DAY: Final = 86_400
FAILURE: Final = (
    "LimitExceededException",
    (
        "Per-account Amazon CloudWatch Contributor Insights rule limit reached. Please disable Contributor Insights "
        "for other tables/indexes OR disable Contributor Insights rules before retrying."
    ),
)
# The letters in the names of the rules: of partition keys or of items, by accesses (consumed) or throttled requests.
CODES: Final[Mapping[SamplerMode, tuple[str, ...]]] = {
    SamplerMode.OFF: (),
    SamplerMode.THROTTLED: ("PKT", "SKT"),
    SamplerMode.FULL: ("PKC", "SKC", "PKT", "SKT"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. code: of CODES. since: from when on it counts, and can be asked."""

    name: str
    code: str
    since: float

    @property
    def counts_throttled(self) -> bool:
        return self.code.endswith("T")

    @property
    def is_of_items(self) -> bool:
        return self.code.startswith("SK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What Contributor Insights is billed for: seconds that rules existed, and events that they matched, by place."""

    rule_seconds: Mapping[Place, float] = field(default_factory=dict)
    events: Mapping[Place, float] = field(default_factory=dict)

    @property
    def total_rule_seconds(self) -> float:
        return sum(self.rule_seconds.values())

    @property
    def total_events(self) -> float:
        return sum(self.events.values())


@dataclass(slots=True)
class _State:
    """One place since it was last switched.

    mode: as asked for. settled: the status after ``until``. table: which table of this name it is of, as a name may be
    used anew. spec: of that table. counted: up to when its rules have been billed.
    """

    mode: SamplerMode
    status: SamplerStatus
    settled: SamplerStatus
    until: float
    updated: float
    rules: tuple[Rule, ...]
    table: int
    spec: TableSpec
    counted: float


class Samplers:
    """Contributor Insights of every table and index of a plant's Region, at the plant's own time."""

    def __init__(self, plant: Plant, *, quota: int = RULES_QUOTA) -> None:
        self._plant = plant
        self._quota = quota
        self._states: dict[Place, _State] = {}
        self._rule_seconds: dict[Place, float] = {}
        self._events: dict[Place, float] = {}

    def enable(self, place: Place, mode: SamplerMode = SamplerMode.FULL) -> Sampler:
        """Switch on or over; no mode means the expensive one, even where the cheap one is on. What is on in this mode
        stays as it is. Rules for throttled keys, and what they have counted, outlive a switch of the mode.

        Past the quota of rules this is accepted all the same, and turns FAILED on its own soon after. Raises
        PlantRefusal ResourceNotFoundException.
        """
        present = self._state(place)
        if present is not None and present.mode is mode and present.settled is SamplerStatus.ENABLED:
            return _described(present)
        now = self._plant.now
        kept = {rule.code: rule for rule in present.rules} if present else {}
        rules = tuple(kept.get(code) or self._rule(place, code, now) for code in self._codes(place, mode))
        used = sum(len(other.rules) for where, other in self._living() if where != place)
        fits = used + len(rules) <= self._quota
        return self._put(
            place,
            mode,
            SamplerStatus.ENABLING,
            SamplerStatus.ENABLED if fits else SamplerStatus.FAILED,
            rules if fits else (),
        )

    def install(self, place: Place, mode: SamplerMode) -> None:
        """As if another hand had switched it on when the plant began, so that there is all the data there can be; not
        where the quota does not allow it."""
        began = self._plant.start - SWITCHING_SECONDS
        rules = tuple(self._rule(place, code, began) for code in self._codes(place, mode))
        if len(rules) + len(self.rules()) <= self._quota:
            self._put(place, mode, SamplerStatus.ENABLED, SamplerStatus.ENABLED, rules)
            self._states[place].updated = self._plant.start

    def disable(self, place: Place) -> Sampler:
        """Switch off; the rules are gone at once, with all they have counted. Raises as ``enable`` does."""
        present = self._state(place)
        if present is None or present.settled is SamplerStatus.DISABLED:
            return self.sampler(place)
        return self._put(place, present.mode, SamplerStatus.DISABLING, SamplerStatus.DISABLED, ())

    def sampler(self, place: Place) -> Sampler:
        """One place as of now. Raises PlantRefusal ResourceNotFoundException for a table or an index that is not."""
        state = self._state(place)
        return Sampler() if state is None else _described(state)

    def survey(self) -> dict[Place, Sampler]:
        """All places that are not DISABLED."""
        return {
            place: _described(state) for place, state in self._living() if state.status is not SamplerStatus.DISABLED
        }

    def asked(self, place: Place) -> SamplerMode:
        """The mode last asked for, whatever came of it; FULL where none ever was. Raises as ``sampler`` does."""
        state = self._state(place)
        return SamplerMode.FULL if state is None else state.mode

    def everywhere(self) -> list[Place]:
        """All tables and indexes, in order, sampled or not."""
        return [
            Place(name, index)
            for name in self._plant.names()
            for index in sorted({"", *(one.name for one in self._plant.spec(name).indexes)})
        ]

    def rules(self) -> list[str]:
        """The names of all rules of the account, in order."""
        return sorted(rule.name for _, state in self._living() for rule in state.rules)

    def rule(self, name: str) -> tuple[Place, Rule] | None:
        """The rule of this name, once it counts, with the place it is of."""
        now = self._plant.now
        for place, state in self._living():
            for rule in state.rules:
                if rule.name == name and rule.since <= now:
                    return place, rule
        return None

    def contributors(self, place: Place, rule: Rule, start: float, end: float) -> list[Contributor]:
        """What the rule shows of [start, end) by now: of whole minutes since it began to count."""
        return self._plant.contributors(
            place.table,
            place.index,
            throttled=rule.counts_throttled,
            start=max(start, rule.since),
            end=end,
            items=rule.is_of_items,
        )

    def usage(self) -> Usage:
        """What is to be paid for up to now."""
        for place, state in self._living():
            self._bill(place, state)
        return Usage(dict(self._rule_seconds), dict(self._events))

    # ---- inside

    def _put(
        self, place: Place, mode: SamplerMode, status: SamplerStatus, settled: SamplerStatus, rules: tuple[Rule, ...]
    ) -> Sampler:
        now = self._plant.now
        present = self._states.get(place)
        if present is not None:
            self._bill(place, present)
        incarnation, spec = self._plant.incarnation(place.table), self._plant.spec(place.table)
        state = _State(mode, status, settled, now + SWITCHING_SECONDS, now, rules, incarnation, spec, now)
        self._states[place] = state
        return _described(state)

    def _state(self, place: Place) -> _State | None:
        spec = self._plant.spec(place.table)
        if place.index and place.index not in {index.name for index in spec.indexes}:
            raise not_found(f"Index: {place.index}")
        return self._refreshed(place)

    def _living(self) -> list[tuple[Place, _State]]:
        """All states as of now."""
        return [(place, state) for place in list(self._states) if (state := self._refreshed(place)) is not None]

    def _refreshed(self, place: Place) -> _State | None:
        """The state as of now; with a deleted table it is gone, and its rules with it."""
        state, now = self._states.get(place), self._plant.now
        if state is None:
            return None
        if now >= state.until:
            state.status = state.settled
        is_gone = state.table != self._plant.incarnation(place.table)
        if is_gone or now - state.counted > DAY:
            self._bill(place, state)  # while the plant still remembers
        if is_gone:
            del self._states[place]
            return None
        return state

    def _codes(self, place: Place, mode: SamplerMode) -> list[str]:
        spec = self._plant.spec(place.table)
        part = next((index for index in spec.indexes if index.name == place.index), spec)
        return [code for code in CODES[mode] if part.has_sort_key or code.startswith("PK")]

    @staticmethod
    def _rule(place: Place, code: str, now: float) -> Rule:
        # The name of an index's rule joins table and index by a dash and cannot be parsed back.
        resource = "-".join(part for part in (place.table, place.index) if part)
        return Rule(f"DynamoDBContributorInsights-{code}-{resource}-{round(now * 1000)}", code, now + SWITCHING_SECONDS)

    def _bill(self, place: Place, state: _State) -> None:
        """Add up what the rules of a place cost since they were last counted."""
        now = self._plant.now
        seconds = len(state.rules) * (now - state.counted)
        self._rule_seconds[place] = self._rule_seconds.get(place, 0.0) + seconds
        matched = sum(self._matched(place, rule, state.spec, state.counted, now) for rule in state.rules)
        self._events[place] = self._events.get(place, 0.0) + matched
        state.counted = now

    def _matched(self, place: Place, rule: Rule, spec: TableSpec, start: float, end: float) -> float:
        """Requests that a rule matched in the minutes that ended after ``start`` and by ``end``; whole minutes only."""
        first = max(ceil(rule.since / MINUTE), int(start // MINUTE)) * MINUTE
        seen = 1.0 - spec.unseen
        total = 0.0
        for kind in Kind:
            truth = self._plant.truth(place.table, Dimension(place.index, kind))
            for minute in range(first, int(end // MINUTE) * MINUTE, MINUTE):
                if minute in truth:
                    units = truth[minute].own_throttled if rule.counts_throttled else truth[minute].served
                    total += events(units * seen, spec.units_per_request)
        return total


def _described(state: _State) -> Sampler:
    is_on = state.status in (SamplerStatus.ENABLED, SamplerStatus.ENABLING)
    return Sampler(
        status=state.status,
        mode=state.mode if is_on else SamplerMode.OFF,
        rules=tuple(sorted(rule.name for rule in state.rules)),
        failure=FAILURE[1] if state.status is SamplerStatus.FAILED else "",
        updated=state.updated,
    )
