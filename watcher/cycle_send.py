"""Publishes what is to be sent: several topics and incidents at once, each of them in order, and none again and again
to a topic that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import inf

from watcher.clock import Clock, process_seconds
from watcher.core.topic_health import Failing, failed
from watcher.errors import DeliveryError
from watcher.ports import Outgoing, Telemetry, Thread

LONGEST_ROUND = 20.0  # real seconds after which a round begins no new message: the next pass goes on


@dataclass(frozen=True, slots=True)
class Parcel:
    """outgoing: the one message that stands for all those of ``thread``."""

    thread: Thread
    outgoing: Outgoing


Publish = Callable[[Outgoing], None]
Apply = Callable[[Parcel, DeliveryError | None], None]


class Sender:
    """Remembers which topics fail, in memory: a new life of the watcher asks each of them anew."""

    def __init__(
        self, telemetry: Telemetry, clock: Clock, workers: int, seconds: Callable[[], float] = process_seconds
    ) -> None:
        """workers: messages on their way at once. seconds: real time, for the length of a round."""
        self._telemetry = telemetry
        self._clock = clock
        self._workers = workers
        self._seconds = seconds
        self._failing: dict[str, Failing] = {}

    @property
    def failing(self) -> dict[str, str]:
        """Why each of the topics fails that do."""
        return {topic: failing.error for topic, failing in self._failing.items()}

    def ask_anew(self) -> None:
        """Whatever failed may have been mended: probe at once."""
        self._failing = {topic: replace(failing, probe_at=0.0) for topic, failing in self._failing.items()}

    def keep_only(self, topics: set[str]) -> None:
        """Nothing waits for any other topic, so none of them is known to fail."""
        self._failing = {topic: failing for topic, failing in self._failing.items() if topic in topics}

    def begin(self, publish: Publish, parcels: Sequence[Parcel], apply: Apply, *, aside: bool = False) -> Round:
        """A round in which each parcel is published at most once, to be gone on with. aside: never in the caller's own
        thread, if there are workers at all."""
        alone = self._workers <= 1 or (len(parcels) <= 1 and not aside)
        return Round(self, publish, parcels, apply, None if alone else min(self._workers, len(parcels)))

    def now(self) -> float:
        """Real seconds."""
        return self._seconds()

    def room(self, topic: str, share: int) -> int:
        """How many messages may be on their way to the topic: of one that fails, a probe when its time has come."""
        failing = self._failing.get(topic)
        if failing is None:
            return share
        return 1 if failing.is_due(self._clock.monotonic()) else 0

    @property
    def workers(self) -> int:
        return self._workers

    def answered(self, parcel: Parcel, future: Future[None], apply: Apply) -> None:
        topic = parcel.outgoing.topic_arn
        defect = future.exception()
        if defect is not None and not isinstance(defect, Exception):
            raise defect
        error = defect if isinstance(defect, DeliveryError) or defect is None else _defect(topic, defect)
        if error is None:
            self._works(topic)
        elif not error.of_message:
            self._fails(topic, str(error))
        apply(parcel, error)

    def _works(self, topic: str) -> None:
        if self._failing.pop(topic, None) is not None:
            self._telemetry.trouble(
                "alert.topic_back", topic=topic, sentence=f"{topic} takes messages again; what has waited follows"
            )

    def _fails(self, topic: str, why: str) -> None:
        before = self._failing.get(topic)
        self._failing[topic] = failed(before, why, self._clock.monotonic())
        if before is None:
            sentence = f"messages wait for a topic that fails, and each is tried for four days: {why}"
            self._telemetry.trouble("alert.topic_failing", topic=topic, sentence=sentence)


class Round:
    """Parcels on their way. ``apply`` hears of each in the caller's thread, as soon as its answer is there, so that a
    crash can double only what is on its way. Parcels of a topic that fails stay untried.

    Whatever else than DeliveryError comes out of ``publish`` is a defect, and one message's failure.
    """

    def __init__(
        self, sender: Sender, publish: Publish, parcels: Sequence[Parcel], apply: Apply, threads: int | None
    ) -> None:
        """threads: None for one message at a time, in the caller's own thread."""
        self._sender = sender
        self._publish = publish
        self._apply = apply
        self._queues: dict[str, deque[Parcel]] = {}
        for parcel in parcels:
            self._queues.setdefault(parcel.outgoing.topic_arn, deque()).append(parcel)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="post") if threads else None
        self._under_way: dict[Future[None], Parcel] = {}
        self._began = sender.now()

    def go_on(self, seconds: float = inf) -> None:
        """Begin what may be begun and apply what is answered, for so many real seconds; by default until all is."""
        until = self._sender.now() + seconds
        while True:
            for parcel in self._next(until):
                self._under_way[_submit(self._executor, self._publish, parcel.outgoing)] = parcel
            patience = None if seconds == inf else max(0.0, until - self._sender.now())
            if not self._under_way or not self._collect(patience):
                return

    def finish(self) -> None:
        """Begin no more, and apply every answer that is still to come."""
        self._queues.clear()
        try:
            while self._under_way:
                self._collect(None)
        finally:
            if self._executor is not None:
                self._executor.shutdown()

    def _collect(self, patience: float | None) -> bool:
        """Whether there was any answer within the patience, in seconds."""
        answered, _ = wait(self._under_way, patience, FIRST_COMPLETED)
        for future in [one for one in self._under_way if one in answered]:
            self._sender.answered(self._under_way.pop(future), future, self._apply)
        return bool(answered)

    def _next(self, until: float) -> Iterator[Parcel]:
        """What may go on its way now, the topics in turn."""
        now = self._sender.now()
        # What is sent in the caller's own thread holds it up.
        if now - self._began > LONGEST_ROUND or (self._executor is None and now > until):
            return
        # Each topic its share: one that hangs must not take every worker from the others.
        share = max(1, self._sender.workers // max(1, len(self._queues)))
        count = dict.fromkeys(self._queues, 0)
        for parcel in self._under_way.values():
            count[parcel.outgoing.topic_arn] += 1
        free = self._sender.workers - len(self._under_way)
        is_moving = True
        while free > 0 and is_moving:
            is_moving = False
            for topic, queue in self._queues.items():
                if free > 0 and queue and count[topic] < self._sender.room(topic, share):
                    count[topic] += 1
                    free -= 1
                    is_moving = True
                    yield queue.popleft()


def _submit(executor: Executor | None, publish: Publish, outgoing: Outgoing) -> Future[None]:
    if executor is not None:
        return executor.submit(publish, outgoing)
    done: Future[None] = Future()
    try:
        publish(outgoing)
    except Exception as error:  # noqa: BLE001 - a future carries it, as it would from another thread
        done.set_exception(error)
    else:
        done.set_result(None)
    return done


def _defect(topic: str, error: Exception) -> DeliveryError:
    cause = f"the message cannot be published, which is a bug in the watcher: {error!r}"
    return DeliveryError(cause, subject=topic, of_message=True)
