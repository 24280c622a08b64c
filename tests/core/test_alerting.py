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
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.result import StepResult
from watcher.core.state import Incident, Normal, TableState
from watcher.core.step import farewell

P, K, U = Cause.PROVISIONED, Cause.KEY_RANGE, Cause.UNCLASSIFIED
SLOW = {"Query": Normal(10, 60, ago(1), slow_minutes=5, average=90)}


def incident(cause: Cause = K, **fields: object) -> Incident:
    known = Incident("i", NOON - 1200.0, cause, "", Severity.WARNING, 3, 0.01, float(ago(1)), events=100)
    return replace(known, **fields)  # type: ignore[arg-type]  # names and types are the caller's


def after(causes: dict[tuple[Dimension, Cause], Events], known: Incident | None = None, **state: object) -> StepResult:
    remembered_state = replace(TableState(incident=known), **state)  # type: ignore[arg-type]  # the caller's
    return run(observed(causes=causes), state=remembered_state)


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
    result = after({(TABLE_WRITE, K): events} if events else {})
    assert (result.state.incident is not None) is opens
    assert [alert.state for alert in result.alerts] == ([IncidentState.OPEN] if opens else [])


def test_an_opened_incident_is_numbered_and_identified() -> None:
    alert = only(after({(TABLE_WRITE, K): {1: 10}}).alerts)
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
        pytest.param(incident(), {(TABLE_WRITE, P): {1: 10}}, True, id="a worse cause"),
        pytest.param(incident(), {(TABLE_WRITE, P): {1: 9}}, False, id="a worse cause, but a trickle"),
        pytest.param(incident(P), {(TABLE_WRITE, K): {1: 100}}, False, id="a lesser cause"),
        # 4 x 0.01: e / (e + 21,000) = 0.04 is 875 events.
        pytest.param(incident(), {(TABLE_WRITE, K): {1: 874}}, False, id="just below four times its worst"),
        pytest.param(incident(), {(TABLE_WRITE, K): {1: 875}}, True, id="four times its worst"),
        # From a peak of almost nothing at least 1 % is wanted: 212.1 events.
        pytest.param(incident(peak=0.0001), {(TABLE_WRITE, K): {1: 212}}, False, id="many times of almost nothing"),
        pytest.param(incident(peak=0.0001), {(TABLE_WRITE, K): {1: 213}}, True, id="until it is one per cent"),
        pytest.param(incident(Cause.SLOW, peak=6.0), {(TABLE_WRITE, K): {1: 10}}, True, id="slow, and now throttled"),
        pytest.param(incident(Cause.BLIND, peak=0.0), {(TABLE_WRITE, K): {1: 10}}, True, id="blind, and now throttled"),
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
    assert grown == replace(known, events=200, last_bad=ago(2), peak=0.01)


def test_a_worsened_incident_takes_the_worse_cause_and_never_a_lower_severity() -> None:
    worse = after({(TABLE_WRITE, P): {1: 10}}, incident(severity=Severity.CRITICAL)).state.incident
    assert worse is not None
    assert (worse.cause, worse.severity) == (P, Severity.CRITICAL)


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
    alert = only(farewell(NOON, KEY, incident()))
    assert (alert.state, alert.sequence, alert.subject) == (
        IncidentState.RESOLVED,
        4,
        "orders: table deleted, incident closed",
    )
    assert farewell(NOON, KEY, None) == ()


def test_events_are_counted_over_the_life_of_an_incident() -> None:
    first = run(observed(causes={(TABLE_WRITE, K): {1: 40}}))
    again = run(observed(causes={(TABLE_WRITE, K): {1: 45}}, consumed={TABLE_WRITE: even(70)}), state=first.state)
    assert first.state.incident is not None
    assert again.state.incident is not None
    assert (first.state.incident.events, again.state.incident.events) == (40, 45)
