"""Publishes what is to be sent: several topics and incidents at once, each of them in order, and none again and again
to a topic that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace

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

    def send(self, publish: Publish, parcels: Sequence[Parcel], apply: Apply) -> list[Parcel]:
        """Publish each parcel at most once; ``apply`` hears of each in the caller's thread, as soon as its answer is
        there, so that a crash can double only what is on its way. The parcels whose topic fails come back untried.

        Whatever else than DeliveryError comes out of ``publish`` is a defect, and one message's failure.
        """
        queues: dict[str, deque[Parcel]] = {}
        for parcel in parcels:
            queues.setdefault(parcel.outgoing.topic_arn, deque()).append(parcel)
        if not queues:
            return []
        began = self._seconds()
        # Each topic its share: one that hangs must not take every worker from the others.
        share = max(1, self._workers // len(queues))
        under_way: dict[Future[None], Parcel] = {}
        with self._executor(len(parcels)) as executor:
            while True:
                is_late = self._seconds() - began > LONGEST_ROUND
                for parcel in () if is_late else self._next(queues, under_way, share):
                    under_way[_submit(executor, publish, parcel.outgoing)] = parcel
                if not under_way:
                    return [parcel for topic, queue in queues.items() if topic in self._failing for parcel in queue]
                answered, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in [one for one in under_way if one in answered]:
                    self._answered(under_way.pop(future), future, apply)

    @contextmanager
    def _executor(self, parcels: int) -> Iterator[Executor | None]:
        """None for one message at a time, in the caller's own thread."""
        if min(self._workers, parcels) <= 1:
            yield None
            return
        with ThreadPoolExecutor(min(self._workers, parcels), thread_name_prefix="post") as executor:
            yield executor

    def _next(
        self, queues: dict[str, deque[Parcel]], under_way: dict[Future[None], Parcel], share: int
    ) -> Iterator[Parcel]:
        """What may go on its way now, the topics in turn."""
        count = dict.fromkeys(queues, 0)
        for parcel in under_way.values():
            count[parcel.outgoing.topic_arn] += 1
        free = self._workers - len(under_way)
        is_moving = True
        while free > 0 and is_moving:
            is_moving = False
            for topic, queue in queues.items():
                if free > 0 and queue and count[topic] < self._room(topic, share):
                    count[topic] += 1
                    free -= 1
                    is_moving = True
                    yield queue.popleft()

    def _room(self, topic: str, share: int) -> int:
        """How many messages may be on their way to the topic: of one that fails, a probe when its time has come."""
        failing = self._failing.get(topic)
        if failing is None:
            return share
        return 1 if failing.is_due(self._clock.monotonic()) else 0

    def _answered(self, parcel: Parcel, future: Future[None], apply: Apply) -> None:
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
            sentence = f"messages wait for a topic that fails, and are tried until they are 4 days old: {why}"
            self._telemetry.trouble("alert.topic_failing", topic=topic, sentence=sentence)


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
