"""The post room: addresses alerts, and sees to it that each topic hears of each incident what it has still to hear."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, takewhile
from math import inf

from watcher.clock import Clock
from watcher.core.dispatch import Step, decide
from watcher.core.insights import SamplerMode
from watcher.core.merge import delayed, news
from watcher.core.model import Alert, Intent, Settlement, TableKey
from watcher.core.pauses import Pause, covering
from watcher.core.reasons import IncidentState
from watcher.core.telling.done import after_refusals
from watcher.core.topic_health import patience
from watcher.cycle_send import Parcel, Round, Sender
from watcher.errors import DeliveryError, StoreError
from watcher.ports import Notifier, Outgoing, Store, Telemetry, Thread

GIVE_UP_AFTER = 4 * 86_400.0  # seconds since the first failed attempt
GIVE_UP_ATTEMPTS = 500  # and so many: four days make twice as many, a step of the clock makes none
AT_ONCE = 0.0  # a next attempt that no step of the clock can move into the future
OUTCOMES_KEPT = 1000  # a message delivered later still tells what became of the change it announces
UNDER_WAY = "The change is under way."

ThreadKey = tuple[str, str]  # (incident, topic)
SAMPLED = {SamplerMode.FULL: "all keys", SamplerMode.THROTTLED: "throttled keys", SamplerMode.OFF: "keys, ended"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one round did, in messages. failed: attempted in vain; dead: given up. silenced: made pointless by a pause.
    waiting: still to go, None while the store cannot tell; held: of them, how many quiet hours or a pause hold."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    silenced: int = 0
    held: int = 0
    waiting: int | None = None

    def after(self, earlier: Delivery) -> Delivery:
        """Both rounds as one."""
        return replace(
            self,
            delivered=earlier.delivered + self.delivered,
            failed=earlier.failed + self.failed,
            dead=earlier.dead + self.dead,
            silenced=earlier.silenced + self.silenced,
        )


@dataclass(slots=True)
class Trip:
    """A round of deliveries as it goes."""

    now: float
    pauses: Sequence[Pause]
    under_way: Collection[tuple[TableKey, float]]
    delivered: int = 0
    failed: int = 0
    dead: int = 0
    silenced: int = 0
    held: int = 0


@dataclass(slots=True)
class Memory:
    """What is known of the outbox beside the store, so that a lost store neither loses nor repeats a message.

    unstored: messages that the store does not have, oldest first. stored: those it was last seen to have, by thread.
    unmarked: sent or silenced, which the store could not be told; of the unstored only ends that were sent, which the
    store is still to record, since it may hold their beginning for told. told: threads that hold their incident for
    open. unasked: ends of which the store could not say who has heard of the incident, with the topics already
    addressed. objection: why it could not.
    """

    unstored: list[Outgoing] = field(default_factory=list)
    stored: dict[ThreadKey, list[Outgoing]] = field(default_factory=dict)
    unmarked: dict[tuple[str, str], bool] = field(default_factory=dict)  # whether it was sent
    told: set[ThreadKey] = field(default_factory=set)
    unasked: list[tuple[Alert, list[str]]] = field(default_factory=list)
    objection: StoreError | None = None

    @property
    def waiting(self) -> list[Outgoing]:
        """Of the unstored, those still to be sent."""
        return [one for one in self.unstored if _key(one) not in self.unmarked]

    def stored_of(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Of messages of one thread those that the store has."""
        known = {_key(one) for message in messages[:1] for one in self.stored.get(_thread(message), ())}
        return [one for one in messages if _key(one) in known]


class Post:
    """At least once, in order within an incident and topic. While the store is lost, messages go out from memory."""

    def __init__(
        self, store: Store, notifier: Notifier, telemetry: Telemetry, clock: Clock, *, workers: int = 8
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._telemetry = telemetry
        self._sender = Sender(telemetry, clock, workers)
        self._memory = Memory()
        self._begun: tuple[Trip, Round] | None = None  # a round that may not have ended
        self._outcomes: dict[tuple[TableKey, float], list[Settlement]] = {}  # by table and instant of its intents

    def use(self, notifier: Notifier) -> None:
        """Address and deliver by this notifier from now on; what is already addressed keeps its topics."""
        if notifier is not self._notifier:
            self._notifier = notifier
            self._sender.ask_anew()

    @property
    def failing(self) -> dict[str, str]:
        """Topics that cannot be delivered to, with AWS's words, by ARN."""
        return self._sender.failing

    # ---- addressing

    def address(self, alerts: Sequence[Alert]) -> list[Outgoing]:
        """One message per alert and topic; the id is the same however often it is sent. What is told as a part of a
        storm is not told by itself. An end goes to every topic that has heard of the incident, whoever else wants it:
        by another cause or severity than now, by a config that has changed, or before it became a part of a storm."""
        memory = self._memory
        memory.objection = None
        unasked, memory.unasked = memory.unasked, []
        outgoing = []
        for alert, addressed in [*unasked, *((alert, list[str]()) for alert in alerts)]:
            topics, is_sure = self._topics_of(alert)
            more = [topic for topic in topics if topic not in addressed]
            if not is_sure:
                memory.unasked.append((alert, [*addressed, *more]))
            outgoing += [
                Outgoing(id=f"{alert.id}-{number}", topic_arn=topic, alert=alert)
                for number, topic in enumerate(more, len(addressed))
            ]
        return outgoing

    def must_have_addressed(self) -> None:
        """Raises StoreError where an end may have to go to more topics than it was addressed to: its record must fail,
        so that another life tells it, should this one not come to it."""
        if self._memory.objection is not None:
            raise self._memory.objection

    def _topics_of(self, alert: Alert) -> tuple[list[str], bool]:
        """(its topics, whether these are all)."""
        topics = [] if alert.storm else self._notifier.topics_for(alert)
        memory = self._memory
        if alert.state is not IncidentState.RESOLVED:
            return topics, True
        heard = [topic for about, topic in (*memory.told, *memory.stored) if about == alert.incident]
        heard += [one.topic_arn for one in memory.waiting if one.alert.incident == alert.incident]
        if memory.objection is None:  # asked once in vain is enough
            try:
                heard += self._store.hearers(alert.incident)
            except StoreError as error:
                memory.objection = error
                self._lost(error)
        return list(dict.fromkeys([*topics, *sorted(heard)])), memory.objection is None

    @property
    def unstored(self) -> Sequence[Outgoing]:
        """What waits in memory only, oldest first: to be recorded, before anything newer, as soon as it can be."""
        return tuple(self._memory.unstored)

    def keep_unstored(self, outgoing: Sequence[Outgoing]) -> None:
        """The store could not record them."""
        self._memory.unstored.extend(outgoing)

    def stored(self, outgoing: Sequence[Outgoing]) -> None:
        """These are recorded now, and so is what waited in memory before them."""
        for one in (*self._memory.unstored, *outgoing):
            self._memory.stored.setdefault(_thread(one), []).append(one)
        self._memory.unstored.clear()

    # ---- delivering

    def deliver(
        self,
        now: float,
        settlements: Sequence[Settlement] = (),
        *,
        pauses: Sequence[Pause] = (),
        under_way: Collection[Intent] = (),
    ) -> Delivery:
        """Try everything that is due, once. settlements: what has become of changes, told before or not. under_way:
        intents that are still to be carried out, so that a message that announces one says so."""
        early = self._finished()
        topics = self.begin(now, settlements, pauses=pauses, under_way=under_way, aside=False)
        self.go_on(inf)
        trip = self._finished() or Trip(now, pauses, ())
        self._sender.keep_only(topics)
        done = _done(trip, self._waiting())
        return done if early is None else done.after(_done(early, None))

    def begin(
        self,
        now: float,
        settlements: Sequence[Settlement] = (),
        *,
        pauses: Sequence[Pause] = (),
        under_way: Collection[Intent] = (),
        aside: bool = True,
    ) -> set[str]:
        """As :meth:`deliver`, which goes on with it and counts it; until then nothing moves but in :meth:`go_on`.
        aside: not in the caller's own thread. The topics for which something waits."""
        self._finished()
        self._remember(settlements)
        trip = Trip(now, pauses, {(intent.action.table, intent.time) for intent in under_way})
        threads = self._threads(trip)
        parcels = [parcel for thread in threads if (parcel := self._dispatched(trip, thread)) is not None]
        apply = partial(self._answered, trip)
        self._begun = trip, self._sender.begin(self._notifier.publish, parcels, apply, aside=aside)
        return {thread.topic_arn for thread in threads}

    def go_on(self, seconds: float = 0.0) -> None:
        """Write down what is answered of what was begun, and send more of it, for at most so many real seconds."""
        if self._begun is not None:
            self._begun[1].go_on(seconds)

    def _finished(self) -> Trip | None:
        """The trip of the round that was begun, with all its answers."""
        if self._begun is None:
            return None
        (trip, begun), self._begun = self._begun, None
        begun.finish()
        return trip

    def _waiting(self) -> int | None:
        try:
            return self._store.waiting() + len(self._memory.waiting)
        except StoreError as error:
            self._lost(error)
            return None

    def _threads(self, trip: Trip) -> list[Thread]:
        """All that is to be told, the oldest first: of the store, or while it is lost of what it was last seen to hold;
        and behind that what waits in memory only."""
        memory = self._memory
        try:
            found = list(self._store.outbox(trip.now))
        except StoreError as error:
            self._lost(error)
            found = [
                Thread(*key, tuple(messages), key in memory.told) for key, messages in memory.stored.items() if messages
            ]
        else:
            memory.stored = {(thread.incident, thread.topic_arn): list(thread.messages) for thread in found}
            memory.told.update((thread.incident, thread.topic_arn) for thread in found if thread.told)
            # The store may have taken a message and only its answer was lost.
            known = {_key(one) for thread in found for one in thread.messages}
            memory.unstored = [one for one in memory.unstored if _key(one) not in known]
            known |= {_key(one) for one in memory.unstored}
            memory.unmarked = {key: sent for key, sent in memory.unmarked.items() if key in known}
        threads = {(thread.incident, thread.topic_arn): self._marked(trip, thread) for thread in found}
        for one in memory.waiting:
            key = _thread(one)
            before = threads.get(key) or Thread(*key, (), key in memory.told)
            threads[key] = replace(before, messages=(*before.messages, one))
        return [thread for thread in threads.values() if thread.messages]

    def _marked(self, trip: Trip, thread: Thread) -> Thread:
        """The thread without the messages at its head that are dealt with; tells the store of them where it can."""
        unmarked = self._memory.unmarked
        dealt = list(takewhile(lambda one: _key(one) in unmarked, thread.messages))
        told = thread.told
        for sent, messages in groupby(dealt, key=lambda one: unmarked[_key(one)]):
            told = self._note(thread, list(messages), told, sent=sent)
        for sent, messages in groupby(dealt, key=lambda one: unmarked[_key(one)]):
            if not self._mark(trip, list(messages), sent=sent):
                break  # the store hears of them in order
        return replace(thread, messages=thread.messages[len(dealt) :], told=told) if dealt else thread

    def _note(self, thread: Thread, messages: Sequence[Outgoing], told: bool, *, sent: bool) -> bool:  # noqa: FBT001 - as the thread has it
        """Whether the thread holds its incident for open after these were sent or silenced."""
        ended = messages[-1].alert.state is IncidentState.RESOLVED
        after = not ended and (sent or told)
        key = (thread.incident, thread.topic_arn)
        (self._memory.told.add if after else self._memory.told.discard)(key)
        return after

    def _dispatched(self, trip: Trip, thread: Thread) -> Parcel | None:
        """What is to be sent of the thread, if anything."""
        thread = self._without_stale(trip, thread)
        alerts = [self._with_outcome(trip, one.alert) for one in thread.messages]
        topic, newest = thread.topic_arn, thread.messages[-1]
        verdict = decide(
            alerts,
            thread.told,
            lambda alert: self._notifier.is_quiet(topic, alert, trip.now),
            _is_paused(trip, newest.alert),
            tried=any(one.attempts for one in thread.messages),
        )
        if verdict.action is Step.SEND:
            number = next(one.id for one in thread.messages if one.alert.id == verdict.alert.id)
            return Parcel(thread, replace(newest, id=number, alert=delayed(verdict.alert, trip.now)))
        if verdict.action is Step.HOLD:
            trip.held += len(thread.messages)
        else:
            trip.silenced += len(thread.messages)
            self._close(trip, thread, sent=False)
        return None

    def _answered(self, trip: Trip, parcel: Parcel, error: DeliveryError | None) -> None:
        thread = parcel.thread
        if error is None:
            trip.delivered += len(thread.messages)
            self._close(trip, thread, sent=True)
            return
        trip.failed += len(thread.messages)
        if (error.of_message and not error.retryable) or _is_hopeless(thread, trip.now):
            self._give_up(trip, thread, str(error))
        else:
            self._try_again(trip, thread, error)

    def _close(self, trip: Trip, thread: Thread, *, sent: bool) -> None:
        """The thread's messages are dealt with."""
        self._note(thread, thread.messages, thread.told, sent=sent)
        # Before the store is told: if it cannot be, no message must go out again every minute.
        self._memory.unmarked.update((_key(one), sent) for one in thread.messages)
        self._drop_unstored(thread.messages, sent=sent)
        self._mark(trip, self._memory.stored_of(thread.messages), sent=sent)

    def _without_stale(self, trip: Trip, thread: Thread) -> Thread:
        """Without the reminders that newer messages have made pointless, lest they pile up in a long silence."""
        fresh = {alert.id for alert in news([one.alert for one in thread.messages])}
        stale = [one for one in thread.messages if one.alert.id not in fresh]
        if not stale or not self._mark(trip, self._memory.stored_of(stale), sent=False):
            return thread
        self._drop_unstored(stale)
        return replace(thread, messages=tuple(one for one in thread.messages if one.alert.id in fresh))

    def _drop_unstored(self, messages: Sequence[Outgoing], *, sent: bool = False) -> None:
        """They are dealt with. Of those sent last in their thread, an end stays until the store has it."""
        memory, newest = self._memory, messages[-1]
        closed = {_key(one) for one in messages}
        if sent:
            closed |= {_key(one) for one in memory.unstored if _thread(one) == _thread(newest)} & memory.unmarked.keys()
            if newest.alert.state is IncidentState.RESOLVED:
                closed.discard(_key(newest))
        memory.unstored = [one for one in memory.unstored if _key(one) not in closed]

    def _mark(self, trip: Trip, messages: Sequence[Outgoing], *, sent: bool) -> bool:
        if messages:
            try:
                (self._store.delivered if sent else self._store.silenced)(messages, trip.now)
            except StoreError as error:
                self._lost(error)
                return False
            self._forget(messages)
        return True

    def _forget(self, messages: Sequence[Outgoing]) -> None:
        """The store has closed these messages of one thread."""
        key = _thread(messages[0])
        closed = {_key(one) for one in messages}
        for one in closed:
            self._memory.unmarked.pop(one, None)
        left = [one for one in self._memory.stored.get(key, ()) if _key(one) not in closed]
        if left:
            self._memory.stored[key] = left
        else:
            self._memory.stored.pop(key, None)

    # ---- failing

    def _try_again(self, trip: Trip, thread: Thread, error: DeliveryError) -> None:
        """A topic that fails is asked again by the sender's patience; what is wrong with one message only, by its."""
        again = AT_ONCE
        if error.of_message:
            self._undelivered(thread, str(error), dead=False)
            again = trip.now + patience(1 + max(one.attempts for one in thread.messages))
        self._count_failure(trip, thread, str(error), again)

    def _give_up(self, trip: Trip, thread: Thread, why: str) -> None:
        trip.dead += len(thread.messages)
        self._undelivered(thread, why, dead=True)
        self._note(thread, thread.messages, thread.told, sent=False)
        self._drop_unstored(thread.messages)
        self._count_failure(trip, thread, why, None)

    def _undelivered(self, thread: Thread, why: str, *, dead: bool) -> None:
        self._telemetry.trouble(
            "alert.undelivered", incident=thread.incident, topic=thread.topic_arn, dead=dead, sentence=why
        )

    def _count_failure(self, trip: Trip, thread: Thread, why: str, again: float | None) -> None:
        stored = self._memory.stored_of(thread.messages)
        if not stored:
            return
        try:
            self._store.failed(stored, trip.now, why, again)
        except StoreError as error:
            self._lost(error)
            return
        if again is None:
            self._forget(stored)

    def _lost(self, error: StoreError) -> None:
        self._telemetry.trouble("store.failed", sentence=str(error))

    # ---- what became of a change

    def _remember(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            about = (settlement.intent.action.table, settlement.intent.time)
            known = self._outcomes.setdefault(about, [])
            if settlement not in known:
                known.append(settlement)
        for oldest in list(self._outcomes)[: max(0, len(self._outcomes) - OUTCOMES_KEPT)]:
            del self._outcomes[oldest]

    def _with_outcome(self, trip: Trip, alert: Alert) -> Alert:
        """The alert with what became of the action it announces; it was written before acting."""
        about = (alert.table, alert.time)
        settled = self._outcomes.get(about, ())
        alert = after_refusals(alert, settled)
        done = alert.done
        for said in (*map(_outcome, settled), *([UNDER_WAY] if about in trip.under_way else [])):
            if said not in done:
                done = f"{done} {said}".strip()
        return alert if done == alert.done else replace(alert, done=done)


def _done(trip: Trip, waiting: int | None) -> Delivery:
    return Delivery(trip.delivered, trip.failed, trip.dead, trip.silenced, trip.held, waiting)


def _is_hopeless(thread: Thread, now: float) -> bool:
    """Whether all of it has been tried for so long, by the clock and by count, that it is news no more. How old it is
    does not matter: what a pause has held for a week has been tried once."""
    return all(
        one.attempts + 1 >= GIVE_UP_ATTEMPTS
        and one.first_failed_at is not None
        and now - one.first_failed_at >= GIVE_UP_AFTER
        for one in thread.messages
    )


def _outcome(settlement: Settlement) -> str:
    """What became of an action, a sentence; which one is plain from the message, except for what is sampled."""
    why = f" ({settlement.detail})" if settlement.detail else ""
    switch = settlement.intent.action.switch
    if switch is None:
        return f"Outcome: {settlement.outcome}{why}."
    what = f"Sampling of {SAMPLED[switch.after]}" + (f" of index {switch.index}" if switch.index else "")
    return f"{what}: {settlement.outcome}{why}."


def _is_paused(trip: Trip, alert: Alert) -> bool:
    """Whether pauses cover its table; of a storm, all of its tables."""
    names = alert.tables or (alert.table.name,)
    return all(covering(trip.pauses, replace(alert.table, name=name), trip.now) for name in names)


def _key(outgoing: Outgoing) -> tuple[str, str]:
    return outgoing.id, outgoing.topic_arn


def _thread(outgoing: Outgoing) -> ThreadKey:
    return outgoing.alert.incident, outgoing.topic_arn
