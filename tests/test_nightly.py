"""The nights: whose turn it is, what is read and replayed, what is chosen, and that trouble changes nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from watcher.clock import SimulatedClock, cpu_seconds, process_seconds
from watcher.config_schedules import ScheduleRule
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Answer,
    Billing,
    Choice,
    Dimension,
    Kind,
    Metric,
    Query,
    TableKey,
)
from watcher.core.points import Trial, taken_up
from watcher.core.policy import DEFAULT_BOUNDS, POINTS, Bounds, TablePolicy, beginning
from watcher.core.reasons import Mode, Reason
from watcher.core.state import TableState
from watcher.cycle import Cycle, CycleSettings
from watcher.errors import AwsUnavailable, WatcherError
from watcher.nightly import DAY_SECONDS, Desk, NightSettings, in_turn, run_night
from watcher.nightly_trial import IDLE, Job, Tried, _judged_from, _traces, alone, tried
from watcher.nightly_worker import Stopped, in_process_of_its_own
from watcher.replay.forgetful import StrictTelemetry
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import Mailbox, PlantAws
from watcher.replay.trace import Trace
from watcher.store.memory import MemoryStore

DAY = 86_400
MIDNIGHT = 1_790_000_000 // DAY * DAY
GOAL = 3e-3
BY_DAY = Dimension("by-day", Kind.WRITE)


def policy(goal: float | None = GOAL, mode: Mode = Mode.ADVISE) -> TablePolicy:
    tuning = POINTS[beginning(goal)] if goal is not None else TablePolicy().tuning
    return TablePolicy(mode=mode, bounds=dict.fromkeys(Kind, Bounds(1, 4000)), goal=goal, tuning=tuning)


def bursty(minute: int) -> MinuteDemand:
    """Twelve minutes of three times as much, once an hour at a minute of its own."""
    begin = random.Random(minute // 3600).randrange(0, 40)  # noqa: S311 - traffic, not a secret
    busy = begin <= minute % 3600 // 60 < begin + 12
    noise = random.Random(minute).gauss(1.0, 0.08)  # noqa: S311
    return MinuteDemand({TABLE_WRITE: 60.0 * (300.0 if busy else 100.0) * max(0.0, noise)})


def even(units: float, dimension: Dimension = TABLE_WRITE) -> Callable[[int], MinuteDemand]:
    return lambda _minute: MinuteDemand({dimension: 60.0 * units})


@dataclass
class Night:
    """A Region of these tables, as they were for ``days`` before midnight, and a desk to spend a night at."""

    specs: Sequence[TableSpec]
    days: float = 1.25
    goals: TablePolicy = field(default_factory=policy)
    said: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        plant = Plant(int(MIDNIGHT - self.days * DAY))
        for spec in self.specs:
            plant.create(spec)
        plant.advance(MIDNIGHT)
        self.aws = PlantAws(plant, SimulatedClock(float(MIDNIGHT)))
        self.keys = [plant.describe(spec.name).key for spec in self.specs]
        self.states = dict.fromkeys(self.keys, TableState())

    def choose(self, choice: Choice) -> None:
        """As the cycle does."""
        state, decisions = taken_up(MIDNIGHT, self.goals, self.states[choice.table], choice)
        self.states[choice.table] = state
        self.said += [(decision.reason.value, {"sentence": decision.sentence}) for decision in decisions]

    def desk(self, trials: Callable[[Job, float, Callable[[], bool]], Tried], **changes: object) -> Desk:
        desk = Desk(
            regions={"us-east-1": self.aws.region()},
            clock=self.aws.clock,
            policies=lambda _name: self.goals,
            states=lambda: self.states,
            choose=self.choose,
            trials=trials,
            say=lambda event, **facts: self.said.append((event, facts)),
            trouble=lambda _event, **facts: self.troubles.append(str(facts["sentence"])),
        )
        return replace(desk, **changes)  # type: ignore[arg-type]  # a test's choice

    def quick(self, cpu: float = 1.0, throttled: float = 0.0) -> Callable[[Job, float, Callable[[], bool]], Tried]:
        """Trials that take ``cpu`` seconds and find every point alike."""

        def found(job: Job, _budget: float, _stopping: Callable[[], bool]) -> Tried:
            self.jobs.append(job)
            return Tried({point: Trial(point, throttled, 1.0) for point in job.points}, 1.0, cpu)

        return found


def quiet_table(name: str) -> TableSpec:
    return TableSpec(name, 5, 100, demand=even(20.0))


def replaying(job: Job, budget: float, _stopping: Callable[[], bool]) -> Tried:
    return tried(job, budget, cpu_seconds)


# Nights -------------------------------------------------------------------------------------------------------------


def test_a_goal_is_met_after_some_nights() -> None:
    night = Night([TableSpec("orders", 5, 400, demand=bursty)])
    known: dict[str, Trial] = {}

    def trials(job: Job, budget: float, stopping: Callable[[], bool]) -> Tried:
        """The past is the same each night, so each point is replayed once."""
        new = tuple(point for point in job.points if point not in known)
        found = replaying(replace(job, points=new), budget, stopping)
        known.update(found.trials)
        return replace(found, trials={point: known[point] for point in job.points})

    run_night(night.desk(trials), NightSettings(days=1))
    goal = 0.5 * known["economy"].throttled
    assert goal > 0.0, "or the test shows nothing"
    night.goals = replace(night.goals, goal=goal)
    (key,) = night.keys
    night.states[key] = TableState(point="economy", point_goal=goal)
    night.said.clear()
    points = ["economy"]
    for _ in range(len(POINTS)):
        run_night(night.desk(trials), NightSettings(days=1))
        points.append(night.states[key].point)
    assert known[points[-1]].throttled <= goal
    assert points[-1] == points[-2], "and there it stays"
    order = list(POINTS)
    assert all(abs(order.index(one) - order.index(other)) <= 1 for one, other in pairwise(points))
    first = next(str(facts["sentence"]) for event, facts in night.said if event == Reason.CHOOSE_POINT)
    assert first.startswith("replayed 1 day: economy would have throttled ")
    assert first.endswith(f"{points[1]} instead of economy")
    assert not night.troubles


def test_the_same_past_gives_the_same_choice_to_the_byte() -> None:
    nights = [Night([TableSpec("orders", 5, 100, demand=bursty)], days=1.02) for _ in range(2)]
    for night in nights:
        run_night(night.desk(night.quick()), NightSettings(days=1))
    assert nights[0].jobs == nights[1].jobs
    one, other = (tried(replace(night.jobs[0], points=("lean",)), 60.0, cpu_seconds) for night in nights)
    assert one.trials == other.trials
    assert one.trials["lean"].cost > 0.0


@pytest.mark.parametrize(
    ("goals", "served"),
    [
        pytest.param(policy(), 1, id="in advise mode"),
        pytest.param(policy(mode=Mode.ACT), 1, id="in act mode"),
        pytest.param(policy(mode=Mode.OBSERVE), 0, id="not where it is only observed"),
        pytest.param(policy(goal=None), 0, id="not without a goal"),
    ],
)
def test_whose_past_is_replayed(goals: TablePolicy, served: int) -> None:
    night = Night([quiet_table("orders")], goals=goals)
    run_night(night.desk(night.quick()), NightSettings())
    assert len(night.jobs) == served


def test_a_table_of_a_region_that_left_the_config_has_no_turn() -> None:
    night = Night([quiet_table("orders")])
    assert in_turn(night.desk(night.quick(), regions={})) == []


def test_tables_take_turns_when_a_night_is_short() -> None:
    night = Night([quiet_table(name) for name in ("carts", "orders", "users")])
    # Two days of one dimension at two points.
    table_seconds = 4 * DAY_SECONDS
    served = []
    for number in range(3):
        night.jobs.clear()
        night.aws.clock.advance(0)  # type: ignore[attr-defined]  # a simulated one
        run_night(night.desk(night.quick(cpu=table_seconds)), NightSettings(days=1, budget=1.5 * table_seconds))
        served.append([job.past.description.key.name for job in night.jobs])
        key = next(key for key in night.keys if key.name == served[-1][0])
        night.states[key] = replace(night.states[key], point_at=MIDNIGHT + number * DAY)
    assert served == [["carts"], ["orders"], ["users"]]
    assert "replayed 1 table tonight" in str(night.said[-1][1]["sentence"])
    assert "2 tables have to wait for another" in str(night.said[-1][1]["sentence"])


def test_the_first_of_a_night_has_its_days_cut_to_what_there_is_time_for() -> None:
    night = Night([quiet_table("orders")], days=6)
    run_night(night.desk(night.quick()), NightSettings(days=5, budget=2 * 3 * DAY_SECONDS + 0.1))
    (job,) = night.jobs
    assert job.past.span.end - job.past.span.start == 3 * DAY
    assert all(min(answer.points, default=MIDNIGHT) >= job.past.span.start for answer in job.past.answers.values())


def test_a_night_that_is_too_short_even_so_is_told_and_the_others_come_first_tomorrow() -> None:
    night = Night([quiet_table("orders")])
    run_night(night.desk(lambda _job, budget, _stop: Tried({}, 0.0, budget, finished=False)), NightSettings())
    (trouble,) = night.troubles
    assert trouble == (
        "the nightly replay failed, so economy stays: a whole night is too short to replay it; "
        "give [control] nightly_minutes more"
    )
    assert night.states[night.keys[0]].point_at == MIDNIGHT


def test_one_that_runs_out_of_time_behind_others_keeps_its_turn() -> None:
    night = Night([quiet_table("carts"), quiet_table("orders")])
    quick = night.quick()

    def trials(job: Job, budget: float, stopping: Callable[[], bool]) -> Tried:
        late = job.past.description.key.name == "orders"
        return Tried({}, 0.0, budget, finished=False) if late else quick(job, budget, stopping)

    run_night(night.desk(trials), NightSettings())
    assert [night.states[key].point_at for key in night.keys] == [MIDNIGHT, None]
    assert not night.troubles


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(TableSpec("orders", 5, 5), id="never used"),
        pytest.param(TableSpec("orders", 5, 5, demand=even(0.05)), id="hardly used"),
        pytest.param(TableSpec("orders", 0, 0, billing=Billing.ON_DEMAND, demand=even(50.0)), id="on demand"),
    ],
)
def test_what_has_nothing_to_replay_stays_where_it_is(spec: TableSpec) -> None:
    night = Night([spec])
    run_night(night.desk(night.quick()), NightSettings())
    assert (night.jobs, night.troubles) == ([], [])
    assert night.states[night.keys[0]].point == "economy"
    assert [event for event, _ in night.said] == ["nightly.nothing", "nightly.finished"]


def test_a_table_younger_than_a_day_stays_where_it_is() -> None:
    night = Night([quiet_table("orders")], days=0.9)
    run_night(night.desk(replaying), NightSettings())
    assert night.states[night.keys[0]].point == "economy"
    assert [event for event, _ in night.said] == ["nightly.nothing", "nightly.finished"]


@dataclass
class Broken:
    """A Region whose CloudWatch fails, or answers in part."""

    aws: PlantAws
    partial: bool

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = 60) -> Mapping[Query, Answer]:
        if not self.partial:
            raise AwsUnavailable("no answer", code="", operation="GetMetricData")
        said = self.aws.read(queries, start, end, period)
        return {query: replace(answer, complete=False) for query, answer in said.items()}

    def operations(self) -> Mapping[str, frozenset[str]]:
        return {}


@pytest.mark.parametrize("partial", [False, True])
def test_a_failure_is_told_and_changes_nothing(partial: bool) -> None:  # noqa: FBT001 - a table's column
    night = Night([quiet_table("orders")])
    regions = {"us-east-1": replace(night.aws.region(), metrics=Broken(night.aws, partial))}
    run_night(night.desk(night.quick(), regions=regions), NightSettings())
    assert night.jobs == []
    (trouble,) = night.troubles
    assert trouble.startswith("the nightly replay failed, so economy stays: ")
    assert night.states[night.keys[0]].point == "economy"
    assert Reason.CHOOSE_POINT not in {event for event, _ in night.said}


def test_one_tables_failure_leaves_the_others_their_turns() -> None:
    night = Night([quiet_table("carts"), quiet_table("orders")])
    quick = night.quick()

    def trials(job: Job, budget: float, stopping: Callable[[], bool]) -> Tried:
        if job.past.description.key.name == "carts":
            raise WatcherError("broken")
        return quick(job, budget, stopping)

    run_night(night.desk(trials), NightSettings())
    assert len(night.troubles) == len(night.jobs) == 1


def test_a_watcher_that_stops_ends_its_night_without_a_word() -> None:
    night = Night([quiet_table("orders")])

    def trials(_job: Job, _budget: float, _stopping: Callable[[], bool]) -> Tried:
        raise Stopped

    run_night(night.desk(trials), NightSettings())
    run_night(night.desk(night.quick(), stopping=lambda: True), NightSettings())
    assert (night.said, night.troubles, night.jobs) == ([], [], [])
    assert night.states[night.keys[0]] == TableState()


# What is replayed ---------------------------------------------------------------------------------------------------


def test_the_demand_is_what_was_asked_for_and_not_what_was_served() -> None:
    """A table of 200 that was asked for 300: a third was throttled, and the replay knows it."""
    spec = TableSpec("orders", 5, 200, demand=bursty, indexes=(IndexSpec("by-day", 5, 400, write_ratio=0.5),))
    night = Night([spec], days=1.1)
    run_night(night.desk(night.quick()), NightSettings(days=1))
    (job,) = night.jobs
    assert set(job.dimensions) == {TABLE_WRITE, BY_DAY}
    assert set(job.capacity) == {TABLE_WRITE}, "only what throttled needs it"
    found = tried(replace(job, points=("safe",), dimensions=(TABLE_WRITE,)), 60.0, cpu_seconds)
    asked = sum(bursty(minute).units[TABLE_WRITE] for minute in range(MIDNIGHT - DAY, MIDNIGHT, 60)) / DAY
    # Safe keeps at least what is asked for on average, which 200 would not show.
    assert found.trials["safe"].cost > asked * 24 * 0.00065
    assert not found.trials["safe"].throttled > 0.05


def test_each_dimensions_demand_is_estimated_by_the_capacity_it_had() -> None:
    night = Night([TableSpec("orders", 5, 200, demand=bursty)], days=1.1)
    run_night(night.desk(night.quick()), NightSettings(days=1))
    (job,) = night.jobs
    # Twenty times the capacity is the most that a minute is believed to have been asked for, beyond what was served.
    narrow = replace(job, capacity={TABLE_WRITE: {job.past.span.start: 1}})
    asked, believed = (_traces(one)[TABLE_WRITE] for one in (job, narrow))
    served = sum(job.past.answers[Query("orders", Metric.CONSUMED, TABLE_WRITE)].points.values())
    assert believed.total == pytest.approx(served)
    assert asked.total > 1.02 * served


@pytest.mark.parametrize(
    ("minutes", "skipped"),
    [
        pytest.param(2 * 1440, 1440, id="of two days the first is left out"),
        pytest.param(2 * 1440 - 1, 0, id="of less all counts"),
    ],
)
def test_the_day_on_which_everything_is_new_counts_only_where_there_is_no_other(minutes: int, skipped: int) -> None:
    trace = Trace({60 * minute: 1.0 for minute in range(minutes)}, 60)
    assert _judged_from(trace) == 60 * skipped


def test_every_dimension_counts() -> None:
    spec = TableSpec("orders", 400, 400, demand=lambda _m: MinuteDemand({TABLE_WRITE: 6000.0, TABLE_READ: 12000.0}))
    night = Night([spec], days=1.02)
    run_night(night.desk(night.quick()), NightSettings(days=1))
    (job,) = night.jobs
    both, reads, writes = (
        tried(replace(job, points=("balanced",), dimensions=one), 60.0, cpu_seconds).trials["balanced"].cost
        for one in ((TABLE_READ, TABLE_WRITE), (TABLE_READ,), (TABLE_WRITE,))
    )
    assert both == pytest.approx(reads + writes)
    assert writes > reads > 0


def test_time_that_is_over_ends_a_trial() -> None:
    night = Night([quiet_table("orders")])
    run_night(night.desk(night.quick()), NightSettings(days=1))
    seconds = iter(range(1000))
    found = tried(night.jobs[0], 5.0, lambda: float(next(seconds)))
    assert not found.finished
    assert found.trials == {}
    assert found.cpu < 10


def test_a_dimension_alone_acts_within_its_own_bounds_and_events() -> None:
    event = ScheduleRule.model_validate(
        {"name": "sale", "cron": "0 8 * * *", "duration_minutes": 60, "indexes": {"by-*": {"write": 70}}}
    ).schedule()
    whole = TablePolicy(
        goal=GOAL,
        bounds={Kind.WRITE: Bounds(5, 50)},
        index_bounds=(("by-*", {Kind.WRITE: Bounds(7, 70)}),),
        schedules=(event,),
    )
    index = alone(whole, BY_DAY)
    assert (index.mode, index.goal) == (Mode.ACT, None)
    assert index.bounds == {Kind.WRITE: Bounds(7, 70), Kind.READ: IDLE}
    assert index.schedules[0].units_for(TABLE_WRITE) == 70
    assert alone(whole, TABLE_WRITE).schedules == ()
    assert alone(whole, TABLE_READ).bounds[Kind.READ] == DEFAULT_BOUNDS


# The process --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="job")
def _job() -> Job:
    night = Night([quiet_table("orders")], days=1.05)
    run_night(night.desk(night.quick()), NightSettings(days=1))
    return night.jobs[0]


def test_a_process_of_its_own_finds_the_same(job: Job) -> None:
    event = ScheduleRule.model_validate({"name": "sale", "cron": "0 8 * * *", "duration_minutes": 60, "write": 70})
    job = replace(job, points=("economy",), policy=replace(job.policy, schedules=(event.schedule(),)))
    found = in_process_of_its_own(job, 60.0, lambda: False)
    assert found.trials == tried(job, 60.0, cpu_seconds).trials
    assert found.cpu > 0.0


def test_it_stops_at_once_when_told_to(job: Job) -> None:
    stopping = threading.Event()
    timer = threading.Timer(0.5, stopping.set)
    timer.start()
    began = process_seconds()
    with pytest.raises(Stopped):
        in_process_of_its_own(replace(job, points=tuple(POINTS) * 10), 600.0, stopping.is_set)
    timer.join()
    assert process_seconds() - began < 10.0, "and not when it is done"


def test_its_failure_is_told_in_one_sentence(job: Job) -> None:
    broken = replace(job, points=("reckless",))
    with pytest.raises(WatcherError, match="KeyError: 'reckless'") as told:
        in_process_of_its_own(broken, 60.0, lambda: False)
    assert "\n" not in str(told.value)


# With the cycle -----------------------------------------------------------------------------------------------------


def test_the_cycle_takes_a_choice_up_once_and_keeps_it() -> None:
    night = Night([quiet_table("orders")], days=0.2)
    store = MemoryStore()
    cycle = Cycle(
        [night.aws.region()],
        store=store,
        notifier=Mailbox(topics=()),
        telemetry=StrictTelemetry(),
        clock=night.aws.clock,
        policies=lambda _name: night.goals,
        settings=CycleSettings(workers=1, latency=False),
    )
    key = TableKey("123456789012", "us-east-1", "orders")
    cycle.run()
    cycle.choose(Choice(key, GOAL, "lean", "the story"))
    for _ in range(2):
        night.aws.clock.advance(60)  # type: ignore[attr-defined]  # a simulated one
        cycle.run()
    assert cycle.states()[key].point == "lean"
    told = [one for one in store.history() if one.reason is Reason.CHOOSE_POINT]
    assert [one.sentence for one in told] == ["the story"]
    assert store.load()[key].point == "lean"
    assert store.load()[key].point_goal == GOAL


def test_metrics_are_asked_for_only_where_they_are_needed() -> None:
    night = Night([quiet_table("orders")])
    asked: list[set[Metric]] = []
    read = night.aws.read

    def noting(queries: Sequence[Query], start: float, end: float, period: int = 60) -> Mapping[Query, Answer]:
        asked.append({query.metric for query in queries})
        return read(queries, start, end, period)

    night.aws.read = noting  # type: ignore[method-assign]  # a listener
    run_night(night.desk(night.quick()), NightSettings(days=1))
    assert asked[0] == {Metric.CONSUMED}
    assert len(asked) == 2, "no capacity where nothing throttled"
    assert Metric.THROTTLED in asked[1]
