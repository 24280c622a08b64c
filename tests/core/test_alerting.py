"""One incident, one thread: opened, worsened, resolved, each only for a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import (
    INDEX_WRITE,
    KEY,
    NOON,
    Events,
    ago,
    even,
    observed,
    only,
    remembered,
    run,
    table,
    throughput,
)
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Metric
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.result import StepResult
from watcher.core.state import DimensionState, Incident, Normal, TableState
from watcher.core.step import farewell

P, K, U = Cause.PROVISIONED, Cause.KEY_RANGE, Cause.UNCLASSIFIED
SLOW = {"Query": Normal(10, 60, ago(1), slow_minutes=5, average=90)}


def incident(cause: Cause = K, **fields: object) -> Incident:
    known = Incident("i", NOON - 1200.0, cause, "", Severity.WARNING, 3, 0.01, float(ago(1)), events=100)
    return replace(known, **fields)  # type: ignore[arg-type]  # names and types are the caller's


def after(causes: dict[tuple[Dimension, Cause], Events], known: Incident | None = None, **state: object) -> StepResult:
    remembered_state = replace(TableState(incident=known), **state)  # type: ignore[arg-type]  # the caller's
    return run(observed(causes=causes), state=remembered_state)


def opened(result: StepResult) -> bool:
    incident = result.state.incident
    assert [alert.state for alert in result.alerts] == ([IncidentState.OPEN] if incident else [])
    return incident is not None


# One unit a second: even a single event is more than one request in a thousand of the window's 300 units.
@pytest.mark.parametrize(
    ("events", "opens"),
    [
        pytest.param({1: 10}, True, id="ten events in one minute"),
        pytest.param({1: 9}, False, id="nine in one minute: SDKs retry those away"),
        pytest.param({1: 1, 3: 1}, True, id="two events, but in two minutes"),
        pytest.param({1: 5, 5: 5}, True, id="within the five minutes of the window"),
        pytest.param({1: 9, 6: 9}, False, id="the sixth minute back is outside"),
        pytest.param({}, False, id="none"),
    ],
)
def test_what_opens_an_incident(events: Events, opens: bool) -> None:  # noqa: FBT001 - a table's column
    seen = observed(consumed={TABLE_WRITE: even(1)}, causes={(TABLE_WRITE, K): events} if events else {})
    assert opened(run(seen)) is opens


# 333 units/s serve 99,900 in the window: 100 events are exactly one request in a thousand.
@pytest.mark.parametrize(
    ("events", "opens"),
    [
        pytest.param({1: 100}, True, id="one request in a thousand, in one minute"),
        pytest.param({1: 99}, False, id="just below it, in one minute"),
        pytest.param({1: 20, 2: 20, 3: 20, 4: 20, 5: 19}, True, id="just below it, but in every minute of the window"),
        pytest.param({1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, True, id="a trickle of one event in every minute"),
        pytest.param({1: 25, 2: 25, 3: 25, 4: 24}, False, id="just below it, in all but one minute"),
        pytest.param({1: 25, 2: 25, 3: 25, 5: 25}, True, id="one in a thousand, in all but one minute"),
    ],
)
def test_what_opens_an_incident_on_a_busy_table(events: Events, opens: bool) -> None:  # noqa: FBT001 - a table's column
    busy = table(throughput(write=500))
    seen = observed(busy, {TABLE_WRITE: even(333)}, causes={(TABLE_WRITE, K): events})
    assert opened(run(seen)) is opens


def test_an_opened_incident_is_numbered_and_identified() -> None:
    alert = only(after({(TABLE_WRITE, K): {1: 100}}).alerts)
    assert (alert.incident, alert.sequence, alert.opened_at) == (f"eu-west-1.orders.{NOON}", 1, NOON)
    assert alert.attributes()["index"] == "-"


# The window serves 21,000 units: 5 % of requests is e / (e + 21,000) = 0.05, that is 1,105.3 events.
@pytest.mark.parametrize(
    ("events", "severity"),
    [
        pytest.param(1105, Severity.WARNING, id="just below one request in twenty"),
        pytest.param(1106, Severity.CRITICAL, id="just above it"),
    ],
)
def test_severity(events: float, severity: Severity) -> None:
    assert only(after({(TABLE_WRITE, K): {1: events}}).alerts).severity is severity


@pytest.mark.parametrize(
    ("known", "causes", "told"),
    [
        pytest.param(incident(), {(TABLE_WRITE, K): {1: 100}}, False, id="the same again"),
        pytest.param(incident(), {(TABLE_WRITE, K): {1: 1106}}, True, id="critical now"),
        pytest.param(
            incident(severity=Severity.CRITICAL, peak=0.06), {(TABLE_WRITE, K): {1: 1106}}, False, id="critical before"
        ),
        # Of 21,000 units, 22 events are just above one request in a thousand, and 21 are just below it.
        pytest.param(incident(P), {(TABLE_WRITE, K): {1: 22}}, True, id="a worse cause: what capacity cannot cure"),
        pytest.param(incident(P), {(TABLE_WRITE, K): {1: 21}}, False, id="a worse cause, but a trickle"),
        pytest.param(incident(), {(TABLE_WRITE, P): {1: 100}}, False, id="a lesser cause: what a raise will cure"),
        pytest.param(incident(Cause.ON_DEMAND_CAP), {(TABLE_WRITE, P): {1: 100}}, False, id="a cap, then capacity"),
        pytest.param(incident(P), {(TABLE_WRITE, Cause.ACCOUNT_LIMIT): {1: 22}}, True, id="capacity, then a quota"),
        # 4 x 0.01: e / (e + 21,000) = 0.04 is 875 events.
        pytest.param(incident(), {(TABLE_WRITE, K): {1: 874}}, False, id="just below four times its worst"),
        pytest.param(incident(), {(TABLE_WRITE, K): {1: 875}}, True, id="four times its worst"),
        # From a peak of almost nothing at least 1 % is wanted: 212.1 events.
        pytest.param(incident(peak=0.0001), {(TABLE_WRITE, K): {1: 212}}, False, id="many times of almost nothing"),
        pytest.param(incident(peak=0.0001), {(TABLE_WRITE, K): {1: 213}}, True, id="until it is one per cent"),
        pytest.param(incident(Cause.SLOW, peak=6.0), {(TABLE_WRITE, K): {1: 22}}, True, id="slow, and now throttled"),
        pytest.param(incident(Cause.BLIND, peak=0.0), {(TABLE_WRITE, K): {1: 22}}, True, id="blind, and now throttled"),
    ],
)
def test_what_worsens_an_incident(
    known: Incident,
    causes: dict[tuple[Dimension, Cause], Events],
    told: bool,  # noqa: FBT001 - a table's column
) -> None:
    result = after(causes, known)
    assert [(alert.state, alert.sequence) for alert in result.alerts] == ([(IncidentState.WORSENED, 4)] if told else [])
    assert result.state.incident is not None
    assert result.state.incident.sequence == (4 if told else 3)


def test_an_incident_that_goes_on_grows_without_a_word() -> None:
    known = incident(last_bad=float(ago(9)))
    grown = after({(TABLE_WRITE, K): {2: 100}}, known).state.incident
    assert grown == replace(known, events=200, last_bad=ago(2), peak=0.01, followed_at=NOON)


def test_a_worsened_incident_takes_the_worse_cause_and_never_a_lower_severity() -> None:
    worse = after({(TABLE_WRITE, K): {1: 100}}, incident(P, severity=Severity.CRITICAL)).state.incident
    assert worse is not None
    assert (worse.cause, worse.severity) == (K, Severity.CRITICAL)


def raised(in_force: float) -> dict[Dimension, DimensionState]:
    """Asked for so long ago that minutes from ``in_force`` on show it."""
    return remembered(TABLE_WRITE, expected=100, raised_at=in_force - Tuning().actuation)


# Each minute serves 4,200 units. 21,000 events of ago(3) are half of the window's requests; of the two minutes from
# ago(2) on, 8,400 units, one request in twenty is 442.1 events.
@pytest.mark.parametrize(
    ("known", "causes", "in_force", "told"),
    [
        pytest.param(incident(P), {(TABLE_WRITE, P): {3: 21_000}}, ago(2), False, id="bad before the raise only"),
        pytest.param(incident(P), {(TABLE_WRITE, P): {3: 21_000}}, None, True, id="as bad, and nothing was raised"),
        pytest.param(
            incident(P), {(TABLE_WRITE, P): {3: 21_000}}, NOON - 1.0, False, id="no minute seen since the raise"
        ),
        pytest.param(
            incident(P), {(TABLE_WRITE, P): {3: 21_000, 1: 9000}}, ago(2), True, id="still bad after the raise"
        ),
        pytest.param(
            incident(P, peak=0.02), {(TABLE_WRITE, P): {3: 21_000, 1: 442}}, ago(2), False, id="not critical after it"
        ),
        pytest.param(
            incident(P, peak=0.02), {(TABLE_WRITE, P): {3: 21_000, 1: 443}}, ago(2), True, id="just critical after it"
        ),
        # From a peak of 1 %, four times that is 350 events of the two minutes.
        pytest.param(incident(P), {(TABLE_WRITE, P): {3: 400, 1: 349}}, ago(2), False, id="less than four times after"),
        pytest.param(incident(P), {(TABLE_WRITE, P): {3: 400, 1: 350}}, ago(2), True, id="four times its worst after"),
        pytest.param(
            incident(P), {(TABLE_WRITE, P): {2: 9000}}, ago(2), True, id="in force as the bad minute began: it shows it"
        ),
        pytest.param(
            incident(P), {(TABLE_WRITE, P): {2: 9000}}, ago(2) + 1, False, id="in force a second later: it does not"
        ),
        pytest.param(
            incident(P, severity=Severity.CRITICAL, peak=0.3),
            {(TABLE_WRITE, P): {1: 9000}},
            ago(2),
            False,
            id="still bad after the raise, but told as critical before",
        ),
        pytest.param(
            incident(), {(TABLE_WRITE, K): {3: 21_000}}, ago(2), True, id="a raise does not cure a hot key range"
        ),
        pytest.param(
            incident(P), {(TABLE_WRITE, K): {1: 100}}, ago(2), True, id="a hot key range is found after the raise"
        ),
        pytest.param(
            incident(), {(TABLE_WRITE, P): {3: 21_000}}, ago(2), False, id="a hot key range first, capacity then raised"
        ),
        pytest.param(
            incident(Cause.SLOW, peak=6.0),
            {(TABLE_WRITE, P): {3: 21_000}},
            ago(2),
            True,
            id="slow and now throttled is news, cured or not",
        ),
    ],
)
def test_what_a_raise_may_have_cured_is_not_worse(
    known: Incident,
    causes: dict[tuple[Dimension, Cause], Events],
    in_force: float | None,
    told: bool,  # noqa: FBT001 - a table's column
) -> None:
    memory = {} if in_force is None else raised(float(in_force))
    result = after(causes, known, dimensions=memory)
    assert [alert.state for alert in result.alerts] == ([IncidentState.WORSENED] if told else [])


def test_what_is_left_after_a_raise_is_told_once_as_what_it_is() -> None:
    # 600 of 9,000 since the raise are critical, 600 of 21,600 in the window are not.
    causes: dict[tuple[Dimension, Cause], Events] = {(TABLE_WRITE, P): {1: 600}}
    first = after(causes, incident(P, peak=0.02), dimensions=raised(float(ago(2))))
    assert only(first.alerts).severity is Severity.CRITICAL
    again = run(observed(causes=causes), state=replace(first.state, changes=()))
    assert again.alerts == ()
    assert again.state.incident is not None
    assert again.state.incident.severity is Severity.CRITICAL


def test_a_latency_does_not_pass_for_a_share_of_requests() -> None:
    # A latency of 9 times its normal, kept as peak, would ask 36 times all requests of anything worse to be told.
    throttled = after({(TABLE_WRITE, K): {1: 100}}, incident(Cause.SLOW, peak=9.0)).state.incident
    assert throttled is not None
    assert throttled.peak == pytest.approx(100 / 21_100)
    slow_too = after({}, incident(peak=0.02), latency=SLOW).state.incident
    assert slow_too is not None
    assert slow_too.peak == 0.02


# The newest visible minute is ago(1); calm for resolve_after = 600 s is ten minutes from last_bad to it.
@pytest.mark.parametrize(
    ("last_bad", "resolved"),
    [
        pytest.param(11, True, id="ten calm minutes"),
        pytest.param(10, False, id="nine"),
    ],
)
def test_what_resolves_an_incident(last_bad: int, resolved: bool) -> None:  # noqa: FBT001 - a table's column
    result = after({}, incident(last_bad=float(ago(last_bad))))
    assert [alert.state for alert in result.alerts] == ([IncidentState.RESOLVED] if resolved else [])
    assert (result.state.incident is None) is resolved


def test_a_trickle_keeps_an_open_incident_open() -> None:
    assert after({(TABLE_WRITE, K): {1: 1}}, incident(last_bad=float(ago(11)))).alerts == ()


def test_silence_of_cloudwatch_is_not_calm() -> None:
    seen = observed(silent=(TABLE_READ, TABLE_WRITE))
    state = TableState(remembered(TABLE_WRITE, [70, *[None] * 9]), incident=incident(last_bad=float(ago(60))))
    result = run(seen, state=state)
    assert result.alerts == ()
    assert result.state.incident is not None


def test_nor_is_the_silence_of_only_the_dimension_that_hurt() -> None:
    # Writes throttled until they fell silent 15 minutes ago; reads are fresh and calm.
    seen = observed(consumed={TABLE_WRITE: [100, *[None] * 15]}, incomplete=[(TABLE_WRITE, Metric.CONSUMED)])
    result = run(seen, state=TableState(incident=incident(P, last_bad=float(ago(16)))))
    assert result.alerts == ()
    assert result.state.incident is not None


def test_an_incident_of_an_index_that_is_gone_is_judged_by_the_table() -> None:
    result = run(observed(), state=TableState(incident=incident(index="gone", last_bad=float(ago(20)))))
    assert only(result.alerts).state is IncidentState.RESOLVED


def test_an_incident_of_an_index_is_judged_by_the_index() -> None:
    seen = observed(
        table(index=throughput()), {INDEX_WRITE: [100, *[None] * 15]}, incomplete=[(INDEX_WRITE, Metric.CONSUMED)]
    )
    result = run(seen, state=TableState(incident=incident(P, index="by-customer", last_bad=float(ago(16)))))
    assert result.alerts == ()


def test_blind_only_after_having_seen_something() -> None:
    seen = observed(silent=(TABLE_READ, TABLE_WRITE))
    assert run(seen).alerts == ()
    after_seeing = run(seen, state=TableState(remembered(TABLE_WRITE, [70, *[None] * 9])))
    assert only(after_seeing.alerts).cause is Cause.BLIND


def test_blindness_ends_with_the_first_fresh_point() -> None:
    blind = incident(Cause.BLIND, last_bad=float(NOON - 60))
    assert only(run(observed(), state=TableState(incident=blind)).alerts).state is IncidentState.RESOLVED
    still = run(observed(silent=(TABLE_READ, TABLE_WRITE)), state=TableState(incident=blind))
    assert still.alerts == ()
    assert still.state.incident is not None


def test_slowness_opens_an_incident_of_its_own() -> None:
    alert = only(after({}, latency=SLOW).alerts)
    assert (alert.cause, alert.severity) == (Cause.SLOW, Severity.WARNING)


def test_a_deleted_table_closes_its_incident() -> None:
    alert = only(farewell(NOON, KEY, incident(), "deleted"))
    assert (alert.state, alert.sequence, alert.subject) == (
        IncidentState.RESOLVED,
        4,
        "orders: deleted, incident closed",
    )
    assert farewell(NOON, KEY, None, "deleted") == ()


def test_events_are_counted_over_the_life_of_an_incident() -> None:
    first = run(observed(causes={(TABLE_WRITE, K): {1: 40}}))
    again = run(observed(causes={(TABLE_WRITE, K): {1: 45}}, consumed={TABLE_WRITE: even(70)}), state=first.state)
    assert first.state.incident is not None
    assert again.state.incident is not None
    assert (first.state.incident.events, again.state.incident.events) == (40, 45)
