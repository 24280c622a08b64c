"""Each night: the last days of every table with a goal, replayed at its operating point and the neighbouring ones.

The cheapest that would have met the goal is chosen (``core/points.py`` has the rule) and handed to the cycle, which
takes it up in its next pass. Failure is told and changes nothing. Tables take turns, the longest unserved first, as far
as the night's CPU time goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum

from watcher.clock import Clock
from watcher.core import points
from watcher.core.model import (
    CAUSE_METRICS,
    Answer,
    Billing,
    Choice,
    Dimension,
    Metric,
    Query,
    TableDescription,
    TableKey,
)
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode
from watcher.core.series import MINUTE
from watcher.core.state import TableState
from watcher.core.words import count
from watcher.core.worth import LEAST_USED
from watcher.errors import WatcherError
from watcher.nightly_trial import Job, Tried
from watcher.nightly_worker import Stopped
from watcher.ports import Policies, RegionPorts
from watcher.record import FIVE_MINUTES, MINUTE_DAYS, Past, Span, spans

# CPU seconds for one day of one dimension at one point, generously; the measure by which a table's days are cut to
# what a night has time for.
DAY_SECONDS = 1.0
WARM_UP = 1  # days replayed before those that count
THROTTLES = (Metric.THROTTLED, *CAUSE_METRICS)

Trials = Callable[[Job, float, Callable[[], bool]], Tried]
"""(job, CPU seconds allowed, whether to stop) -> what came of it. Raises Stopped and WatcherError."""


@dataclass(frozen=True, slots=True)
class NightSettings:
    """days: of past that count. budget: CPU seconds a night."""

    days: int = 7
    budget: float = 1200.0


@dataclass(frozen=True, slots=True)
class Desk:
    """What a night works with. states: of all tables, as of now. choose: where a choice goes. say: (event, facts with a
    ``sentence``) for the log. trouble: likewise, for what failed."""

    regions: Mapping[str, RegionPorts]
    clock: Clock
    policies: Policies
    states: Callable[[], Mapping[TableKey, TableState]]
    choose: Callable[[Choice], None]
    trials: Trials
    say: Callable[..., None]
    trouble: Callable[..., None]
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Turn:
    """One table's turn. point: where it stands."""

    key: TableKey
    policy: TablePolicy
    goal: float
    point: str


def run_night(desk: Desk, settings: NightSettings) -> None:
    """One night. Never raises for AWS's or a replay's trouble."""
    turns = in_turn(desk)
    left = settings.budget
    served = 0
    for turn in turns:
        if desk.stopping():
            return
        try:
            spent = _serve(desk, turn, settings, left)
        except Stopped:
            return
        if spent is None:
            break
        left -= spent
        served += 1
    if turns:
        waiting = f"; {count(len(turns) - served, 'table')} have to wait for another" if served < len(turns) else ""
        used = settings.budget - left
        sentence = f"replayed {count(served, 'table')} tonight in {used:.0f} s of CPU time{waiting}"
        desk.say("nightly.finished", tables=served, cpu_seconds=round(used, 1), sentence=sentence)


def in_turn(desk: Desk) -> list[Turn]:
    """The tables with a goal, who has waited longest first."""
    waiting = []
    for key, state in desk.states().items():
        policy = desk.policies(key.name)
        if policy is None or policy.goal is None or key.region not in desk.regions:
            continue
        if policy.mode is not Mode.OBSERVE:
            turn = Turn(key, policy, policy.goal, policy.standing(state.point, state.point_goal))
            waiting.append((state.point_at or 0.0, key, turn))
    return [turn for _, _, turn in sorted(waiting, key=lambda one: one[:2])]


def _serve(desk: Desk, turn: Turn, settings: NightSettings, left: float) -> float | None:
    """CPU seconds that one table took; None where the rest of the night is too short for it, which keeps its turn."""
    first = left == settings.budget
    try:
        job = _job(desk, turn, settings, left, may_shorten=first)
        if job is None:
            return None
        found = desk.trials(job, left, desk.stopping) if job.dimensions else Tried({}, 0.0, 0.0)
        if not found.finished and not first:
            return None
        _settle(desk, turn, found)
    except WatcherError as error:
        if not desk.stopping():
            _fail(desk, turn, str(error))
        return 0.0
    return found.cpu


def _settle(desk: Desk, turn: Turn, found: Tried) -> None:
    if not found.finished:
        _fail(desk, turn, "a whole night is too short to replay it; give [control] nightly_minutes more")
        return
    if not found.trials:
        sentence = f"nothing to replay: on demand, or less than a day of real use; {turn.point} stays"
        desk.say("nightly.nothing", **_of(turn.key), sentence=sentence)
        desk.choose(Choice(turn.key, turn.goal, turn.point))
        return
    chosen = points.choose(turn.goal, turn.point, found.trials)
    desk.choose(
        Choice(
            turn.key,
            turn.goal,
            chosen,
            sentence=points.story(turn.goal, turn.point, chosen, found.trials, found.days),
            evidence=points.evidence(turn.goal, found.trials, found.days),
        )
    )


def _fail(desk: Desk, turn: Turn, why: str) -> None:
    """Tell it, and let the others have their turns before this table has another."""
    sentence = f"the nightly replay failed, so {turn.point} stays: {why}"
    desk.trouble("nightly.failed", **_of(turn.key), sentence=sentence)
    desk.choose(Choice(turn.key, turn.goal, turn.point))


def _of(key: TableKey) -> dict[str, str]:
    return {"table": key.name, "region": key.region}


# The past ------------------------------------------------------------------------------------------------------------


def _job(desk: Desk, turn: Turn, settings: NightSettings, left: float, *, may_shorten: bool) -> Job | None:
    """The table's past and what to try on it; None where ``left`` CPU seconds are too few.

    Raises AwsError, and WatcherError for answers in part.
    """
    ports, now = desk.regions[turn.key.region], desk.clock.now()
    description = ports.tables.describe(turn.key.name)
    days = min(settings.days + WARM_UP, MINUTE_DAYS)
    candidates = points.candidates(turn.point)
    (span,) = spans(now, days)
    consumed = _read(ports, _queries(description, description.dimensions(), [Metric.CONSUMED]), span)
    used = _used(description, consumed)
    affordable = int(left / (DAY_SECONDS * len(candidates) * len(used))) if used else days
    if affordable < days:
        if not may_shorten:
            return None
        days = max(1, affordable)
        (span,) = spans(now, days)
        consumed = {query: _since(answer, span.start) for query, answer in consumed.items()}
    answers = consumed | _read(ports, _queries(description, used, [Metric.REQUESTS, *THROTTLES]), span)
    starved = [one for one in used if any(answers[q].points for q in _queries(description, [one], THROTTLES))]
    capacity = _read(ports, _queries(description, starved, [Metric.PROVISIONED]), replace(span, step=FIVE_MINUTES))
    return Job(
        now=now,
        policy=turn.policy,
        past=Past(description, span, answers, {}),
        capacity={query.dimension: answer.points for query, answer in capacity.items() if query.dimension},
        dimensions=used,
        points=candidates,
    )


def _since(answer: Answer, start: int) -> Answer:
    return replace(answer, points={minute: units for minute, units in answer.points.items() if minute >= start})


def _used(description: TableDescription, consumed: Mapping[Query, Answer]) -> tuple[Dimension, ...]:
    """The dimensions worth replaying. An on-demand table has no capacity to choose a point for."""
    if description.billing is Billing.ON_DEMAND:
        return ()
    return tuple(
        query.dimension
        for query, said in consumed.items()
        if query.dimension and said.points and fsum(said.points.values()) >= LEAST_USED * MINUTE * len(said.points)
    )


def _queries(description: TableDescription, dimensions: Sequence[Dimension], metrics: Sequence[Metric]) -> list[Query]:
    return [Query(description.key.name, metric, dimension) for dimension in dimensions for metric in metrics]


def _read(ports: RegionPorts, queries: Sequence[Query], span: Span) -> dict[Query, Answer]:
    """Whole answers only: what is missing from one in part would look like quiet minutes."""
    if not queries:
        return {}
    answers = dict(ports.metrics.read(queries, span.start, span.end, span.step))
    broken = sum(1 for answer in answers.values() if not answer.complete)
    if broken:
        cause = f"CloudWatch answered {count(broken, 'metric')} only in part"
        raise WatcherError(cause, operation="replaying a night", hint="it is tried again when its turn comes")
    return answers
