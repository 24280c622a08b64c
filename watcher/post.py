"""The post room: addresses alerts, delivers what is due from the store's outbox, retries with growing patience."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watcher.core.model import Alert, Settlement
from watcher.errors import DeliveryError, StoreError
from watcher.ports import Notifier, Outgoing, Store, Telemetry

FIRST_RETRY = 30.0
LONGEST_RETRY = 1800.0
BATCH = 100  # messages a cycle tries at most, so that a dead topic cannot hold up the next cycle
GIVE_UP_AFTER = 200  # attempts: about four days at the longest patience


class Post:
    """At least once, in order within an incident. While the store is lost, messages wait in memory instead."""

    def __init__(self, store: Store, notifier: Notifier, telemetry: Telemetry) -> None:
        self._store = store
        self._notifier = notifier
        self._telemetry = telemetry
        self._unstored: list[Outgoing] = []

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

    def keep_unstored(self, outgoing: Sequence[Outgoing]) -> None:
        self._unstored.extend(outgoing)

    def deliver(self, now: float, settlements: Sequence[Settlement]) -> tuple[int, int]:
        """Try everything that is due; returns (delivered, failed attempts)."""
        delivered, failed = self._deliver_unstored()
        try:
            due = self._store.outbox(now, BATCH)
            while due:
                for outgoing in due:
                    if self._attempt(now, outgoing, settlements):
                        delivered += 1
                    else:
                        failed += 1
                # A delivered message may make the next one of its incident due.
                due = self._store.outbox(now, BATCH) if failed == 0 and delivered < BATCH else []
        except StoreError as error:
            self._telemetry.trouble("store.failed", error=str(error))
        return delivered, failed

    def _deliver_unstored(self) -> tuple[int, int]:
        waiting, self._unstored = self._unstored, []
        delivered = 0
        for outgoing in waiting:
            try:
                self._notifier.publish(outgoing)
                delivered += 1
            except DeliveryError as error:
                self._report(outgoing, error)
                self._unstored.append(outgoing)
        return delivered, len(self._unstored)

    def _attempt(self, now: float, outgoing: Outgoing, settlements: Sequence[Settlement]) -> bool:
        try:
            self._notifier.publish(with_outcome(outgoing, settlements))
        except DeliveryError as error:
            self._report(outgoing, error)
            self._store.failed(outgoing, now, str(error), self._next_attempt(now, outgoing, error))
            return False
        self._store.delivered(outgoing, now)
        return True

    def _next_attempt(self, now: float, outgoing: Outgoing, error: DeliveryError) -> float | None:
        if not error.retryable or outgoing.attempts + 1 >= GIVE_UP_AFTER:
            return None
        return now + min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(outgoing.attempts, 10))

    def _report(self, outgoing: Outgoing, error: DeliveryError) -> None:
        self._telemetry.trouble(
            "alert.undelivered",
            incident=outgoing.alert.incident,
            topic=outgoing.topic_arn,
            attempts=outgoing.attempts + 1,
            dead=not error.retryable,
            error=str(error),
        )


def with_outcome(outgoing: Outgoing, settlements: Sequence[Settlement]) -> Outgoing:
    """The message with what became of the action it announces; the stored one was written before acting."""
    answers = [s for s in settlements if s.intent.action.table == outgoing.alert.table]
    if not answers or outgoing.alert.time != answers[0].intent.time:
        return outgoing
    said = " ".join(f"Outcome: {s.outcome}{f' ({s.detail})' if s.detail else ''}." for s in answers)
    return replace(outgoing, alert=replace(outgoing.alert, done=f"{outgoing.alert.done} {said}".strip()))
