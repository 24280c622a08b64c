"""Beside the cycle, in a thread of its own: tells that no pass finishes, which a pass that hangs cannot tell itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.clock import Clock
from watcher.core.model import Alert
from watcher.core.region_state import RegionState
from watcher.core.topic_health import Failing, failed
from watcher.cycle_regions import RegionDesk
from watcher.ports import CycleRecord, Notifier, Outgoing, Store

LOOKS = 2.0  # in one polling interval
PATIENCE = 15.0  # real seconds for one call: what holds up the pass may hold up this, too
OWN_TURN = 120.0  # seconds in which the post leaves to the watchdog what the watchdog has written down


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that has not gone out. is_stored: whether the store has it, too."""

    outgoing: Outgoing
    is_stored: bool


class Watchdog:
    """Publishes by itself, since the post waits for the pass to end. Written before, written after: what a crash leaves
    in between is sent by the next life, and the end of the incident by the next pass that finishes."""

    def __init__(
        self,
        desk: RegionDesk,
        notifier: Callable[[], Notifier],
        store: Store,
        clock: Clock,
        *,
        interval: float,
        say: Callable[..., object],
        patience: float = PATIENCE,
    ) -> None:
        """notifier: the one in force. interval: of polling, seconds. say: (event, facts) for the log. patience: real
        seconds."""
        self._desk = desk
        self._notifier = notifier
        self._store = store
        self._clock = clock
        self._interval = interval
        self._say = say
        self._patience = patience
        self._left: list[_Waiting] = []
        self._failing: dict[str, Failing] = {}  # by topic
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Tell nothing more; False when what is being told took longer than ``timeout`` seconds. Safe before start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.wait(self._clock.real_seconds(self._interval / LOOKS)):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the next look is worth more than this one
                self._say("watchdog.failed", sentence=f"the watchdog failed, which is a bug: {error!r}")

    def look(self) -> None:
        """Tell of a pass that is overdue, where there is one; and what could not be told of it before, until a pass
        finishes and the post takes over."""
        if self._stopping.is_set():
            return
        if not self._desk.is_overdue:
            self._left, self._failing = [], {}
            return
        states, alerts = self._desk.overdue()
        for alert in alerts:
            self._say("cycle.overdue", region=alert.table.region, sentence=alert.sentence)
        if alerts:
            self._note(states, alerts)
        if self._left:
            self._tell()

    def _note(self, states: Mapping[str, RegionState], alerts: Sequence[Alert]) -> None:
        """Write down what is to be told."""
        now, notifier = self._clock.now(), self._notifier()
        outgoing = [
            Outgoing(f"{alert.id}-{number}", topic, alert, next_attempt=now + OWN_TURN)
            for alert in alerts
            for number, topic in enumerate(notifier.topics_for(alert))
        ]
        record = CycleRecord(time=now, alerts=alerts, outgoing=outgoing, regions=states)
        is_stored = not self._error_of(lambda: self._store.record(record))
        if not is_stored:
            self._desk.keep_unsent([replace(one, next_attempt=0.0) for one in outgoing])
        self._left += [_Waiting(one, is_stored=is_stored) for one in outgoing]

    def _tell(self) -> None:
        """Publish what is left to topics whose turn it is. One that fails waits as long as the post would let it."""
        notifier, left = self._notifier(), []
        for waiting in self._left:
            one, now, topic = waiting.outgoing, self._clock.now(), waiting.outgoing.topic_arn
            failing = self._failing.get(topic)
            is_due = failing is None or failing.is_due(self._clock.monotonic())
            if self._stopping.is_set() or not is_due or notifier.is_quiet(topic, one.alert, now):
                left.append(waiting)
                continue
            error = self._error_of(lambda one=one: notifier.publish(one))  # type: ignore[misc]
            if error:
                self._failing[topic] = failed(failing, error, self._clock.monotonic())
                left.append(waiting)
                continue
            self._failing.pop(topic, None)
            if waiting.is_stored:
                self._error_of(lambda one=one: self._store.delivered([one], self._clock.now()))  # type: ignore[misc]
            else:
                self._desk.sent_after_all(one)
        self._left = left

    def _error_of(self, call: Callable[[], None]) -> str:
        """Why the call has not done its work in time, "" where it has; one that has not is left to itself."""
        done: list[str] = []

        def attempt() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - whatever broke, it is not done
                done.append(str(error) or repr(error))
            else:
                done.append("")

        thread = threading.Thread(target=attempt, name="watchdog-call", daemon=True)
        thread.start()
        thread.join(self._patience)
        error = done[0] if done else f"no answer within {self._patience:.0f} s"
        if error:
            self._say(
                "watchdog.undelivered",
                sentence=f"what the watchdog has to tell waits for its next try, or for the next pass: {error}",
            )
        return error
