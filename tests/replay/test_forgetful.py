"""What stands behind the cycle in a replay stays small, and lets no trouble pass."""

from __future__ import annotations

import pytest

from tests.store.samples import ORDERS, USERS, decision, intent, settlement
from watcher.core.reasons import Mode
from watcher.errors import WatcherError
from watcher.ports import CycleRecord, CycleReport, TableReport
from watcher.replay.forgetful import ForgetfulStore, StrictTelemetry


def test_open_intents_are_all_it_holds() -> None:
    store = ForgetfulStore()
    late, early = intent(2), intent(1)
    store.record(CycleRecord(time=1.0, intents=[late, early], decisions=[decision(1), decision(2)]))
    assert store.open_intents() == sorted([late, early], key=lambda one: (one.time, one.id))
    store.settle([settlement(early)], {})
    assert store.open_intents() == [late]
    store.settle([settlement(late)], {})
    assert store.open_intents() == []
    assert sum(store.reasons.values()) == 2
    assert (store.load(), store.load_regions(), store.waiting()) == ({}, {}, 0)
    nothing = (store.history(), store.alerts(), store.outbox(9e9), store.pauses(0.0), store.hearers("orders-1"))
    assert not any(nothing)


def test_the_key_for_hashing_does_not_change() -> None:
    assert ForgetfulStore().secret() == ForgetfulStore().secret()
    assert len(ForgetfulStore().secret()) == 32


def report(**changes: object) -> CycleReport:
    return CycleReport(1.0, 1.0, 0.0, **changes)  # type: ignore[arg-type]  # a test's choice


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"region_errors": {"us-east-1": "out of reach"}}, id="a Region"),
        pytest.param({"tables": [TableReport(ORDERS, Mode.ACT, None, None, error="out of reach")]}, id="a table"),
    ],
)
def test_what_could_not_be_seen_ends_the_replay(bad: dict[str, object]) -> None:
    with pytest.raises(WatcherError, match="replay: out of reach"):
        StrictTelemetry().cycle_finished(report(**bad))


def test_a_pass_without_trouble_goes_on() -> None:
    seen = TableReport(USERS, Mode.ACT, None, None)
    StrictTelemetry().cycle_finished(report(tables=[seen]))
    assert seen.error == ""


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param({"sentence": "the decision failed"}, "the decision failed", id="in its own words"),
        pytest.param({}, "step.failed", id="by its name where there are none"),
    ],
)
def test_trouble_ends_the_replay(facts: dict[str, object], told: str) -> None:
    with pytest.raises(WatcherError, match=told):
        StrictTelemetry().trouble("step.failed", **facts)
