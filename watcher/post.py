"""The post room: addresses alerts, delivers what is due from the store's outbox, retries with growing patience."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from watcher.core.insights import SamplerMode
from watcher.core.model import Alert, Settlement, TableKey
from watcher.errors import DeliveryError, StoreError
from watcher.ports import Notifier, Outgoing, Store, Telemetry

FIRST_RETRY = 30.0
LONGEST_RETRY = 1800.0
BATCH = 100  # messages a cycle tries at most, so that a flood cannot hold up the next cycle
GIVE_UP_AFTER = 200  # attempts: about four days at the longest patience
OUTCOMES_KEPT = 1000  # a message delivered later still tells what became of the change it announces

Thread = tuple[str, str]  # (incident, topic): what must stay in order
SAMPLED = {SamplerMode.FULL: "all keys", SamplerMode.THROTTLED: "throttled keys", SamplerMode.OFF: "keys, ended"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one round did. failed: attempts; dead: of those, messages given up. waiting: messages still to go, None
    while the store cannot tell."""

    delivered: int
    failed: int
    dead: int
    waiting: int | None


@dataclass(slots=True)
class Trip:
    """A round of deliveries as it goes. handled: messages it has dealt with, each once. silent: topics that did not
    answer in it, with their error, so that a dead topic costs one timeout and not one for each message."""

    now: float
    delivered: int = 0
    failed: int = 0
    dead: int = 0
    handled: set[tuple[str, str]] = field(default_factory=set)
    silent: dict[str, DeliveryError] = field(default_factory=dict)


class Post:
    """At least once, in order within an incident and topic. While the store is lost, new messages wait in memory."""

    def __init__(self, store: Store, notifier: Notifier, telemetry: Telemetry) -> None:
        self._store = store
        self._notifier = notifier
        self._telemetry = telemetry
        self._unstored: list[Outgoing] = []
        self._unmarked: set[tuple[str, str]] = set()  # delivered, which the store could not be told
        self._stuck: set[Thread] = set()  # threads whose oldest stored message failed
        self._outcomes: dict[tuple[TableKey, float], list[str]] = {}  # sentences, by table and instant of its intents

    def use(self, notifier: Notifier) -> None:
        """Address and deliver by this notifier from now on; what is already addressed keeps its topics."""
        self._notifier = notifier

    def address(self, alerts: Sequence[Alert]) -> list[Outgoing]:
        """One message per alert and topic. The id is the same however often it is sent."""
        return [
            Outgoing(id=f"{alert.id}-{number}", topic_arn=topic, alert=alert)
            for alert in alerts
            for number, topic in enumerate(self._notifier.topics_for(alert))
        ]

    @property
    def unstored(self) -> Sequence[Outgoing]:
        """What waits in memory only, oldest first: to be recorded, before anything newer, as soon as it can be."""
        return tuple(self._unstored)

    def keep_unstored(self, outgoing: Sequence[Outgoing]) -> None:
        self._unstored.extend(outgoing)

    def stored(self) -> None:
        """What waited in memory is recorded now."""
        self._unstored.clear()

    def deliver(self, now: float, settlements: Sequence[Settlement]) -> Delivery:
        """Try everything that is due, each message once."""
        self._remember(settlements)
        trip = Trip(now)
        waiting: int | None = None
        try:
            self._deliver_due(trip)
            waiting = self._store.waiting()
        except StoreError as error:
            self._lost(error)
        # After the stored ones, which are older.
        self._deliver_unstored(trip)
        return Delivery(
            trip.delivered, trip.failed, trip.dead, None if waiting is None else waiting + len(self._unstored)
        )

    def _remember(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            said = self._outcomes.setdefault((settlement.intent.action.table, settlement.intent.time), [])
            said.append(_outcome(settlement))
        for oldest in list(self._outcomes)[: max(0, len(self._outcomes) - OUTCOMES_KEPT)]:
            del self._outcomes[oldest]

    def _deliver_due(self, trip: Trip) -> None:
        # A delivered message may make the next one of its incident due.
        while len(trip.handled) < BATCH:
            due = [one for one in self._store.outbox(trip.now, BATCH) if _key(one) not in trip.handled]
            if not due:
                return
            for outgoing in due:
                trip.handled.add(_key(outgoing))
                self._deliver_stored(trip, outgoing)

    def _deliver_stored(self, trip: Trip, outgoing: Outgoing) -> None:
        error = None if _key(outgoing) in self._unmarked else self._publish(trip, outgoing)
        try:
            if error is None:
                # Before the store is told: if it cannot be, the message must not go out again every minute.
                self._unmarked.add(_key(outgoing))
                self._stuck.discard(_thread(outgoing))
                self._store.delivered(outgoing, trip.now)
                self._unmarked.discard(_key(outgoing))
            else:
                next_attempt = self._next_attempt(trip.now, outgoing, error)
                self._count_failure(trip, outgoing, error, dead=next_attempt is None)
                (self._stuck.discard if next_attempt is None else self._stuck.add)(_thread(outgoing))
                self._store.failed(outgoing, trip.now, str(error), next_attempt)
        except StoreError as lost:
            self._lost(lost)

    def _deliver_unstored(self, trip: Trip) -> None:
        # The store may have taken a message and only its answer was lost: then it has just been dealt with.
        self._unstored = [one for one in self._unstored if _key(one) not in trip.handled]
        blocked = set(self._stuck)
        for outgoing in list(self._unstored):
            if _thread(outgoing) in blocked:
                continue
            told = self._with_outcome(outgoing)
            error = self._publish(trip, told)
            place = self._unstored.index(outgoing)
            if error is None or not error.retryable:
                del self._unstored[place]
            else:
                self._unstored[place] = replace(told, attempts=told.attempts + 1)
                blocked.add(_thread(outgoing))
            if error is not None:
                self._count_failure(trip, outgoing, error, dead=not error.retryable)

    def _publish(self, trip: Trip, outgoing: Outgoing) -> DeliveryError | None:
        if outgoing.topic_arn in trip.silent:
            return trip.silent[outgoing.topic_arn]
        try:
            self._notifier.publish(self._with_outcome(outgoing))
        except DeliveryError as error:
            if error.retryable:
                trip.silent[outgoing.topic_arn] = error
            return error
        trip.delivered += 1
        return None

    def _with_outcome(self, outgoing: Outgoing) -> Outgoing:
        """The message with what became of the action it announces; the alert was written before acting."""
        done = outgoing.alert.done
        for said in self._outcomes.get((outgoing.alert.table, outgoing.alert.time), ()):
            if said not in done:
                done = f"{done} {said}".strip()
        return outgoing if done == outgoing.alert.done else replace(outgoing, alert=replace(outgoing.alert, done=done))

    @staticmethod
    def _next_attempt(now: float, outgoing: Outgoing, error: DeliveryError) -> float | None:
        if not error.retryable or outgoing.attempts + 1 >= GIVE_UP_AFTER:
            return None
        return now + min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(outgoing.attempts, 10))

    def _count_failure(self, trip: Trip, outgoing: Outgoing, error: DeliveryError, *, dead: bool) -> None:
        trip.failed += 1
        trip.dead += dead
        self._telemetry.trouble(
            "alert.undelivered",
            incident=outgoing.alert.incident,
            topic=outgoing.topic_arn,
            dead=dead,
            sentence=str(error),
        )

    def _lost(self, error: StoreError) -> None:
        self._telemetry.trouble("store.failed", sentence=str(error))


def _outcome(settlement: Settlement) -> str:
    """What became of an action, a sentence; which one is plain from the message, except for what is sampled."""
    why = f" ({settlement.detail})" if settlement.detail else ""
    switch = settlement.intent.action.switch
    if switch is None:
        return f"Outcome: {settlement.outcome}{why}."
    what = f"Sampling of {SAMPLED[switch.after]}" + (f" of index {switch.index}" if switch.index else "")
    return f"{what}: {settlement.outcome}{why}."


def _key(outgoing: Outgoing) -> tuple[str, str]:
    return outgoing.id, outgoing.topic_arn


def _thread(outgoing: Outgoing) -> Thread:
    return outgoing.alert.incident, outgoing.topic_arn
