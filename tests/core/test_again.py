"""An incident that comes back, is told anew after a storm, or is called to mind: always the same thread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import HOUR, NOON, Events, ago, observed, only, policy, run
from tests.core.test_alerting import incident
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension
from watcher.core.policy import IncidentRules
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.result import StepResult
from watcher.core.state import Incident, Normal, TableState

K = Cause.KEY_RANGE
BAD: dict[tuple[Dimension, Cause], Events] = {(TABLE_WRITE, K): {1: 100}}


def resolved(ago_: float = 600.0, **fields: object) -> Incident:
    """An incident of two hours ago that was critical, told in six messages, the last of them its end."""
    known = incident(
        Cause.PROVISIONED,
        opened_at=NOON - 2.0 * HOUR,
        severity=Severity.CRITICAL,
        sequence=6,
        peak=0.4,
        events=5_000.0,
        closed_at=NOON - ago_,
    )
    return replace(known, **fields)  # type: ignore[arg-type]  # names and types are the caller's


def bad(last: Incident | None, rules: IncidentRules | None = None) -> StepResult:
    return run(observed(causes=BAD), rules=policy(incidents=rules), state=TableState(last_incident=last))


def test_trouble_that_comes_back_goes_on_with_the_same_incident() -> None:
    result = bad(resolved())
    alert, again = only(result.alerts), result.state.incident
    assert (alert.incident, alert.sequence, alert.state, alert.opened_at) == (
        "i",
        7,
        IncidentState.OPEN,
        NOON - 2 * HOUR,
    )
    assert again is not None
    assert (again.flaps, again.closed_at, again.events) == (1, None, 5_100.0)
    # What is wrong, and how bad that is, is of now.
    assert (again.cause, again.severity, again.last_bad) == (K, Severity.WARNING, float(ago(1)))
    assert again.peak == pytest.approx(100 / 21_100)
    assert result.state.last_incident is None


@pytest.mark.parametrize(
    ("closed", "same"),
    [
        pytest.param(3600.0, True, id="an hour after it was resolved"),
        pytest.param(3601.0, False, id="a second later"),
    ],
)
def test_until_when_it_is_the_same(closed: float, same: bool) -> None:  # noqa: FBT001 - a table's column
    alert = only(bad(resolved(closed)).alerts)
    assert (alert.incident, alert.sequence) == (("i", 7) if same else (f"eu-west-1.orders.{NOON}", 1))


def test_the_last_incident_is_forgotten_when_it_cannot_come_back() -> None:
    calm = observed()
    assert run(calm, state=TableState(last_incident=resolved(3600.0))).state.last_incident == resolved(3600.0)
    assert run(calm, state=TableState(last_incident=resolved(3601.0))).state.last_incident is None


def test_what_is_too_little_for_a_message_does_not_bring_it_back() -> None:
    few = observed(causes={(TABLE_WRITE, K): {1: 9}})
    state = run(few, state=TableState(last_incident=resolved())).state
    assert (state.incident, state.last_incident) == (None, resolved())


# Ten minutes of calm, doubled with each time, two hours at the most.
@pytest.mark.parametrize(
    ("flaps", "minutes"),
    [
        pytest.param(0, 10, id="the first time"),
        pytest.param(1, 20, id="back once"),
        pytest.param(3, 80, id="back three times"),
        pytest.param(4, 120, id="back four times: two hours, and not 160 minutes"),
        pytest.param(40, 120, id="back forty times"),
    ],
)
def test_how_much_calm_it_takes(flaps: int, minutes: int) -> None:
    def state_after(calm: int) -> list[IncidentState]:
        known = incident(flaps=flaps, opened_at=NOON - 20.0 * HOUR, last_bad=float(ago(calm + 1)))
        return [alert.state for alert in run(observed(), state=TableState(incident=known)).alerts]

    assert state_after(minutes) == [IncidentState.RESOLVED]
    assert state_after(minutes - 1) == []


def test_a_resolved_incident_is_remembered_as_it_was_told() -> None:
    known = incident(last_bad=float(ago(11)), flaps=0)
    result = run(observed(), state=TableState(incident=known))
    assert only(result.alerts).sequence == 4
    assert result.state.last_incident is not None
    assert (result.state.last_incident.sequence, result.state.last_incident.closed_at) == (4, NOON)


@pytest.mark.parametrize(
    ("flaps", "last_bad", "ends"),
    [
        pytest.param(0, 2, True, id="blindness ends with the first fresh point"),
        pytest.param(1, 20, False, id="where it comes back, only once it has been seen for long enough"),
        pytest.param(1, 21, True, id="twenty minutes, once back"),
    ],
)
def test_how_long_a_blindness_that_flaps_lasts(flaps: int, last_bad: int, ends: bool) -> None:  # noqa: FBT001 - a table's column
    blind = incident(Cause.BLIND, flaps=flaps, last_bad=float(ago(last_bad)))
    alerts = run(observed(), state=TableState(incident=blind)).alerts
    assert [alert.state for alert in alerts] == ([IncidentState.RESOLVED] if ends else [])


# -- after a storm -----------------------------------------------------------------------------------------------------

WORSE: dict[tuple[Dimension, Cause], Events] = {(TABLE_WRITE, K): {1: 9_000}}


@pytest.mark.parametrize(
    ("causes", "last_bad", "state", "kept"),
    [
        pytest.param(BAD, 1, IncidentState.OPEN, True, id="the same as ever"),
        pytest.param(WORSE, 1, IncidentState.OPEN, True, id="worse: open for whoever has not heard of it"),
        pytest.param({}, 5, IncidentState.OPEN, True, id="calm, but not for long enough"),
        pytest.param({}, 11, IncidentState.RESOLVED, False, id="over"),
    ],
)
def test_what_a_storm_told_is_told_anew(
    causes: dict[tuple[Dimension, Cause], Events],
    last_bad: int,
    state: IncidentState,
    kept: bool,  # noqa: FBT001 - a table's column
) -> None:
    known = incident(retell=True, last_bad=float(ago(last_bad)))
    result = run(observed(causes=causes), state=TableState(incident=known))
    alert = only(result.alerts)
    assert (alert.state, alert.sequence, alert.is_reminder) == (state, 4, False)
    assert (result.state.incident is not None) is kept
    assert run(observed(causes=causes), state=result.state).alerts == ()


# -- reminders ---------------------------------------------------------------------------------------------------------

HALF, WHOLE = 1800.0, 3600.0
REMIND = IncidentRules(repeats=(HALF, WHOLE))


@pytest.mark.parametrize(
    ("age", "looked", "repeats"),
    [
        pytest.param(1800, 60, (HALF,), id="half an hour after it opened"),
        pytest.param(1799, 60, (), id="a second before that"),
        pytest.param(1860, 60, (), id="in the pass after"),
        pytest.param(1859, 60, (HALF,), id="when no pass was just then"),
        pytest.param(3600, 60, (HALF, WHOLE), id="an hour after: due for both topics, in one message"),
        pytest.param(5400, 60, (HALF,), id="an hour and a half after"),
        pytest.param(9100, 7400, (HALF, WHOLE), id="five came round while nobody looked: one message"),
        pytest.param(9100, 9100, (HALF, WHOLE), id="looked at as it opened"),
    ],
)
def test_when_a_reminder_is_due(age: float, looked: float, repeats: tuple[float, ...]) -> None:
    known = incident(opened_at=NOON - age, followed_at=NOON - looked)
    result = run(observed(causes=BAD), rules=policy(incidents=REMIND), state=TableState(incident=known))
    assert [(alert.state, alert.repeats, alert.sequence) for alert in result.alerts] == (
        [(IncidentState.OPEN, repeats, 4)] if repeats else []
    )
    assert result.state.incident is not None
    assert (result.state.incident.followed_at, result.state.incident.sequence) == (NOON, 3 + len(result.alerts))


def test_an_incident_of_which_nobody_knows_when_it_was_looked_at_is_called_to_mind_once() -> None:
    known = incident(opened_at=NOON - 9_000.0, followed_at=0.0)
    first = run(observed(causes=BAD), rules=policy(incidents=REMIND), state=TableState(incident=known))
    assert only(first.alerts).repeats == (HALF, WHOLE)
    assert run(observed(causes=BAD), rules=policy(incidents=REMIND), state=first.state).alerts == ()


@pytest.mark.parametrize(
    ("causes", "changed", "state"),
    [
        pytest.param(WORSE, {}, IncidentState.WORSENED, id="it is worse"),
        pytest.param(BAD, {"retell": True}, IncidentState.OPEN, id="a storm is over"),
        pytest.param({}, {"last_bad": float(ago(11))}, IncidentState.RESOLVED, id="it is over"),
    ],
)
def test_no_reminder_beside_news(
    causes: dict[tuple[Dimension, Cause], Events], changed: dict[str, object], state: IncidentState
) -> None:
    open_one = incident(opened_at=NOON - 1800.0, followed_at=NOON - 60.0)
    known = replace(open_one, **changed)  # type: ignore[arg-type]  # names and types are the caller's
    result = run(observed(causes=causes), rules=policy(incidents=REMIND), state=TableState(incident=known))
    alert = only(result.alerts)
    assert (alert.state, alert.repeats) == (state, ())
    assert run(observed(causes=causes), rules=policy(incidents=REMIND), state=result.state).alerts == ()


def test_an_incident_that_comes_back_is_no_reminder_of_the_time_between() -> None:
    last = resolved(opened_at=NOON - 9_000.0, followed_at=NOON - 3_000.0)
    assert only(bad(last, REMIND).alerts).repeats == ()


def test_without_an_interval_nothing_is_called_to_mind() -> None:
    known = incident(opened_at=NOON - 90_000.0)
    assert run(observed(causes=BAD), state=TableState(incident=known)).alerts == ()


def test_blind_slow_or_throttled_it_is_the_same_incident() -> None:
    slow = {"Query": Normal(10, 60, ago(1), slow_minutes=5, average=90)}
    state = TableState(last_incident=resolved(), latency=slow)
    assert only(run(observed(), state=state).alerts).incident == "i"
    seen = observed(consumed={TABLE_WRITE: [70.0, *[None] * 9]}, silent=(TABLE_READ,))
    blind = run(seen, state=TableState(last_incident=resolved()))
    assert only(blind.alerts).incident == "i"


# -- a clock that was wrong --------------------------------------------------------------------------------------------

DAY = 24.0 * HOUR


def test_an_incident_of_a_clock_that_was_ahead_waits_for_its_end_from_now_on() -> None:
    known = incident(opened_at=NOON + DAY, last_bad=NOON + DAY, followed_at=NOON + DAY, bad_since=NOON + DAY)
    after = run(observed(), state=TableState(incident=known)).state.incident
    assert after is not None
    assert {after.opened_at, after.last_bad, after.followed_at} == {float(NOON)}


def test_one_resolved_by_a_clock_that_was_ahead_comes_back_for_an_hour_only() -> None:
    after = run(observed(), state=TableState(last_incident=resolved(-DAY))).state.last_incident
    assert after is not None
    assert after.closed_at == NOON
