"""How bad a trouble is: by its share of requests, by how long it gives no relief, by how far a latency is off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import NOON, Events, ago, even, observed, only, run
from tests.core.test_alerting import after, incident
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.state import Incident, Normal, TableState

K = Cause.KEY_RANGE
WRITES: tuple[Dimension, Cause] = (TABLE_WRITE, K)
# The window of five minutes serves 21,000 units: one request in a hundred is e / (e + 21,000) = 0.01, 212.1 events.
# Three minutes of five are more than half of them.
ONE_IN_A_HUNDRED: Events = {1: 71, 2: 71, 3: 71}
NOT_QUITE: Events = {1: 70, 2: 71, 3: 71}
TWO_MINUTES: Events = {1: 500, 2: 500}
# Thirty minutes, the newest bad one included, end with ago(1) when they began with ago(30).
HALF_AN_HOUR = float(ago(30))


@pytest.mark.parametrize(
    ("since", "events", "severity", "told"),
    [
        pytest.param(HALF_AN_HOUR, ONE_IN_A_HUNDRED, Severity.WARNING, True, id="for thirty minutes without relief"),
        pytest.param(HALF_AN_HOUR + 1, ONE_IN_A_HUNDRED, Severity.WARNING, False, id="for a second less"),
        pytest.param(HALF_AN_HOUR, ONE_IN_A_HUNDRED, Severity.CRITICAL, False, id="told as critical before"),
        pytest.param(HALF_AN_HOUR, NOT_QUITE, Severity.WARNING, False, id="less than one request in a hundred now"),
        pytest.param(
            HALF_AN_HOUR, TWO_MINUTES, Severity.WARNING, False, id="only two of the last five minutes are bad"
        ),
        pytest.param(None, ONE_IN_A_HUNDRED, Severity.WARNING, False, id="it has only just come to so much"),
    ],
)
def test_throttling_that_lasts_becomes_critical(
    since: float | None,
    events: Events,
    severity: Severity,
    told: bool,  # noqa: FBT001 - a table's column
) -> None:
    known = incident(K, peak=0.02, bad_since=since, severity=severity)
    alerts = after({WRITES: events}, known).alerts
    assert [(alert.state, alert.severity) for alert in alerts] == (
        [(IncidentState.WORSENED, Severity.CRITICAL)] if told else []
    )


def test_it_becomes_so_once() -> None:
    known = incident(K, peak=0.02, bad_since=HALF_AN_HOUR)
    first = after({WRITES: ONE_IN_A_HUNDRED}, known)
    again = run(observed(causes={WRITES: ONE_IN_A_HUNDRED}), state=first.state)
    assert (len(first.alerts), again.alerts) == (1, ())


@pytest.mark.parametrize(
    ("since", "events", "expected"),
    [
        pytest.param(None, ONE_IN_A_HUNDRED, float(ago(3)), id="it begins with the first bad minute in the window"),
        pytest.param(NOON - 900.0, ONE_IN_A_HUNDRED, NOON - 900.0, id="it goes on"),
        pytest.param(NOON - 900.0, NOT_QUITE, None, id="less of the requests is a relief"),
        pytest.param(NOON - 900.0, TWO_MINUTES, None, id="more good minutes than bad ones are a relief"),
        pytest.param(NOON - 900.0, {}, None, id="and so is no bad minute at all"),
    ],
)
def test_since_when_there_is_no_relief(since: float | None, events: Events, expected: float | None) -> None:
    causes = {WRITES: events} if events else {}
    grown = after(causes, incident(K, peak=0.02, bad_since=since)).state.incident
    assert grown is not None
    assert grown.bad_since == expected


def test_half_of_the_minutes_is_a_relief() -> None:
    # Of the window's five minutes one has not come: two of four are bad.
    seen = observed(consumed={TABLE_WRITE: [*even(70, 58), None, 70.0]}, causes={WRITES: {1: 500, 3: 500}})
    grown = run(seen, state=TableState(incident=incident(K, peak=0.5, bad_since=NOON - 900.0))).state.incident
    assert grown is not None
    assert grown.bad_since is None


def test_an_incident_that_opens_without_relief_counts_from_its_first_minute() -> None:
    opened = after({WRITES: ONE_IN_A_HUNDRED}).state.incident
    assert opened is not None
    assert opened.bad_since == ago(3)


def test_silence_is_no_relief() -> None:
    known = incident(K, bad_since=NOON - 900.0)
    result = run(observed(silent=(TABLE_READ, TABLE_WRITE)), state=TableState(incident=known))
    assert result.explanation.cause is Cause.BLIND
    assert result.state.incident is not None
    assert result.state.incident.bad_since == NOON - 900.0


def slow(average: float, minutes: int = 5, mean: float = 10.0) -> dict[str, Normal]:
    return {"Query": Normal(mean, 90, ago(1), minutes, average)}


TAIL = {"Query": Normal(5, 90, ago(1), 0, 5.0, 990.0, p99_mean=20.0, p99_minutes=90, p99_slow_minutes=90)}


@pytest.mark.parametrize(
    ("latency", "severity"),
    [
        pytest.param(slow(110), Severity.CRITICAL, id="11 times its normal, above 100 ms"),
        pytest.param(slow(99), Severity.WARNING, id="9.9 times"),
        pytest.param(slow(40, minutes=60), Severity.CRITICAL, id="four times, for an hour"),
        pytest.param(TAIL, Severity.WARNING, id="a p99, however far and long"),
    ],
)
def test_how_bad_slowness_is(latency: dict[str, Normal], severity: Severity) -> None:
    alert = only(after({}, latency=latency).alerts)
    assert (alert.cause, alert.severity) == (Cause.SLOW, severity)


@pytest.mark.parametrize(
    ("known", "latency", "told"),
    [
        pytest.param(incident(Cause.SLOW, peak=4.0), slow(110), True, id="far slower than it was told"),
        pytest.param(incident(Cause.SLOW, peak=4.0), slow(40), False, id="as slow as it was told"),
        pytest.param(incident(Cause.SLOW, peak=4.0), slow(40, minutes=60), True, id="for an hour now"),
        pytest.param(
            incident(Cause.SLOW, peak=4.0, severity=Severity.CRITICAL), slow(110), False, id="critical before"
        ),
        pytest.param(incident(Cause.CANNOT_ACT), slow(40), True, id="a change was held, and now it is slow"),
    ],
)
def test_slowness_that_is_worse(known: Incident, latency: dict[str, Normal], told: bool) -> None:  # noqa: FBT001 - a table's column
    result = run(observed(), state=TableState(incident=known, latency=latency))
    assert [alert.state for alert in result.alerts] == ([IncidentState.WORSENED] if told else [])


# Of one unit a second each event is a notable share, so that the number of events alone decides.
@pytest.mark.parametrize(
    ("events", "cause"),
    [
        pytest.param({1: 9}, Cause.SLOW, id="too few events for a message do not hide that it is slow"),
        pytest.param({1: 10}, K, id="while it throttles, how slow it is is no verdict"),
    ],
)
def test_slow_and_throttled(events: Events, cause: Cause) -> None:
    seen = observed(consumed={TABLE_WRITE: even(1)}, causes={WRITES: events})
    assert only(run(seen, state=TableState(latency=slow(90))).alerts).cause is cause


def test_an_incident_of_throttling_stays_one_while_a_few_events_go_on() -> None:
    known = incident(K, peak=0.5)
    result = after({WRITES: {1: 1}}, known, latency=slow(110))
    assert result.alerts == ()
    assert result.state.incident == replace(known, events=101, last_bad=float(ago(1)), followed_at=NOON)
