"""A table's past as a trace: what is asked, which minutes are known, and what was demanded in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from watcher.clock import SimulatedClock
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Answer,
    Billing,
    Dimension,
    Kind,
    Metric,
    Query,
    TableDescription,
    TableKey,
    Throughput,
)
from watcher.core.policy import Tuning
from watcher.errors import AwsNotFound, WatcherError
from watcher.record import DAY, OWN, THROTTLES, Recording, Span, record, spans
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import PlantAws

NOW = 1_790_000_000 // DAY * DAY + 43_500  # 12:05 UTC: what is all there ends at noon
NOON = NOW - 300
INDEX_WRITE = Dimension("by-day", Kind.WRITE)
INDEX_READ = Dimension("by-day", Kind.READ)
TUNING = Tuning()


@dataclass
class Said:
    """Tables and Metrics of one table, orders, that say what they are told. points: by query, every period alike;
    partial: queries answered in part. asked: (queries, span) of every read."""

    points: dict[Query, dict[int, float]] = field(default_factory=dict)
    partial: frozenset[Query] = frozenset()
    units: int = 100
    billing: Billing = Billing.PROVISIONED
    asked: list[tuple[frozenset[Query], Span]] = field(default_factory=list)

    def names(self) -> list[str]:
        return ["orders"]

    def describe(self, name: str) -> TableDescription:
        if name != "orders":
            raise AwsNotFound("Requested resource not found", code="ResourceNotFoundException", subject=name)
        part = Throughput(dict.fromkeys(Kind, self.units))
        return TableDescription(TableKey("1", "us-east-1", name), self.billing, {"": part, "by-day": part})

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = 60) -> Mapping[Query, Answer]:
        self.asked.append((frozenset(queries), Span(int(start), int(end), period)))
        return {
            query: Answer(
                {at: value for at, value in self.points.get(query, {}).items() if start <= at < end},
                complete=query not in self.partial,
            )
            for query in queries
        }

    def operations(self) -> Mapping[str, frozenset[str]]:
        return {}


def of(metric: Metric, dimension: Dimension = TABLE_WRITE) -> Query:
    return Query("orders", metric, dimension)


def recorded(said: Said, days: int = 1, dimension: Dimension = TABLE_WRITE, name: str = "orders") -> Recording:
    return record(
        name,
        dimension,
        days,
        region="us-east-1",
        tables=said,
        metrics=said,
        tuning=TUNING,
        now=NOW,
        tell=lambda _span: None,
    )


def last(*values: float | None) -> dict[int, float]:
    """The newest minutes' values, the last of them of 11:59; None is no point."""
    starts = range(NOON - 60 * len(values), NOON, 60)
    return {start: value for start, value in zip(starts, values, strict=True) if value is not None}


# What is asked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(1, [Span(NOON - DAY, NOON, 60)], id="one day, to the minute five minutes ago"),
        pytest.param(14, [Span(NOON - 14 * DAY, NOON, 60)], id="fourteen days are the last by the minute"),
        pytest.param(
            15,
            [Span(NOON - 15 * DAY, NOON - 14 * DAY, 300), Span(NOON - 14 * DAY, NOON, 60)],
            id="the fifteenth by five minutes",
        ),
        pytest.param(
            63,
            [Span(NOW - 63 * DAY + 600, NOON - 14 * DAY, 300), Span(NOON - 14 * DAY, NOON, 60)],
            id="the sixty-third not quite whole: it is being forgotten",
        ),
    ],
)
def test_spans(days: int, expected: list[Span]) -> None:
    assert spans(NOW, days) == expected


@pytest.mark.parametrize("offset", [1, 59, 60, 299])
def test_spans_meet_on_five_minutes_and_fit_an_answer(offset: int) -> None:
    older, recent = spans(NOW + offset, 20)
    assert older.end == recent.start
    assert older.start % 300 == older.end % 300 == recent.end % 60 == 0
    assert (recent.end - recent.start) / 60 <= 20_160
    assert NOW + offset - recent.end >= 300


FULL = dict.fromkeys(range(NOON - DAY, NOON, 60), 600.0)


@pytest.mark.parametrize(
    ("points", "dimension", "more"),
    [
        pytest.param({of(Metric.CONSUMED): FULL}, TABLE_WRITE, [], id="a whole calm day asks for nothing else"),
        pytest.param(
            {of(Metric.CONSUMED): {at: value for at, value in FULL.items() if at != NOON - 600}},
            TABLE_WRITE,
            [({of(Metric.CONSUMED, one) for one in (TABLE_READ, INDEX_READ, INDEX_WRITE)}, 60)],
            id="a silent minute: what the rest of the table consumed in it",
        ),
        pytest.param(
            {of(Metric.CONSUMED): FULL, of(Metric.THROTTLED): last(5)},
            TABLE_WRITE,
            [({of(metric, INDEX_WRITE) for metric in THROTTLES}, 60), ({of(Metric.PROVISIONED)}, 300)],
            id="throttled writes of the table: the indexes', which may be the cause, and the capacity then",
        ),
        pytest.param(
            {of(Metric.CONSUMED, TABLE_READ): FULL, of(Metric.THROTTLED_PROVISIONED, TABLE_READ): last(5)},
            TABLE_READ,
            [({of(Metric.PROVISIONED, TABLE_READ)}, 300)],
            id="throttled reads have no such neighbours",
        ),
    ],
)
def test_only_what_is_needed_is_asked(
    points: dict[Query, dict[int, float]], dimension: Dimension, more: list[tuple[set[Query], int]]
) -> None:
    said = Said(points)
    recorded(said, dimension=dimension)
    first, *rest = said.asked
    assert first == (frozenset(of(metric, dimension) for metric in OWN), Span(NOON - DAY, NOON, 60))
    assert [(set(queries), span.step) for queries, span in rest] == more


# What becomes of it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "rows", "missing", "estimated"),
    [
        pytest.param({of(Metric.CONSUMED): last(60, 0, 120)}, last(60, 0, 120), 0, 0, id="consumption as it was"),
        pytest.param(
            {of(Metric.CONSUMED): last(60, 90, None, None, 120)},
            last(60, 90, None, None, 120),
            2,
            0,
            id="minutes nobody speaks of are missing",
        ),
        pytest.param(
            {of(Metric.CONSUMED): last(60, 90, None, None, 120), of(Metric.CONSUMED, INDEX_READ): last(7, None, None)},
            last(60, 90, 0, None, 120),
            1,
            0,
            id="a minute in which an index is spoken of is a zero",
        ),
        pytest.param(
            {of(Metric.CONSUMED): last(60, 6000), of(Metric.THROTTLED_PROVISIONED): last(0, 900)},
            last(60, 6900),
            0,
            1,
            id="what capacity refused is added",
        ),
        pytest.param(
            {
                of(Metric.CONSUMED): last(60, 6000),
                of(Metric.REQUESTS): last(60, 1500),
                of(Metric.THROTTLED_PROVISIONED): last(0, 900),
            },
            last(60, 9600),
            0,
            1,
            id="at what a request costs: four units",
        ),
        pytest.param(
            {
                of(Metric.CONSUMED): last(60, 6000),
                of(Metric.THROTTLED): last(0, 900),
                of(Metric.THROTTLED_KEY_RANGE): last(0, 900),
            },
            last(60, 6000),
            0,
            0,
            id="what one key range refused is not",
        ),
        pytest.param(
            {of(Metric.CONSUMED): last(60, 5400), of(Metric.THROTTLED): last(0, 900)},
            last(60, 6300),
            0,
            1,
            id="without causes, a minute at nine tenths of capacity starved",
        ),
        pytest.param(
            {of(Metric.CONSUMED): last(60, 5399), of(Metric.THROTTLED): last(0, 900)},
            last(60, 5399),
            0,
            0,
            id="and one a unit emptier did not",
        ),
        pytest.param(
            {
                of(Metric.CONSUMED): last(60, 1200),
                of(Metric.THROTTLED): last(0, 900),
                of(Metric.THROTTLED, INDEX_WRITE): last(0, 900),
            },
            last(60, 1200),
            0,
            0,
            id="nor one whose index refused the writes",
        ),
        pytest.param(
            {
                of(Metric.CONSUMED): last(60, 1200),
                of(Metric.THROTTLED): last(0, 900),
                of(Metric.PROVISIONED): {NOON - 3600: 20.0},
            },
            last(60, 2100),
            0,
            1,
            id="capacity is that of the time, not today's: 20 units a second were full",
        ),
        pytest.param(
            {
                of(Metric.CONSUMED): last(60, 60),
                of(Metric.THROTTLED_PROVISIONED): last(0, 90_000),
                of(Metric.PROVISIONED): {NOON - 300: 5.0},
            },
            last(60, TUNING.most_shown * 5 * 60),
            0,
            1,
            id="and bounds what is believed of retries",
        ),
    ],
)
def test_rows(points: dict[Query, dict[int, float]], rows: dict[int, float], missing: int, estimated: int) -> None:
    found = recorded(Said(points))
    assert found.trace.rows == pytest.approx(rows)
    assert list(found.trace.rows) == sorted(rows)
    assert (found.missing, found.estimated, found.spread) == (missing, estimated, 0)
    assert found.peak == pytest.approx(max(rows.values()) / 60)


def test_five_minutes_are_laid_out_over_their_minutes() -> None:
    fives = {NOON - 15 * DAY + 300 * number: 3000.0 for number in range(288) if number not in {100, 101}}
    minutes = dict.fromkeys(range(NOON - 14 * DAY, NOON, 60), 600.0)
    throttled = {NOON - 15 * DAY + 1500: 5000.0}
    causes = {of(Metric.THROTTLED): throttled, of(Metric.THROTTLED_PROVISIONED): throttled}
    found = recorded(Said({of(Metric.CONSUMED): fives | minutes, **causes}), days=15)
    rows = found.trace.rows
    assert (found.trace.start, found.trace.end, found.trace.step) == (NOON - 15 * DAY, NOON, 60)
    assert (found.spread, found.missing, found.estimated) == (286 * 5, 10, 5)
    for start in fives:
        expected = 8000.0 if start in throttled else 3000.0
        assert math.fsum(rows[start + 60 * n] for n in range(5)) == pytest.approx(expected)
    assert len({rows[NOON - 15 * DAY + 60 * n] for n in range(5)}) == 5, "an honest spread is not even"
    assert {at: rows[at] for at in minutes} == minutes
    assert recorded(Said({of(Metric.CONSUMED): fives | minutes, **causes}), days=15) == found


@pytest.mark.parametrize(
    ("said", "name", "dimension", "words"),
    [
        pytest.param(Said(), "nope", TABLE_WRITE, ("nope in us-east-1", "--region"), id="no such table"),
        pytest.param(Said(), "orders", Dimension("by-week", Kind.READ), ("by-week", "are by-day"), id="no such index"),
        pytest.param(Said(), "orders", TABLE_WRITE, ("nothing", "last 1 day"), id="no data"),
        pytest.param(
            Said({of(Metric.CONSUMED): last(60)}), "orders", TABLE_WRITE, ("1 minute", "last 1 day"), id="one minute"
        ),
        pytest.param(
            Said({of(Metric.CONSUMED): {NOON - 300 * n: 60.0 for n in range(1, 20)}}),
            "orders",
            TABLE_WRITE,
            ("far apart", "more traffic"),
            id="minutes so far apart that a reader would take them for five each",
        ),
        pytest.param(
            Said({of(Metric.CONSUMED): FULL}, partial=frozenset({of(Metric.THROTTLED)})),
            "orders",
            TABLE_WRITE,
            ("1 metric only in part", "nothing was written"),
            id="an answer in part",
        ),
    ],
)
def test_what_no_trace_can_be_made_of(said: Said, name: str, dimension: Dimension, words: tuple[str, ...]) -> None:
    with pytest.raises(WatcherError) as refused:
        recorded(said, dimension=dimension, name=name)
    assert refused.value.hint
    for word in words:
        assert word in str(refused.value)


def test_an_index_of_a_table_without_any_is_refused_with_the_way_out() -> None:
    plant = Plant(NOW - 3600)
    plant.create(TableSpec("orders", read=1, write=1))
    aws = PlantAws(plant, SimulatedClock(NOW))
    with pytest.raises(WatcherError, match="leave --index out"):
        record(
            "orders",
            INDEX_READ,
            1,
            region="us-east-1",
            tables=aws,
            metrics=aws,
            tuning=TUNING,
            now=NOW,
            tell=lambda _span: None,
        )


@pytest.mark.parametrize(
    "dimension",
    [pytest.param(TABLE_WRITE, id="the table's writes"), pytest.param(INDEX_WRITE, id="an index's writes")],
)
def test_a_plants_past_is_what_was_asked_of_it(dimension: Dimension) -> None:
    """Two days with a burst of six times the capacity at noon: the recording is the demand, throttled or not."""

    def demand(minute: int) -> MinuteDemand:
        burst = minute % DAY >= 43_200 and minute % DAY < 43_200 + 1800
        return MinuteDemand({TABLE_WRITE: 60.0 * (600.0 if burst else 40.0 + 20.0 * math.sin(minute / 7000))})

    plant = Plant(NOW - 2 * DAY - 900, retention=math.inf)
    index = IndexSpec("by-day", read=1, write=5000 if dimension == TABLE_WRITE else 100)
    table = 100 if dimension == TABLE_WRITE else 5000
    plant.create(TableSpec("orders", read=1, write=table, indexes=(index,), demand=demand))
    aws = PlantAws(plant, SimulatedClock(NOW))
    found = record(
        "orders",
        dimension,
        2,
        region="us-east-1",
        tables=aws,
        metrics=aws,
        tuning=TUNING,
        now=NOW,
        tell=lambda _span: None,
    )
    assert len(found.trace.rows) == 2 * 1440
    assert found.missing == 0
    assert 25 <= found.estimated <= 60  # the bucket takes the first minutes of each burst
    for minute, units in found.trace.rows.items():
        assert units == pytest.approx(demand(minute).units[TABLE_WRITE], rel=1e-3, abs=1.0)
