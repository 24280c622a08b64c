"""The store that forgets at exit: for replay, and for tests that are not about disks."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from watcher.core.model import Alert, Decision, Intent, Settlement, TableKey
from watcher.core.pauses import Pause
from watcher.core.reasons import IncidentState
from watcher.core.region_state import RegionState
from watcher.core.state import TableState
from watcher.errors import StoreError
from watcher.ports import CycleRecord, Outgoing, Thread
from watcher.store.learned import Lessons, as_kept
from watcher.store.rules import (
    alerts_to_remember,
    decisions_with_intents,
    lessons_of,
    with_lessons,
    without_caches,
)

_Timed = TypeVar("_Timed", Decision, Alert)


@dataclass(slots=True)
class _Decided:
    decision: Decision
    intent: str  # the intent it waits for or came from, "" for none


@dataclass(slots=True)
class _Recorded:
    intent: Intent
    decisions: list[_Decided] = field(default_factory=list)
    settled_at: float | None = None


@dataclass(slots=True)
class _Message:
    outgoing: Outgoing
    closed_at: float | None = None

    @property
    def thread(self) -> tuple[str, str]:
        return self.outgoing.alert.incident, self.outgoing.topic_arn


class MemoryStore:
    """A :class:`watcher.ports.Store` in this process's memory, safe for threads. Collections keep recording order."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._closed = False
        self._states: dict[TableKey, TableState] = {}
        self._lessons: dict[TableKey, Lessons] = {}
        self._intents: dict[str, _Recorded] = {}
        self._decisions: list[_Decided] = []
        self._alerts: dict[str, Alert] = {}
        self._messages: dict[tuple[str, str], _Message] = {}
        self._undelivered: dict[tuple[str, str], _Message] = {}  # of them, those still to go
        self._told: set[tuple[str, str]] = set()  # threads that were told, and not of the end
        self._regions: dict[str, RegionState] = {}
        self._pauses: dict[tuple[str, str], Pause] = {}  # by match and Region
        self._secret: bytes | None = None

    def load(self) -> Mapping[TableKey, TableState]:
        with self._session("loading"):
            return {
                key: with_lessons(without_caches(state), self._lessons.get(key, {}))
                for key, state in self._states.items()
            }

    def record(self, record: CycleRecord) -> None:
        with self._session("recording"):
            self._refuse_known_intents(record.intents)
            self._states.update(record.states)
            self._lessons.update({key: as_kept(lessons_of(record.states[key])) for key in record.learned})
            self._intents.update({intent.id: _Recorded(intent) for intent in record.intents})
            for decision, intent in decisions_with_intents(record):
                decided = _Decided(decision, intent)
                self._decisions.append(decided)
                if intent:
                    self._intents[intent].decisions.append(decided)
            for alert in alerts_to_remember(record):
                self._alerts.setdefault(alert.id, alert)
            for outgoing in record.outgoing:
                known = replace(outgoing, alert=self._alerts[outgoing.alert.id])
                place = (outgoing.id, outgoing.topic_arn)
                if place not in self._messages:
                    self._messages[place] = self._undelivered[place] = _Message(known)
            self._regions.update(record.regions)

    def _refuse_known_intents(self, intents: Iterable[Intent]) -> None:
        seen: set[str] = set()
        for intent in intents:
            if intent.id in seen or intent.id in self._intents:
                raise _refusal("recording", f"intent {intent.id} is already recorded")
            seen.add(intent.id)

    def settle(self, settlements: Sequence[Settlement], states: Mapping[TableKey, TableState]) -> None:
        with self._session("settling"):
            for settlement in settlements:
                if settlement.intent.id not in self._intents:
                    raise _refusal("settling", f"intent {settlement.intent.id} was never recorded")
            for settlement in settlements:
                recorded = self._intents[settlement.intent.id]
                recorded.settled_at = settlement.time
                for decided in recorded.decisions:
                    decided.decision = replace(decided.decision, outcome=settlement.outcome)
            self._states.update(states)

    def open_intents(self) -> Sequence[Intent]:
        with self._session("reading open intents"):
            waiting = [recorded.intent for recorded in self._intents.values() if recorded.settled_at is None]
            return sorted(waiting, key=lambda intent: (intent.time, intent.id))

    def forget(self, table: TableKey) -> None:
        with self._session("forgetting a table"):
            self._states.pop(table, None)
            self._lessons.pop(table, None)

    def load_regions(self) -> Mapping[str, RegionState]:
        with self._session("loading"):
            return dict(self._regions)

    def outbox(self, now: float) -> Sequence[Thread]:
        with self._session("reading the outbox"):
            threads: dict[tuple[str, str], list[Outgoing]] = {}
            for message in self._undelivered.values():
                threads.setdefault(message.thread, []).append(message.outgoing)
            return [
                Thread(*thread, tuple(messages), thread in self._told)
                for thread, messages in threads.items()
                if messages[0].next_attempt <= now
            ]

    def hearers(self, incident: str) -> Sequence[str]:
        with self._session("reading the outbox"):
            threads = {message.thread for message in self._undelivered.values()} | self._told
            return sorted(topic for about, topic in threads if about == incident)

    def waiting(self) -> int:
        with self._session("counting the outbox"):
            return len(self._undelivered)

    def delivered(self, messages: Sequence[Outgoing], now: float) -> None:
        with self._session("marking a delivery"):
            self._close(messages, now)
            if messages and messages[-1].alert.state is not IncidentState.RESOLVED:
                self._told.add((messages[-1].alert.incident, messages[-1].topic_arn))

    def silenced(self, messages: Sequence[Outgoing], now: float) -> None:
        with self._session("marking a silence"):
            self._close(messages, now)

    def failed(
        self,
        messages: Sequence[Outgoing],
        now: float,
        error: str,  # noqa: ARG002 - kept by the durable engines for whoever opens the file
        next_attempt: float | None,
    ) -> None:
        with self._session("counting a failed delivery"):
            for message in self._waiting(messages):
                one = message.outgoing
                message.outgoing = replace(
                    one,
                    attempts=one.attempts + 1,
                    next_attempt=one.next_attempt if next_attempt is None else next_attempt,
                    first_failed_at=now if one.first_failed_at is None else one.first_failed_at,
                )
            if next_attempt is None:
                self._close(messages, now)

    def _close(self, messages: Sequence[Outgoing], now: float) -> None:
        for message in self._waiting(messages):
            message.closed_at = now
            del self._undelivered[message.outgoing.id, message.outgoing.topic_arn]
        for last in messages[-1:]:
            if last.alert.state is IncidentState.RESOLVED:
                # An end that never arrives is an end, too: nothing will follow it.
                self._told.discard((last.alert.incident, last.topic_arn))

    def _waiting(self, messages: Sequence[Outgoing]) -> list[_Message]:
        for outgoing in messages:
            if (outgoing.id, outgoing.topic_arn) not in self._undelivered:
                cause = f"message {outgoing.id} to {outgoing.topic_arn} is not waiting for delivery"
                raise _refusal("closing a message", cause)
        return [self._undelivered[outgoing.id, outgoing.topic_arn] for outgoing in messages]

    def pauses(self, now: float) -> Sequence[Pause]:
        with self._session("reading pauses"):
            standing = [pause for pause in self._pauses.values() if pause.until > now]
            return sorted(standing, key=lambda pause: (-pause.since, pause.match, pause.region))

    def pause(self, pause: Pause) -> None:
        with self._session("pausing"):
            self._pauses[pause.match, pause.region] = pause

    def resume(self, match: str, region: str, now: float) -> bool:
        with self._session("resuming"):
            ended = self._pauses.get((match, region))
            if ended is None or ended.until <= now:
                return False
            del self._pauses[match, region]
            return True

    def history(self, table: str | None = None, limit: int = 200) -> Sequence[Decision]:
        with self._session("reading history"):
            found = [
                decided.decision for decided in self._decisions if table is None or decided.decision.table.name == table
            ]
            return _newest_first(found, limit)

    def alerts(self, limit: int = 100) -> Sequence[Alert]:
        with self._session("reading alerts"):
            return _newest_first(self._alerts.values(), limit)

    def prune(self, before: float) -> None:
        with self._session("pruning"):
            opened = {key for key, recorded in self._intents.items() if recorded.settled_at is None}
            self._decisions = [
                decided for decided in self._decisions if decided.decision.time >= before or decided.intent in opened
            ]
            self._intents = {
                key: recorded
                for key, recorded in self._intents.items()
                if recorded.settled_at is None or recorded.settled_at >= before
            }
            self._messages = {
                key: message
                for key, message in self._messages.items()
                if message.closed_at is None or message.closed_at >= before
            }
            self._pauses = {key: pause for key, pause in self._pauses.items() if pause.until >= before}
            referred = {message.outgoing.alert.id for message in self._messages.values()}
            self._alerts = {
                key: alert for key, alert in self._alerts.items() if alert.time >= before or key in referred
            }

    def secret(self) -> bytes:
        with self._session("reading the secret"):
            if self._secret is None:
                self._secret = secrets.token_bytes(32)
            return self._secret

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def _session(self, operation: str) -> _Session:
        return _Session(self._lock, self._refuse_closed, operation)

    def _refuse_closed(self, operation: str) -> None:
        if self._closed:
            raise _refusal(operation, "the store is closed")


class _Session:
    """The lock held for one operation. A class: a generator would cost more than most of what it guards."""

    __slots__ = ("_check", "_lock", "_operation")

    def __init__(self, lock: threading.RLock, check: Callable[[str], None], operation: str) -> None:
        self._lock = lock
        self._check = check
        self._operation = operation

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._check(self._operation)
        except StoreError:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _refusal(operation: str, cause: str) -> StoreError:
    return StoreError(cause, operation=operation, subject="the memory store")


def _newest_first(values: Iterable[_Timed], limit: int) -> list[_Timed]:
    # Stable before the turn, so that of two values of one instant the later recorded comes first.
    return sorted(values, key=lambda value: value.time)[::-1][: max(limit, 0)]
