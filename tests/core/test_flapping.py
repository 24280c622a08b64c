"""One rule for what comes back and for what is told again, for tables and Regions alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watcher.core.flapping import calm_needed, closed, comes_back, crossed, reopened
from watcher.core.policy import IncidentRules
from watcher.core.reasons import Cause, Severity
from watcher.core.region_state import RegionRules
from watcher.core.state import Incident

T0 = 1_699_963_200.0
INCIDENT = Incident("eu-west-1.orders.1", T0, Cause.SLOW, "", Severity.WARNING, 1, 1.0, T0)


@pytest.mark.parametrize(
    ("flaps", "seconds"),
    [
        pytest.param(0, 600.0, id="the first time as configured"),
        pytest.param(1, 1200.0, id="twice as long once it came back"),
        pytest.param(3, 4800.0, id="and twice again each time"),
        pytest.param(4, 7200.0, id="up to the longest"),
        pytest.param(5000, 7200.0, id="however often"),
    ],
)
def test_the_calm_that_resolves_doubles_with_each_flap(flaps: int, seconds: float) -> None:
    assert calm_needed(IncidentRules(), flaps) == seconds


def test_a_configured_calm_longer_than_the_longest_stays_as_it_is() -> None:
    assert calm_needed(RegionRules(resolve_after=9000.0, longest_calm=7200.0), 2) == 9000.0


@pytest.mark.parametrize(
    ("last", "later", "back"),
    [
        pytest.param(None, 0.0, False, id="there was none"),
        pytest.param(INCIDENT, 0.0, False, id="it is not over"),
        pytest.param(closed(INCIDENT, T0), 3600.0, True, id="just within the window"),
        pytest.param(closed(INCIDENT, T0), 3601.0, False, id="a second after it"),
    ],
)
def test_what_belongs_to_the_incident_before(last: Incident | None, later: float, back: bool) -> None:  # noqa: FBT001
    assert comes_back(IncidentRules(), last, T0 + later) is back


def test_a_thread_goes_on_over_its_ends() -> None:
    ended = closed(replace(INCIDENT, retell=True), T0 + 60)
    assert (ended.sequence, ended.closed_at, ended.retell) == (2, T0 + 60, False)
    again = reopened(ended)
    assert (again.id, again.sequence, again.flaps, again.closed_at) == (INCIDENT.id, 3, 1, None)


@pytest.mark.parametrize(
    ("followed", "now", "due"),
    [
        pytest.param(0, 899, (), id="a second before the quarter of an hour"),
        pytest.param(0, 900, (900.0,), id="at it"),
        pytest.param(900, 960, (), id="once only"),
        pytest.param(1740, 1800, (900.0, 1800.0), id="both at the half hour"),
        pytest.param(60, 7200, (900.0, 1800.0), id="after a long silence each once"),
        pytest.param(-1e9, 60, (), id="never looked at counts from the opening"),
        pytest.param(960, 900, (), id="a clock that was set back"),
    ],
)
def test_when_what_stays_open_is_told_again(followed: float, now: float, due: tuple[float, ...]) -> None:
    assert crossed((900.0, 1800.0, 0.0), T0, T0 + followed, T0 + now) == due
