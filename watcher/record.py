"""A table's own past as a trace: what is read of CloudWatch for it, and the demand estimated from that.

The rules are the daemon's own: core/intake.py says which minutes are known, core/demand.py what was demanded in them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from watcher.core.demand import Minute, minutes
from watcher.core.intake import take_in
from watcher.core.model import (
    CAUSE_METRICS,
    TABLE_WRITE,
    Answer,
    Dimension,
    Kind,
    Metric,
    Query,
    TableDescription,
    TableKey,
    TableObservation,
)
from watcher.core.policy import Tuning
from watcher.core.series import MINUTE, Series
from watcher.core.state import DimensionState
from watcher.core.words import count
from watcher.errors import AwsNotFound, WatcherError
from watcher.ports import Metrics, Tables
from watcher.replay.trace import Trace

DAY = 86_400
FIVE_MINUTES = 300
# CloudWatch keeps minutes for 15 days and five minutes for 63; a read must start a little later than that.
MINUTE_DAYS = 14
MOST_DAYS = 63
MARGIN = 600
PUBLISHED_AFTER = 300  # seconds after its end a minute's points are all there, the late ones too

THROTTLES = (Metric.THROTTLED, *CAUSE_METRICS)
OWN = (Metric.CONSUMED, Metric.REQUESTS, *THROTTLES)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the past, read by ``step`` seconds: [start, end)."""

    start: int
    end: int
    step: int


@dataclass(frozen=True, slots=True)
class Past:
    """What CloudWatch said of one span. answers: units and events per minute, also where the step is longer.
    capacity: provisioned units per second of the recorded dimension by the start of its five minutes."""

    description: TableDescription
    span: Span
    answers: Mapping[Query, Answer]
    capacity: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Recording:
    """A trace by the minute, and how it came about.

    asked_from: start of what was asked for. estimated: minutes whose demand is more than what was consumed, because of
    throttling. spread: minutes that come from sums of five.
    """

    table: TableKey
    dimension: Dimension
    trace: Trace
    asked_from: int
    estimated: int
    spread: int

    @property
    def missing(self) -> int:
        """Minutes between the first and the last row that have none: CloudWatch did not speak of them."""
        return (self.trace.end - self.trace.start) // MINUTE - len(self.trace.rows)

    @property
    def peak(self) -> float:
        """Units per second of the busiest minute."""
        return max(self.trace.rows.values()) / MINUTE


def record(
    name: str,
    dimension: Dimension,
    days: int,
    *,
    region: str,
    tables: Tables,
    metrics: Metrics,
    tuning: Tuning,
    now: float,
    tell: Callable[[Span], object],
) -> Recording:
    """The last ``days`` days (1 to 63) of one dimension. tell: called before each span is read.

    Raises WatcherError with the remedy for an unknown table or index, for too little data, and for answers in part;
    AwsError for calls that failed.
    """
    description = described(tables, name, dimension.index, region, "record")
    rows: dict[int, float] = {}
    estimated = spread = 0
    asked = spans(now, days)
    for span in asked:
        tell(span)
        found = estimate(now, tuning, read_past(metrics, description, dimension, span), dimension)
        part = by_minute(found, span.step)
        estimated += sum(span.step // MINUTE for one in found if one.wanted > one.served)
        spread += len(part) if span.step > MINUTE else 0
        rows |= part
    _check(rows, name, dimension, days)
    trace = Trace(dict(sorted(rows.items())), MINUTE)
    return Recording(description.key, dimension, trace, asked[0].start, estimated, spread)


def spans(now: float, days: int) -> list[Span]:
    """What to read, oldest first: fourteen days by the minute, what lies before by five minutes."""
    end = int(now - PUBLISHED_AFTER) // MINUTE * MINUTE
    if days <= MINUTE_DAYS:
        return [Span(end - days * DAY, end, MINUTE)]
    recent = _whole(end - MINUTE_DAYS * DAY)
    oldest = _whole(max(end - days * DAY, now - MOST_DAYS * DAY + MARGIN))
    return [Span(oldest, recent, FIVE_MINUTES), Span(recent, end, MINUTE)]


def _whole(instant: float) -> int:
    """The first start of five minutes that is not before ``instant``."""
    return int(-(-instant // FIVE_MINUTES) * FIVE_MINUTES)


def read_past(metrics: Metrics, description: TableDescription, dimension: Dimension, span: Span) -> Past:
    """The dimension's own metrics; then only what these leave open, for every metric of fourteen days is a fifth of a
    GetMetricData call."""
    table = description.key.name
    answers = _read(metrics, [Query(table, metric, dimension) for metric in OWN], span)
    throttled = any(any(answers[Query(table, metric, dimension)].points.values()) for metric in THROTTLES)
    silent = len(answers[Query(table, Metric.CONSUMED, dimension)].points) < (span.end - span.start) // span.step
    answers |= _read(metrics, _neighbours(description, dimension, throttled=throttled, silent=silent), span)
    capacity: Mapping[int, float] = {}
    if throttled:
        query = Query(table, Metric.PROVISIONED, dimension)
        capacity = _read(metrics, [query], replace(span, step=FIVE_MINUTES))[query].points
    factor = MINUTE / span.step
    return Past(
        description,
        span,
        {
            query: Answer({start: value * factor for start, value in answer.points.items()})
            for query, answer in answers.items()
        },
        capacity,
    )


def _neighbours(description: TableDescription, dimension: Dimension, *, throttled: bool, silent: bool) -> list[Query]:
    """Other consumption says whether a silent minute is a zero; indexes that refuse writes throttle their table's."""
    table = description.key.name
    others = [other for other in description.dimensions() if other != dimension]
    wanted = [Query(table, Metric.CONSUMED, other) for other in others] if silent else []
    if throttled and dimension == TABLE_WRITE:
        writers = [other for other in others if other.kind is Kind.WRITE]
        wanted += [Query(table, metric, other) for other in writers for metric in THROTTLES]
    return wanted


def _read(metrics: Metrics, queries: Sequence[Query], span: Span) -> dict[Query, Answer]:
    """Whole answers only: what is missing from one in part would look like quiet minutes."""
    if not queries:
        return {}
    answers = dict(metrics.read(queries, span.start, span.end, span.step))
    broken = [query for query, answer in answers.items() if not answer.complete]
    if broken:
        raise _refused(
            f"CloudWatch answered {count(len(broken), 'metric')} only in part",
            broken[0].table,
            "run it again in a minute; nothing was written",
        )
    return answers


def estimate(now: float, tuning: Tuning, past: Past, dimension: Dimension) -> list[Minute]:
    """What was demanded in each known step of a span, per minute, oldest first."""
    return estimated(now, tuning, known(now, tuning, past), past, dimension)


def known(now: float, tuning: Tuning, past: Past) -> dict[Dimension, DimensionState]:
    """The series of every dimension of the table, as far as ``past`` has answers."""
    observation = TableObservation(past.description, now, past.answers)
    taken = take_in(now, tuning, {}, observation, keep_seconds=now - past.span.start)
    return {one: intake.state for one, intake in taken.items()}


def estimated(
    now: float, tuning: Tuning, states: Mapping[Dimension, DimensionState], past: Past, dimension: Dimension
) -> list[Minute]:
    """``estimate`` from series taken in before. past: with the capacity of this dimension."""
    found: list[Minute] = []
    for capacity, part in _by_capacity(states, dimension, past).items():
        found += minutes(now, tuning, dimension, part, capacity, past.span.start)
    return sorted(found, key=lambda one: one.start)


def by_minute(found: Iterable[Minute], step: int) -> dict[int, float]:
    """Units demanded by the minute; longer steps are laid out over their minutes as every coarse trace is."""
    rows = {one.start: one.wanted * step / MINUTE for one in found}
    return Trace(rows, step).minutes() if rows and step > MINUTE else rows


def _by_capacity(
    states: Mapping[Dimension, DimensionState], dimension: Dimension, past: Past
) -> dict[int, dict[Dimension, DimensionState]]:
    """The states, divided by the capacity that each minute of ``dimension`` had: the estimate takes one at a time."""
    at = _capacity_at(past.capacity, past.description.provisioned(dimension))
    group = {minute: at(minute) for minute in states[dimension].consumed.points}
    parts: dict[int, dict[Dimension, DimensionState]] = {
        capacity: dict.fromkeys(states, DimensionState()) for capacity in set(group.values())
    }
    for one, state in states.items():
        consumed, requests, throttled = (
            _divided(series, group) for series in (state.consumed, state.requests, state.throttled)
        )
        causes = {cause: _divided(series, group) for cause, series in state.causes.items()}
        for capacity, part in parts.items():
            part[one] = DimensionState(
                Series(consumed[capacity]),
                Series(requests[capacity]),
                Series(throttled[capacity]),
                {cause: Series(divided[capacity]) for cause, divided in causes.items()},
            )
    return parts


def _divided(series: Series, group: Mapping[int, int]) -> defaultdict[int, dict[int, float]]:
    parts: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for minute, value in series.points.items():
        if minute in group:
            parts[group[minute]][minute] = value
    return parts


def _capacity_at(points: Mapping[int, float], current: int) -> Callable[[int], int]:
    """The capacity in force at a minute: the newest point before it, else the first; without any, the ``current``."""
    starts = sorted(points)

    def at(minute: int) -> int:
        return int(points[starts[max(0, bisect_right(starts, minute) - 1)]]) if starts else current

    return at


def described(tables: Tables, name: str, index: str, region: str, command: str) -> TableDescription:
    """The table, which has this index ("" for none). Raises WatcherError in the name of ``command`` where it has not,
    or is not there; AwsError when it cannot be described."""
    try:
        description = tables.describe(name)
    except AwsNotFound as error:
        place = f"{name} in {region}"
        hint = "check the name, and give its Region with --region"
        raise _refused(error.cause, place, hint, command) from error
    if index in description.throughputs:
        return description
    indexes = ", ".join(sorted(index for index in description.throughputs if index))
    hint = f"its indexes are {indexes}" if indexes else "it has none; leave --index out"
    raise _refused(f"there is no global secondary index {index}", name, hint, command)


def _check(rows: Mapping[int, float], name: str, dimension: Dimension, days: int) -> None:
    """Raise WatcherError for what no trace can be made of."""
    if len(rows) < 2:
        known = count(len(rows), "minute") if rows else "nothing"
        raise _refused(
            f"CloudWatch knows {known} of its {dimension.noun} in the last {count(days, 'day')}",
            name,
            "check --region, --index and --dimension, or wait until there is traffic",
        )
    steps = Counter(later - earlier for earlier, later in pairwise(sorted(rows)))
    if steps[MINUTE] < max(steps.values()):
        # The commonest step between rows is what a trace's reader takes for their length.
        raise _refused(
            f"CloudWatch knows its {dimension.noun} only of minutes far apart, which would be read as longer intervals",
            name,
            "record a dimension with more traffic",
        )


def _refused(cause: str, table: str, hint: str, command: str = "record") -> WatcherError:
    return WatcherError(cause, operation=command, subject=f"table {table}", hint=hint)
