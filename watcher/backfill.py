"""Learns the past of tables met for the first time, between the passes and never in their way.

GetMetricData is billed per metric, whatever the number of points: two weeks of a table cost as much as two of its
minutes. What costs is the time to learn them, a second or two per table; so tables wait in a queue, and each turn has
some seconds. A table that waits is run with what is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import fsum
from zlib import crc32

from watcher.clock import Clock
from watcher.core.model import Answer, Dimension, Metric, Query, TableKey, TableObservation
from watcher.core.past import PAST_SECONDS, Study, pasts, unlearned
from watcher.core.policy import TablePolicy
from watcher.core.result import StepResult
from watcher.core.series import MINUTE
from watcher.core.state import TableState
from watcher.errors import AwsError, AwsNotFound
from watcher.observe import EVERY_MINUTE, ON_TROUBLE, dimension_queries
from watcher.ports import RegionPorts, Telemetry

SLICE = 250  # minutes learned between two looks at the clock: about a hundredth of a second
FIRST_PAUSE, LONGEST_PAUSE = 300.0, 3600.0  # seconds, of a Region whose past could not be read
KEEPING = 600  # seconds between two writings of what was learned of a table
MOST_ATTEMPTS = 12  # at one table, then it is learned from now on only


@dataclass(frozen=True, slots=True)
class Request:
    """asked_at: instant. throttled: events, and used: units per second, of the minutes seen then; for the order.
    attempts: failed ones."""

    key: TableKey
    dimensions: frozenset[Dimension]
    asked_at: float
    throttled: float
    used: float
    attempts: int = 0

    @property
    def rank(self) -> tuple[float, float, float, TableKey]:
        """The first of the queue has the smallest."""
        return self.asked_at, -self.throttled, -self.used, self.key


@dataclass(slots=True)
class Pause:
    """Of one Region. until: on the clock's monotonic face."""

    until: float = 0.0
    failures: int = 0


class Backfill:
    """The queue and the study in hand. Not for several threads at a time."""

    def __init__(
        self,
        regions: Mapping[str, RegionPorts],
        clock: Clock,
        telemetry: Telemetry,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._regions = regions
        self._clock = clock
        self._telemetry = telemetry
        self._stopping = stopping
        self._requests: dict[TableKey, Request] = {}
        self._pauses: dict[str, Pause] = {}
        self._study: tuple[TableKey, Study] | None = None

    @property
    def waiting(self) -> Collection[TableKey]:
        """Tables whose past is still to be learned, the one in hand included."""
        return self._requests.keys()

    def ask(self, request: Request) -> None:
        """Put a table into the queue, or more of its dimensions, which begins it anew."""
        known = self._requests.get(request.key)
        if known is not None:
            request = replace(known, dimensions=known.dimensions | request.dimensions)
            self._drop_study(request.key)
        self._requests[request.key] = request

    def notice(self, now: float, key: TableKey, before: TableState, result: StepResult) -> None:
        """Ask for the past of a table that has just been met, or met again after too long."""
        missing = unlearned(before, result.state)
        if missing:
            seen = result.explanation.dimensions
            throttled = fsum(sum(one.throttled.values()) for one in seen)
            used = fsum(one.consumed or 0.0 for one in seen)
            self.ask(Request(key, missing, now, throttled, used))

    def forget(self, key: TableKey) -> None:
        self._requests.pop(key, None)
        self._drop_study(key)

    def work(
        self,
        seconds: float,
        policies: Callable[[str], TablePolicy | None],
        finish: Callable[[TableKey, Study], None],
    ) -> None:
        """Read and learn for ``seconds``, as the clock counts them; ``finish`` is told of every table done. A read that
        has begun is waited for."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until and not self._stopping():
            request = self._in_hand or self._next()
            if request is None:
                return
            try:
                self._go_on(request, policies, finish)
            except Exception as error:  # noqa: BLE001 - one table's odd data must not keep the others from their turn
                self.forget(request.key)
                sentence = f"its past cannot be learned, which is a bug in the watcher: {error!r}"
                where = request.key
                self._telemetry.trouble("backfill.broken", region=where.region, table=where.name, sentence=sentence)

    @property
    def _in_hand(self) -> Request | None:
        return None if self._study is None else self._requests[self._study[0]]

    def _go_on(
        self,
        request: Request,
        policies: Callable[[str], TablePolicy | None],
        finish: Callable[[TableKey, Study], None],
    ) -> None:
        if self._study is None:
            self._begin(request, policies(request.key.name))
            return
        key, study = self._study
        if study.is_done:
            self.forget(key)
            finish(key, study)
        else:
            study.go_on(SLICE)

    def _next(self) -> Request | None:
        """The first of the queue whose Region is not paused."""
        now = self._clock.monotonic()
        paused = {region for region, pause in self._pauses.items() if pause.until > now}
        ready = [request for request in self._requests.values() if request.key.region not in paused]
        return min(ready, key=lambda request: request.rank, default=None)

    def _begin(self, request: Request, policy: TablePolicy | None) -> None:
        key = request.key
        if policy is None:
            self.forget(key)
            return
        now = self._clock.now()
        try:
            observation = read_past(self._regions[key.region], key.name, now)
        except AwsNotFound:
            self.forget(key)
        except AwsError as error:
            self._failed(request, error)
        else:
            self._pauses.pop(key.region, None)
            # A table met for the first time stands where its goal begins.
            tuning = policy.in_force(policy.standing("", None))
            self._study = key, Study(tuning, pasts(now, tuning, observation, request.dimensions))

    def _failed(self, request: Request, error: AwsError) -> None:
        """To the end of the queue, and the Region has a rest: what ails one table's past mostly ails all."""
        key = request.key
        pause = self._pauses.setdefault(key.region, Pause())
        pause.failures += 1
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (pause.failures - 1))
        pause.until = self._clock.monotonic() + seconds
        attempts = request.attempts + 1
        if attempts < MOST_ATTEMPTS:
            self._requests[key] = replace(request, asked_at=self._clock.now(), attempts=attempts)
        else:
            self.forget(key)
            sentence = f"its past could not be read {attempts} times and is done without; the last time: {error}"
            self._telemetry.trouble("backfill.given_up", region=key.region, table=key.name, sentence=sentence)
        if pause.failures == 1:
            sentence = f"the past of {key.name} cannot be read and is tried again later: {error}"
            self._telemetry.trouble("backfill.failed", region=key.region, sentence=sentence)

    def _drop_study(self, key: TableKey) -> None:
        if self._study is not None and self._study[0] == key:
            self._study = None


class Lessons:
    """When what was learned is written: it is larger than the rest of a state and can be learned anew, so every
    ``KEEPING`` seconds, which a restart makes up for."""

    def __init__(self, states: Mapping[TableKey, TableState]) -> None:
        """states: as they are in the store."""
        self._newest: dict[TableKey, int | None] = {}
        self.written(states)

    def due(self, states: Mapping[TableKey, TableState]) -> list[TableKey]:
        return [key for key, state in states.items() if self._is_due(key, _newest(state))]

    def _is_due(self, key: TableKey, newest: int | None) -> bool:
        written = self._newest.get(key)
        return newest is not None and (written is None or _slot(key, newest) != _slot(key, written))

    def written(self, states: Mapping[TableKey, TableState]) -> None:
        self._newest.update({key: _newest(state) for key, state in states.items()})

    def forget(self, key: TableKey) -> None:
        """Write it in the next pass, if there is anything."""
        self._newest.pop(key, None)


def _newest(state: TableState) -> int | None:
    newest = (one.learned.newest for one in state.dimensions.values())
    return max((minute for minute in newest if minute is not None), default=None)


def _slot(key: TableKey, minute: int) -> int:
    """Which stretch of ``KEEPING`` seconds a minute lies in. They begin at another minute for each table, or one pass
    in ten would write what all have learned."""
    return (minute + MINUTE * (crc32(key.name.encode()) % (KEEPING // MINUTE))) // KEEPING


def read_past(ports: RegionPorts, name: str, now: float) -> TableObservation:
    """Two weeks of a table as CloudWatch has them: consumption and throttles of all its dimensions (one's silence is
    told from a gap by another's points), and why and how much of the dimensions that throttled.

    Billed: two metrics for each dimension, five more for each that throttled. Raises AwsError, also for an answer that
    is not whole.
    """
    description = ports.tables.describe(name)
    end = now - now % MINUTE
    queries = dimension_queries({name: description}, EVERY_MINUTE)
    answers = dict(_whole(ports, queries, end))
    throttled = {query.dimension for query, answer in answers.items() if _throttled(query, answer)}
    troubled = [one for one in dimension_queries({name: description}, ON_TROUBLE) if one.dimension in throttled]
    if troubled:
        answers.update(_whole(ports, troubled, end))
    return TableObservation(description, now, answers)


def _throttled(query: Query, answer: Answer) -> bool:
    return query.metric is Metric.THROTTLED and any(answer.points.values())


def _whole(ports: RegionPorts, queries: list[Query], end: float) -> Mapping[Query, Answer]:
    answers = ports.metrics.read(queries, end - PAST_SECONDS, end, MINUTE)
    partial = [query for query, answer in answers.items() if not answer.complete]
    if partial:
        cause = f"{len(partial)} of {len(queries)} metrics were answered in part"
        raise AwsError(cause, code="PartialData", operation="GetMetricData", subject=f"table {queries[0].table}")
    return answers
