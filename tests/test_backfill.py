"""A table met for the first time is soon run as if it had been watched for two weeks, and nothing waits for that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.wire import down
from tests.support.world import POLICY, REGION, SETTINGS, START, World, key
from watcher.backfill import FIRST_PAUSE, MOST_ATTEMPTS, SLICE, Lessons
from watcher.clock import SimulatedClock
from watcher.core.learned import Learned
from watcher.core.model import TABLE_READ, TABLE_WRITE, Answer, Billing, Dimension, Kind, Query, TableKey
from watcher.core.reasons import Mode
from watcher.core.state import DimensionState, TableState
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import PlantAws

DAY = 86_400
DAYS = 3
AGO = DAYS * DAY
READ = f"{REGION}/metrics.read"


def daily(minute: int) -> MinuteDemand:
    """A day, an hour with a peak, some noise; never throttled."""
    noise = minute // 60 * 2_654_435_761 % 1000 / 1000 - 0.5
    rate = (200.0 + 150.0 * math.sin(minute % DAY / DAY * math.tau)) * math.exp(0.4 * noise)
    peak = 2.0 if minute % 3600 == 600 else 1.0
    return MinuteDemand({TABLE_WRITE: 60.0 * rate * peak, TABLE_READ: 60.0 * 50.0})


def orders(name: str = "orders", **parts: Any) -> TableSpec:  # noqa: ANN401 - of TableSpec
    return TableSpec(name, read=100, write=900, **{"demand": daily, **parts})


class Past(World):
    """A world whose tables are days old when the watcher first sees them."""

    def __init__(self, *specs: TableSpec, age: int = AGO, **parts: Any) -> None:  # noqa: ANN401 - of World
        super().__init__(**parts)
        self.plant = Plant(START - age, region=REGION, jitter=0.0, late_share=0.0, spread=0.0)
        for spec in specs:
            self.plant.create(spec)
        self.aws = PlantAws(self.plant, self.clock)

    def learned(self, name: str = "orders", dimension: Dimension = TABLE_WRITE) -> Learned:
        return self.cycle.states()[key(name)].dimensions[dimension].learned

    def learning(self) -> int:
        return self.telemetry.reports[-1].learning


ADVISING = replace(POLICY, mode=Mode.ADVISE)


@pytest.fixture
def world() -> Iterator[Past]:
    with Past(orders(), policies=lambda _: ADVISING) as made:
        yield made


# Like one that watched ----------------------------------------------------------------------------------------------


def lived_through(spec: TableSpec) -> tuple[Past, Past]:
    """(one that watched for all of the plant's past, one that met the table at its end), both at START."""
    old = Past(spec, policies=lambda _: ADVISING, settings=replace(SETTINGS, latency=False))
    old.clock = SimulatedClock(START - AGO)
    old.aws = PlantAws(old.plant, old.clock)
    old.clock.advance(125)
    new = Past(spec, policies=lambda _: ADVISING, settings=replace(SETTINGS, latency=False))
    return old, new


def moneyless(learned: Learned) -> Learned:
    return replace(learned, spent=0.0, used=0.0, lost=0.0, booked=0.0)


def test_after_the_backfill_the_watcher_decides_as_one_that_lived_through_it() -> None:
    """Nothing throttled and no point was late, so demand is the same to the last bit, and so is what was learned, money
    apart. Decisions agree to the letter, minute by minute."""
    old, new = lived_through(orders())
    with old, new:
        old.run(AGO // 60 - 1)
        new.run()
        new.cycle.learn_past()
        for _ in range(30):
            old.run()
            new.run()
            was, found = old.learned(), new.learned()
            assert found.newest == was.newest
            assert found.minutes == was.minutes
            assert moneyless(found) == moneyless(was)
            told = [
                [(one.reason, one.before, one.after, one.sentence) for one in table.explanation.decisions]
                for world in (old, new)
                for table in world.telemetry.reports[-1].tables
                if table.explanation
            ]
            assert told[0] == told[1]


def throttling(minute: int) -> MinuteDemand:
    """Far above its capacity for five minutes of every hour."""
    rate = 900.0 if minute % 3600 < 300 else 60.0
    return MinuteDemand({TABLE_WRITE: 60.0 * rate, TABLE_READ: 60.0 * 50.0})


def test_past_throttling_counts_as_demand_as_it_did_when_it_was_watched() -> None:
    spec = TableSpec("orders", read=100, write=100, demand=throttling)
    old, new = lived_through(spec)
    with old, new:
        old.run(AGO // 60)
        new.run()
        new.cycle.learn_past()
        new.run()
        was, found = old.learned(), new.learned()
        assert found.minutes == was.minutes
        assert found.day_peak() == pytest.approx(was.day_peak(), rel=0.01)
        assert found.day_peak() > 800  # not the 100 that were served
        assert found.losses == pytest.approx(was.losses, rel=0.05)


def test_the_past_is_learned_up_to_now_and_no_minute_twice(world: Past) -> None:
    world.run(20)
    assert world.learned().minutes < 100
    world.cycle.learn_past()
    taken = world.learned()
    assert taken.minutes == ((taken.newest or 0) - (START - AGO)) // 60 + 1
    world.run(20)
    assert world.learned().minutes == taken.minutes + 19  # the first of these passes sees what the past ended with


def test_money_is_what_was_watched(world: Past) -> None:
    world.run(20)
    before = world.learned()
    assert before.spent > 0
    world.cycle.learn_past()
    after = world.learned()
    assert (after.spent, after.used, after.lost, after.booked) == (
        before.spent,
        before.used,
        before.lost,
        before.booked,
    )


def test_a_table_without_a_past_keeps_what_was_watched() -> None:
    with Past(orders(), age=600) as world:
        world.run(3)
        before = world.cycle.states()
        world.cycle.learn_past()
        assert world.cycle.states() == before
        world.run()
        assert world.learning() == 0


def test_the_time_before_a_dimensions_first_point_is_not_zero_demand() -> None:
    since = START - 7200

    def young(minute: int) -> MinuteDemand:
        return daily(minute) if minute >= since else MinuteDemand({TABLE_READ: 60.0 * 50.0})

    spec = TableSpec("orders", read=0, write=0, billing=Billing.ON_DEMAND, demand=young)
    with Past(spec) as world:
        world.run()
        world.cycle.learn_past()
        assert world.learned().minutes == pytest.approx(120, abs=3)
        assert world.learned(dimension=TABLE_READ).minutes > 4000


# When ---------------------------------------------------------------------------------------------------------------


def test_a_pass_never_reads_the_past_itself(world: Past) -> None:
    world.run(5)
    spans = [args[2] - args[1] for name, args in world.wire.asked if name == READ]
    assert max(spans) <= 3 * 3600
    assert world.learning() == 1


def test_a_waiting_table_is_told_and_done_ones_are_not(world: Past) -> None:
    report = world.run()
    assert [table.learning for table in report.tables] == [True]
    world.cycle.learn_past()
    report = world.run()
    assert (report.learning, [table.learning for table in report.tables]) == (0, [False])


def test_it_is_asked_once_and_two_metrics_a_dimension_are_billed(world: Past) -> None:
    world.run(2)
    world.wire.asked.clear()
    world.cycle.learn_past()
    world.cycle.learn_past()
    [(queries, start, end, period)] = [args for name, args in world.wire.asked if name == READ]
    assert (len(queries), end - start, period) == (4, 14 * DAY, 60)
    world.run(3)
    world.wire.asked.clear()
    world.cycle.learn_past()
    assert world.wire.asked == []


def test_causes_and_requests_are_read_of_the_dimensions_that_throttled() -> None:
    with Past(TableSpec("orders", read=100, write=100, demand=throttling)) as world:
        world.run()
        world.wire.asked.clear()
        world.cycle.learn_past()
        first, second = [args[0] for name, args in world.wire.asked if name == READ]
        assert len(first) == 4
        assert {query.dimension for query in second} == {TABLE_WRITE}
        assert len(second) == 5


def test_switched_off_nothing_is_asked_and_what_is_watched_is_kept() -> None:
    with Past(orders(), settings=replace(SETTINGS, backfill=0.0)) as world:
        world.run()
        world.cycle.learn_past()
        assert world.learning() == 0
        assert world.store.load()[key("orders")].dimensions[TABLE_WRITE].learned.minutes > 0


def test_after_a_long_outage_the_gap_is_learned_and_after_a_short_one_nothing_is_read(world: Past) -> None:
    world.run()
    world.cycle.learn_past()
    world.run(15)
    for hours, asked in ((2, 0), (5, 1)):
        world.restart()
        world.clock.advance(hours * 3600)
        assert world.run().learning == asked
    world.cycle.learn_past()
    taken = world.learned()
    assert taken.minutes == ((taken.newest or 0) - (START - AGO)) // 60 + 1


def test_an_index_added_later_is_learned_and_the_table_not_anew() -> None:
    with Past(orders(indexes=(IndexSpec("by-day", 10, 900),))) as world:
        world.run()
        world.cycle.learn_past()
        index = Dimension("by-day", Kind.WRITE)
        state = world.cycle._states[key("orders")]
        world.cycle._states[key("orders")] = replace(
            state, dimensions={one: known for one, known in state.dimensions.items() if one != index}
        )
        before = world.learned(dimension=TABLE_WRITE)
        world.run()
        assert world.learning() == 1
        world.cycle.learn_past()
        assert world.learned(dimension=index).minutes > 4000
        assert (
            world.learned(dimension=TABLE_WRITE).minutes == before.minutes
        )  # this pass saw no newer minute than the past


# Restarts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_what_the_past_taught_survives_a_restart_and_is_not_read_again(engine: str, tmp_path: Path) -> None:
    with Past(orders(), engine=engine, directory=tmp_path, policies=lambda _: ADVISING) as world:
        world.run()
        world.cycle.learn_past()
        world.run(25)
        before = world.learned()
        world.restart()
        report = world.run()
        assert report.learning == 0
        after = world.learned()
        # Written every ten minutes, read back for longer: no minute is missing.
        assert after.minutes == before.minutes + 1
        assert after.peaks[:40] == before.peaks[:40]


def test_after_a_restart_the_watcher_decides_as_if_there_had_been_none(tmp_path: Path) -> None:
    """Margins are kept a byte each: what is decided may be 1 % off, and the reason is the same."""
    told: list[list[tuple[str, float]]] = []
    for restarting in (False, True):
        folder = tmp_path / str(restarting)
        folder.mkdir()
        with Past(orders(), engine="sqlite", directory=folder, policies=lambda _: ADVISING) as world:
            world.run()
            world.cycle.learn_past()
            world.run(25)
            if restarting:
                world.restart()
            world.run(60)
            reports = world.telemetry.reports[-60:]
            tables = [table.explanation for report in reports for table in report.tables if table.explanation]
            told.append([(one.reason, one.evidence["forecast"]) for seen in tables for one in seen.decisions])
    for (reason, forecast), (again, as_kept) in zip(*told, strict=True):
        assert reason == again
        assert as_kept == pytest.approx(forecast, rel=0.01)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_a_restart_before_its_turn_asks_for_the_past_again(engine: str, tmp_path: Path) -> None:
    with Past(orders(), orders("users"), engine=engine, directory=tmp_path, policies=lambda _: ADVISING) as world:
        world.run(30)
        slow(world.clock, 1.0)
        world.cycle.learn_past(2.0)  # enough to begin, not to end
        assert world.learning() == 2
        world.restart()
        assert world.run().learning == 2
        world.clock.monotonic = type(world.clock).monotonic.__get__(world.clock)  # type: ignore[method-assign]
        world.cycle.learn_past()
        world.run()
        world.restart()
        assert world.run().learning == 0
        assert min(world.learned().minutes, world.learned("users").minutes) > 4000


def test_what_was_learned_is_written_every_ten_minutes_and_not_by_all_tables_at_once() -> None:
    states = {key(f"table-{number}"): TableState() for number in range(40)}
    lessons = Lessons({})
    written: list[list[TableKey]] = []
    for minute in range(0, 3600, 60):
        known = {
            one: TableState({TABLE_READ: DimensionState(learned=Learned(newest=START + minute))}) for one in states
        }
        due = lessons.due(known)
        lessons.written({one: known[one] for one in due})
        written.append(due)
    assert len(written[0]) == 40  # never written before
    each = [sum(one in due for due in written[1:]) for one in states]
    assert set(each) <= {5, 6}
    assert max(len(due) for due in written[1:]) <= 12


# Budget, order, failure ---------------------------------------------------------------------------------------------


def slow(clock: SimulatedClock, seconds: float) -> None:
    """Every look at the monotonic face takes a while."""
    usual = clock.monotonic
    passed = [0.0]

    def monotonic() -> float:
        passed[0] += seconds
        return usual() + passed[0]

    clock.monotonic = monotonic  # type: ignore[method-assign]  # the one thing that is to be slow


def test_a_turn_ends_with_its_seconds_and_the_next_one_goes_on_where_it_stopped(world: Past) -> None:
    world.run()
    world.wire.asked.clear()
    slow(world.clock, 1.0)
    turns = 0
    while len(world.cycle._backfill.waiting):
        world.cycle.learn_past(4.0)
        turns += 1
    # Begun once; then two dimensions of 4,319 minutes, 250 at a time, about three slices a turn.
    assert [name for name, _ in world.wire.asked].count(READ) == 1
    slices = 2 * math.ceil((AGO / 60) / SLICE)
    assert slices / 4 <= turns <= slices / 2


@pytest.mark.parametrize(("most", "reads"), [(0.0, 0), (-5.0, 0), (1.0, 1)])
def test_without_time_nothing_is_begun(world: Past, most: float, reads: int) -> None:
    world.run()
    world.wire.asked.clear()
    slow(world.clock, 0.9)
    world.cycle.learn_past(most)
    assert [name for name, _ in world.wire.asked].count(READ) == reads


def test_a_watcher_that_stops_begins_nothing() -> None:
    with Past(orders(), stopping=lambda: True) as world:
        world.run()
        world.wire.asked.clear()
        world.cycle.learn_past()
        assert world.wire.asked == []


def test_the_one_asked_for_first_comes_first_then_the_most_throttled_then_the_busiest() -> None:
    def busy(rate: float) -> Callable[[int], MinuteDemand]:
        return lambda _minute: MinuteDemand({TABLE_WRITE: 60.0 * rate, TABLE_READ: 600.0})

    specs = (
        orders("busy", demand=busy(500.0)),
        orders("calm", demand=busy(20.0)),
        TableSpec("throttled", read=100, write=10, demand=busy(30.0)),
    )
    with Past(*specs, age=7200, policies=lambda _: ADVISING) as world:
        world.run()
        world.plant.create(orders("late", demand=busy(900.0)))
        world.clock.advance(300)
        world.run()
        world.wire.asked.clear()
        world.cycle.learn_past()
        order = [args[0][0].table for name, args in world.wire.asked if name == READ]
        assert list(dict.fromkeys(order)) == ["throttled", "busy", "calm", "late"]


def test_a_failure_is_told_once_and_tried_again_later_with_longer_and_longer_rests(world: Past) -> None:
    world.run()
    failing = [True]
    world.wire.faults[READ] = lambda _queries, start, end, *_: down() if failing[0] and end - start > DAY else None
    tries = []
    for minute in range(40):
        world.wire.asked.clear()
        world.cycle.learn_past()
        if any(args[2] - args[1] > DAY for name, args in world.wire.asked if name == READ):
            tries.append(minute)
        world.run()
    assert tries == [0, 5, 15, 35]
    assert world.telemetry.events().count("backfill.failed") == 1
    assert world.learned().minutes < 200  # run all the same
    failing[0] = False
    world.run(60)
    world.cycle.learn_past()
    assert world.learned().minutes > 4000


def test_a_partial_answer_counts_as_a_failure(world: Past) -> None:
    world.run()
    read = world.aws.read

    def partial(queries: Sequence[Query], start: float, end: float, period: int = 60) -> dict[Query, Answer]:
        answers = dict(read(queries, start, end, period))
        return answers | {queries[0]: Answer(complete=False)}

    world.aws.read = partial  # type: ignore[method-assign]  # CloudWatch's PartialData
    world.cycle.learn_past()
    [(_, facts)] = [one for one in world.telemetry.troubles if one[0] == "backfill.failed"]
    assert "1 of 4 metrics were answered in part" in str(facts["sentence"])
    world.clock.advance(FIRST_PAUSE)
    world.aws.read = read  # type: ignore[method-assign]
    world.cycle.learn_past()
    assert world.learned().minutes > 4000


def test_a_table_whose_past_never_comes_is_done_without_and_kept_from_then_on(world: Past) -> None:
    world.run()
    world.wire.faults[READ] = lambda _queries, start, end, *_: down() if end - start > DAY else None
    for _ in range(MOST_ATTEMPTS):
        world.cycle.learn_past()
        world.run()
        world.clock.advance(3600)
    assert world.telemetry.events().count("backfill.given_up") == 1
    world.run(2)
    assert world.store.load()[key("orders")].dimensions[TABLE_WRITE].learned.minutes > 0


def test_one_tables_odd_past_keeps_no_other_from_its_turn() -> None:
    with Past(orders(), orders("users")) as world:
        world.run()
        read = world.aws.read

        def odd(queries: Sequence[Query], start: float, end: float, period: int = 60) -> object:
            return dict.fromkeys(queries) if queries[0].table == "orders" else read(queries, start, end, period)

        world.aws.read = odd  # type: ignore[method-assign,assignment]
        world.cycle.learn_past()
        assert world.telemetry.events() == ["backfill.broken"]
        assert world.learned("users").minutes > 4000


def test_a_table_deleted_while_it_waits_is_forgotten() -> None:
    with Past(orders(), orders("users")) as world:
        world.run()
        world.plant.delete("orders")
        world.cycle.learn_past()
        assert world.telemetry.events() == []
        assert list(world.cycle._backfill.waiting) == []


def test_a_table_that_no_rule_matches_any_more_is_not_read() -> None:
    with Past(orders()) as world:
        world.run()
        world.cycle.use(lambda _: None, world.box)
        world.run()
        world.wire.asked.clear()
        world.cycle.learn_past()
        assert READ not in [name for name, _ in world.wire.asked]
