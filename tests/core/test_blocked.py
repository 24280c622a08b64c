"""A needed change that is held: what counts as needed, since when it is held, and when that is an incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import (
    HOUR,
    INDEX_WRITE,
    NOON,
    ago,
    decided,
    even,
    observed,
    only,
    policy,
    remembered,
    run,
    table,
    throughput,
)
from watcher.core.blocked import Want, followed
from watcher.core.budget import HOUR as BUDGET_HOUR
from watcher.core.decide import Wish
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Billing,
    Dimension,
    Kind,
    Metric,
    ScalableTarget,
    Status,
    TableDescription,
    TableObservation,
    Throughput,
)
from watcher.core.policy import AutoScaling, Bounds, TablePolicy
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.result import StepResult
from watcher.core.schedule import Once, Schedule
from watcher.core.state import Blocked, Incident, Normal, Refusal, TableState

# 130 writes a second on 100 units, out of the burst bucket: nothing is throttled yet, and 182 are wanted.
SHORT = even(130)
AT_MAX = policy(bounds=Bounds(5, 100))
HELD_TARGET = {TABLE_WRITE: ScalableTarget(40, 100)}
DENIED = Refusal(Outcome.DENIED, NOON - 10.0, "not authorized to perform: dynamodb:UpdateTable")
# Four decreases of today are used up, the last ten minutes ago.
SPENT = throughput(decreases=4, lowered=NOON - 600.0)
UNSPENT = throughput(lowered=NOON - 2 * HOUR)
UPDATING = throughput(status=Status.UPDATING)
EVENT = (Schedule("sale", Once(NOON - 60.0), HOUR, units={Kind.WRITE: 200}),)


def short(rate: float = 130, description: TableDescription | None = None, **seen: object) -> TableObservation:
    """Reads are of no concern: 70 of 100, which neither rise nor fall."""
    consumed = {TABLE_WRITE: even(rate), TABLE_READ: even(70)}
    return observed(description, consumed, **seen)  # type: ignore[arg-type]  # names and types are the caller's


def known(**fields: object) -> TableState:
    return TableState(**fields)  # type: ignore[arg-type]  # names and types are the caller's


def held_of(observation: TableObservation, rules: TablePolicy, state: TableState | None = None) -> Blocked | None:
    return run(observation, rules=rules, state=state).state.blocked.get(TABLE_WRITE)


@pytest.mark.parametrize(
    ("seen", "rules", "state", "reason"),
    [
        pytest.param(short(), AT_MAX, known(), Reason.HOLD_AT_MAX, id="at the configured maximum"),
        pytest.param(short(), policy(bounds=Bounds(5, 120)), known(), Reason.HOLD_AT_MAX, id="raised in part: to 120"),
        pytest.param(short(), policy(bounds=Bounds(5, 130)), known(), None, id="raised in part, to what is asked for"),
        pytest.param(short(), policy(), known(), None, id="raised: nothing holds it"),
        pytest.param(
            short(description=table(throughput(write=5))),
            policy(),
            known(),
            None,
            id="raised twentyfold, and again next",
        ),
        pytest.param(
            observed(consumed={TABLE_WRITE: [*even(130, 59), 90.0]}), AT_MAX, known(), None, id="asked for a minute ago"
        ),
        pytest.param(short(100), AT_MAX, known(), None, id="at the maximum, and all of it used: only room is wanted"),
        pytest.param(short(100.1), AT_MAX, known(), Reason.HOLD_AT_MAX, id="just above all of it"),
        pytest.param(short(scaling=HELD_TARGET), policy(), known(), Reason.HOLD_AUTO_SCALING, id="another scaler"),
        pytest.param(
            short(scaling=HELD_TARGET),
            policy(auto_scaling=AutoScaling.FLOOR),
            known(),
            Reason.HOLD_AUTO_SCALING,
            id="a floor that is as high as the other scaler goes",
        ),
        pytest.param(
            short(scaling={TABLE_WRITE: ScalableTarget(40, 500)}),
            policy(auto_scaling=AutoScaling.FLOOR),
            known(),
            None,
            id="a floor that is raised",
        ),
        pytest.param(
            short(scaling={TABLE_WRITE: ScalableTarget(40, 500)}),
            policy(auto_scaling=AutoScaling.FLOOR),
            known(refusal=DENIED),
            Reason.HOLD_REFUSED,
            id="a floor that AWS refuses",
        ),
        pytest.param(short(scaling_unread=True), policy(), known(), Reason.HOLD_AUTO_SCALING, id="scaling unreadable"),
        pytest.param(short(), policy(), known(foreign_at=NOON - 60.0), Reason.HOLD_FOREIGN_CHANGE, id="another hand"),
        pytest.param(
            short(description=table(replicas=("us-east-1",))), policy(), known(), Reason.HOLD_GLOBAL_TABLE, id="global"
        ),
        pytest.param(short(), policy(bounds=None), known(), Reason.HOLD_UNBOUNDED, id="no bounds in the config"),
        pytest.param(short(), policy(), known(refusal=DENIED), Reason.HOLD_REFUSED, id="refused by AWS"),
        pytest.param(
            short(),
            policy(),
            known(refusal=replace(DENIED, at=NOON - 300.0)),
            Reason.HOLD_REFUSED,
            id="tried once more",
        ),
        pytest.param(
            short(),
            policy(),
            known(refusal=Refusal(Outcome.THROTTLED, NOON - 60.0, "Rate exceeded")),
            Reason.HOLD_REFUSED,
            id="tried each minute, refused each time",
        ),
        pytest.param(
            short(),
            policy(),
            known(refusal=Refusal(Outcome.BUDGET, NOON - 60.0, "LimitExceeded")),
            None,
            id="that a decrease was refused for its budget holds no raise",
        ),
        pytest.param(
            short(), policy(), known(changes=(NOON - 60.0,) * 20), Reason.HOLD_RATE_LIMIT, id="changed too often"
        ),
        pytest.param(short(), policy(Mode.ADVISE, bounds=Bounds(5, 100)), known(), None, id="advised only"),
        pytest.param(short(), policy(Mode.OBSERVE, bounds=Bounds(5, 100)), known(), None, id="observed only"),
        pytest.param(
            short(description=table(throughput(0, 0), billing=Billing.ON_DEMAND)), AT_MAX, known(), None, id="on demand"
        ),
        pytest.param(
            short(70, scaling=HELD_TARGET),
            replace(policy(), schedules=EVENT),
            known(),
            Reason.HOLD_AUTO_SCALING,
            id="a known event asks for 200, and they cannot be had",
        ),
        pytest.param(
            short(70, scaling=HELD_TARGET),
            policy(bounds=Bounds(150, 1_000)),
            known(),
            None,
            id="below the configured minimum, and enough for what is asked",
        ),
        pytest.param(short(description=table(UPDATING)), policy(), known(), None, id="an update runs"),
        pytest.param(short(), policy(), known(pending="i1"), None, id="an earlier change is not settled"),
    ],
)
def test_which_raise_is_held(
    seen: TableObservation, rules: TablePolicy, state: TableState, reason: Reason | None
) -> None:
    expected = None if reason is None else Blocked(reason, NOON, rising=True)
    assert held_of(seen, rules, state) == expected


def idle(rate: float = 10, part: Throughput = SPENT, **seen: object) -> TableObservation:
    return short(rate, table(part), **seen)


@pytest.mark.parametrize(
    ("seen", "rules", "state", "reason"),
    [
        pytest.param(idle(), policy(), known(), Reason.HOLD_BUDGET, id="no decreases left"),
        pytest.param(idle(part=UNSPENT), policy(), known(), None, id="lowered: nothing holds it"),
        # 1.4 x 62.5 = 87.5, rounded up 88: twelve in a hundred are too few; 62.2 gives 88 too, 61.9 gives 87.
        pytest.param(idle(62.5), policy(), known(), None, id="12 % are not worth a decrease"),
        pytest.param(idle(61.9), policy(), known(), Reason.HOLD_BUDGET, id="13 % are"),
        pytest.param(
            idle(66), policy(bounds=Bounds(5, 97)), known(), Reason.HOLD_BUDGET, id="3 %, but above the maximum"
        ),
        pytest.param(idle(part=UNSPENT), policy(), known(refusal=DENIED), Reason.HOLD_REFUSED, id="refused by AWS"),
        pytest.param(
            idle(part=UNSPENT),
            policy(),
            known(refusal=replace(DENIED, at=NOON - BUDGET_HOUR)),
            Reason.HOLD_REFUSED,
            id="tried once more",
        ),
        pytest.param(
            idle(part=UNSPENT, scaling=HELD_TARGET), policy(), known(), None, id="another scaler may keep it up"
        ),
        pytest.param(idle(), policy(Mode.ADVISE), known(), None, id="advised only"),
    ],
)
def test_which_decrease_is_held(
    seen: TableObservation, rules: TablePolicy, state: TableState, reason: Reason | None
) -> None:
    expected = None if reason is None else Blocked(reason, NOON, rising=False)
    assert held_of(seen, rules, state) == expected


RISING = Blocked(Reason.HOLD_FOREIGN_CHANGE, NOON - 200.0, rising=True)
FALLING = Blocked(Reason.HOLD_BUDGET, NOON - 200.0, rising=False)
STALE = observed(consumed={TABLE_WRITE: [130, *[None] * 9]}, incomplete=[(TABLE_WRITE, Metric.CONSUMED)])


@pytest.mark.parametrize(
    ("seen", "rules", "before", "after"),
    [
        pytest.param(short(), AT_MAX, RISING, replace(RISING, reason=Reason.HOLD_AT_MAX), id="another reason, since"),
        pytest.param(
            short(), AT_MAX, FALLING, Blocked(Reason.HOLD_AT_MAX, NOON, rising=True), id="another direction, anew"
        ),
        pytest.param(short(90), AT_MAX, RISING, None, id="no longer needed"),
        pytest.param(short(description=table(UPDATING)), AT_MAX, RISING, RISING, id="an update runs"),
        pytest.param(
            short(90, description=table(UPDATING)),
            AT_MAX,
            RISING,
            None,
            id="one runs, and it is not needed",
        ),
        pytest.param(STALE, AT_MAX, RISING, RISING, id="nothing can be seen"),
        pytest.param(idle(part=UPDATING), policy(), FALLING, FALLING, id="an update runs, a decrease waits"),
        pytest.param(idle(part=UPDATING), policy(), RISING, None, id="an update runs, and less is wanted, not more"),
        pytest.param(
            short(10, description=table(throughput(read=10))), policy(), FALLING, FALLING, id="reads are raised first"
        ),
        pytest.param(short(), policy(), RISING, None, id="raised at last"),
    ],
)
def test_since_when_it_is_held(
    seen: TableObservation, rules: TablePolicy, before: Blocked, after: Blocked | None
) -> None:
    assert held_of(seen, rules, known(blocked={TABLE_WRITE: before})) == after


# Whatever comes in between, a change is held by what is listed here, goes on being held while what passes by itself
# passes, and is not held by anything else.
HOLD_A_RAISE = {
    "at-max",
    "auto-scaling",
    "foreign-change",
    "global-table",
    "unbounded",
    "refused",
    "rate-limit",
    "error",
}
HOLD_A_DECREASE = {"decrease-budget", "refused"}
PASS = {"busy", "pending", "settling", "raise-first", "stale-data", "absent-data"}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.startswith("hold-")])
@pytest.mark.parametrize(("target", "holding"), [(182, HOLD_A_RAISE), (20, HOLD_A_DECREASE)], ids=["raise", "decrease"])
def test_what_holds_a_change(reason: Reason, target: int, holding: set[str]) -> None:
    wish = Wish(100, target, Reason.RAISE_DEMAND if target > 100 else Reason.LOWER_UNUSED, "wanted")
    want = Want(wish, wish.held(reason, "held"), demand=130.0, event=0, most=1_000)
    before = Blocked(Reason.HOLD_GLOBAL_TABLE, NOON - 60.0, rising=wish.is_raise)
    begun = followed(NOON, policy(), None, {}, {TABLE_WRITE: want})
    gone_on = followed(NOON, policy(), None, {TABLE_WRITE: before}, {TABLE_WRITE: want})
    name = reason.removeprefix("hold-")
    if name in holding:
        assert begun == {TABLE_WRITE: Blocked(reason, NOON, wish.is_raise)}
        assert gone_on == {TABLE_WRITE: replace(before, reason=reason)}
    else:
        assert begun == {}
        assert gone_on == ({TABLE_WRITE: before} if name in PASS else {})


def test_what_is_held_of_an_index_that_is_gone_is_forgotten() -> None:
    assert run(observed(), state=known(blocked={INDEX_WRITE: RISING})).state.blocked == {}


def test_a_held_wish_says_what_it_would_have_been() -> None:
    assert decided(run(short(), rules=AT_MAX)).evidence["wanted"] == 182
    assert "wanted" not in decided(run(short(70))).evidence


# -- as an incident ----------------------------------------------------------------------------------------------------


def since(seconds: float, reason: Reason = Reason.HOLD_AT_MAX, *, rising: bool = True) -> dict[Dimension, Blocked]:
    return {TABLE_WRITE: Blocked(reason, NOON - seconds, rising)}


def told(result: StepResult) -> list[News]:
    return [(alert.state, alert.cause, alert.severity) for alert in result.alerts]


News = tuple[IncidentState, Cause, Severity]
OPENED = [(IncidentState.OPEN, Cause.CANNOT_ACT, Severity.WARNING)]


@pytest.mark.parametrize(
    ("seen", "blocked", "alerts"),
    [
        pytest.param(short(), since(300), OPENED, id="a raise held for five minutes"),
        pytest.param(short(), since(299), [], id="a raise held for a second less"),
        pytest.param(
            idle(), since(5400, Reason.HOLD_BUDGET, rising=False), OPENED, id="a decrease, for an hour and a half"
        ),
        pytest.param(idle(), since(5399, Reason.HOLD_BUDGET, rising=False), [], id="a decrease, for a second less"),
        pytest.param(short(90), since(9000), [], id="a raise that is no longer needed"),
        pytest.param(STALE, since(9000), [], id="a raise of which nobody knows whether it is still needed"),
    ],
)
def test_what_is_held_for_too_long_is_an_incident(
    seen: TableObservation, blocked: dict[Dimension, Blocked], alerts: list[News]
) -> None:
    rules = AT_MAX if blocked[TABLE_WRITE].rising else policy()
    result = run(seen, rules=rules, state=known(blocked=blocked))
    assert told(result) == alerts
    assert (result.explanation.cause is Cause.CANNOT_ACT) is bool(alerts)


def test_it_is_of_the_index_where_it_is_held() -> None:
    seen = observed(table(index=throughput()), {INDEX_WRITE: SHORT})
    rules = policy(index_bounds=Bounds(5, 100))
    held = Blocked(Reason.HOLD_AT_MAX, NOON - 400.0, rising=True)
    alert = only(run(seen, rules=rules, state=known(blocked={INDEX_WRITE: held})).alerts)
    assert (alert.cause, alert.index) == (Cause.CANNOT_ACT, "by-customer")


def incident(cause: Cause = Cause.CANNOT_ACT, **fields: object) -> Incident:
    open_one = Incident("i", NOON - 1200.0, cause, "", Severity.WARNING, 3, 0.0, float(ago(1)), followed_at=NOON - 60)
    return replace(open_one, **fields)  # type: ignore[arg-type]  # names and types are the caller's


K = Cause.KEY_RANGE
MANY = {(TABLE_WRITE, Cause.PROVISIONED): {1: 100.0}}
FEW = {(TABLE_WRITE, K): {1: 3.0}}
SLOW = {"Query": Normal(10, 60, ago(1), slow_minutes=5, average=90)}


@pytest.mark.parametrize(
    ("seen", "state", "alerts"),
    [
        pytest.param(
            short(causes=MANY),
            known(incident=incident(), blocked=since(900)),
            [(IncidentState.WORSENED, Cause.PROVISIONED, Severity.WARNING)],
            id="throttling begins: the same incident is worse",
        ),
        pytest.param(
            short(causes=MANY),
            known(incident=incident(Cause.PROVISIONED, peak=0.01), blocked=since(299)),
            [],
            id="throttled before: that the raise is held is no incident of its own",
        ),
        pytest.param(
            short(),
            known(incident=incident(Cause.PROVISIONED, peak=0.01), blocked=since(900)),
            [],
            id="throttled no more, still held: the same incident, no word",
        ),
        pytest.param(
            short(causes=FEW), known(blocked=since(900)), OPENED, id="a few events worth no message hide nothing"
        ),
        pytest.param(
            short(),
            known(blocked=since(900), latency=SLOW),
            [(IncidentState.OPEN, Cause.SLOW, Severity.WARNING)],
            id="slow as well: that comes first",
        ),
        pytest.param(short(), known(incident=incident(), blocked=since(900)), [], id="the same again"),
    ],
)
def test_a_table_has_one_incident_whatever_its_trouble(
    seen: TableObservation, state: TableState, alerts: list[News]
) -> None:
    result = run(seen, rules=AT_MAX, state=state)
    assert told(result) == alerts
    before = state.incident
    assert result.state.incident is not None
    assert result.state.incident.last_bad == ago(1)
    assert before is None or (result.state.incident.id, result.state.incident.sequence) == ("i", 3 + len(alerts))


@pytest.mark.parametrize(
    ("rate", "last_bad", "blocked", "resolved"),
    [
        pytest.param(70, 11, {}, True, id="nothing is held for ten minutes"),
        pytest.param(70, 10, {}, False, id="for nine"),
        pytest.param(130, 11, {}, False, id="held again, if only now"),
    ],
)
def test_when_it_is_resolved(rate: float, last_bad: int, blocked: dict[Dimension, Blocked], resolved: bool) -> None:  # noqa: FBT001 - a table's column
    state = known(incident=incident(last_bad=float(ago(last_bad))), blocked=blocked)
    result = run(short(rate), rules=AT_MAX, state=state)
    assert [alert.state for alert in result.alerts] == ([IncidentState.RESOLVED] if resolved else [])


def test_a_decrease_that_waits_keeps_no_throttling_incident_open() -> None:
    throttled = incident(Cause.PROVISIONED, peak=0.1, last_bad=float(ago(11)))
    waiting = since(9000, Reason.HOLD_BUDGET, rising=False)
    result = run(idle(), state=known(incident=throttled, blocked=waiting))
    assert [alert.state for alert in result.alerts] == [IncidentState.RESOLVED]


def test_nor_does_one_that_waits_its_hour_keep_any_open() -> None:
    waiting = since(5399, Reason.HOLD_BUDGET, rising=False)
    result = run(idle(), state=known(incident=incident(last_bad=float(ago(11))), blocked=waiting))
    assert [alert.state for alert in result.alerts] == [IncidentState.RESOLVED]


def test_silence_neither_resolves_nor_prolongs_it() -> None:
    memory = remembered(TABLE_WRITE, [130, *[None] * 9])
    seen = observed(silent=(TABLE_READ, TABLE_WRITE))
    state = TableState(memory, incident=incident(last_bad=float(ago(40))), blocked=since(3000))
    result = run(seen, rules=AT_MAX, state=state)
    assert result.alerts == ()
    assert result.state.blocked == state.blocked


@pytest.mark.parametrize("reason", [Reason.HOLD_AT_MAX, Reason.HOLD_BUSY], ids=["still held", "passing by"])
def test_nothing_is_held_since_an_instant_to_come(reason: Reason) -> None:
    """A clock that was a day ahead has left it."""
    wish = Wish(100, 200, Reason.RAISE_DEMAND, "wanted")
    want = Want(wish, wish.held(reason, "held"), demand=130.0, event=0, most=1_000)
    before = Blocked(Reason.HOLD_AT_MAX, NOON + 86_400.0, rising=True)
    (after,) = followed(NOON, policy(), None, {TABLE_WRITE: before}, {TABLE_WRITE: want}).values()
    assert after.since == NOON
