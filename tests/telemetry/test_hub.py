"""What one finished cycle becomes: log lines, a snapshot, health."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.telemetry import examples
from watcher.clock import SimulatedClock
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import SamplerMode
from watcher.core.model import TABLE_READ, TABLE_WRITE, Alert, Lever
from watcher.core.pauses import Pause
from watcher.core.reasons import IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.sampling import SamplingPlan
from watcher.core.state import TableState
from watcher.ports import CycleReport, Telemetry
from watcher.telemetry.health import Health
from watcher.telemetry.hub import TelemetryHub, names_any
from watcher.telemetry.logs import Event
from watcher.telemetry.metrics import WatcherMetrics
from watcher.telemetry.outcomes import settled, settlement_sentence

Line = MutableMapping[str, Any]


class Bench:
    def __init__(self) -> None:
        clock = SimulatedClock(examples.NOW)
        self.health = Health(clock, 60)
        metrics = WatcherMetrics(CollectorRegistry(), version="1.2.3")
        self.hub = TelemetryHub(metrics, self.health, version="1.2.3", regions=[examples.REGION])

    def cycle(self, report: CycleReport) -> list[Line]:
        """Finish a cycle and return what it logged, the debug line of every cycle left out."""
        with capture_logs() as lines:
            self.hub.cycle_finished(report)
        return [line for line in lines if line["event"] != Event.CYCLE_FINISHED]

    def trouble(self, event: str, **facts: object) -> list[Line]:
        with capture_logs() as lines:
            self.hub.trouble(event, **facts)
        return list(lines)


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench()
    yield one
    with capture_logs():  # whatever a test did, the hub goes on
        one.hub.cycle_finished(examples.cycle())
    assert one.health.ready().ok


def test_it_is_the_port() -> None:
    port: Telemetry = Bench().hub  # the type checker's word
    assert isinstance(port, TelemetryHub)


def events(lines: list[Line]) -> list[tuple[str, str]]:
    return [(str(line["event"]), str(line["log_level"])) for line in lines]


def test_a_steady_cycle_says_nothing_above_debug(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report()))
    with capture_logs() as lines:
        bench.hub.cycle_finished(examples.cycle(examples.table_report()))
    assert events(list(lines)) == [("cycle.finished", "debug")]
    assert lines[0]["sentence"] == "Cycle finished in 1.5 s; 1 table seen."


def test_a_raise_is_logged_as_incident_decision_and_action_in_this_order(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report()))
    opened = examples.alert(examples.key(), IncidentState.OPEN)
    lines = bench.cycle(examples.cycle(examples.throttled_table(), told=[opened]))
    assert events(lines) == [("incident.opened", "error"), ("decision.made", "info"), ("action.settled", "info")]
    incident, decision, action = lines
    assert decision["sentence"] == "Writes: Writes want 405/s and get 100/s, so 579/s leaves room."
    facts = {
        name: decision[name]
        for name in ("table", "region", "account", "index", "dimension", "before", "after", "reason")
    }
    assert facts == {
        "table": "orders",
        "region": "us-east-1",
        "account": "123456789012",
        "index": "",
        "dimension": "write",
        "before": 100,
        "after": 579,
        "reason": "raise-throttled",
    }
    assert action["sentence"] == "Done: writes from 100 to 579 units/s."
    assert (action["outcome"], action["lever"], action["intent"]) == ("applied", "capacity", "01-intent")
    assert incident["sentence"] == opened.sentence
    assert (incident["incident"], incident["cause"], incident["todo"]) == ("orders-1", "provisioned", opened.todo)


@pytest.mark.parametrize(
    ("state", "severity", "event", "level"),
    [
        pytest.param(
            IncidentState.OPEN, Severity.CRITICAL, "incident.opened", "error", id="critical opens as an error"
        ),
        pytest.param(IncidentState.OPEN, Severity.WARNING, "incident.opened", "warning", id="a warning opens as one"),
        pytest.param(IncidentState.WORSENED, Severity.CRITICAL, "incident.worsened", "error", id="worsened"),
        pytest.param(
            IncidentState.RESOLVED, Severity.CRITICAL, "incident.resolved", "info", id="resolved is good news"
        ),
    ],
)
def test_incident_lines(bench: Bench, state: IncidentState, severity: Severity, event: str, level: str) -> None:
    assert events(bench.cycle(examples.cycle(told=[examples.alert(examples.key(), state, severity)]))) == [
        (event, level)
    ]


def test_an_open_incident_that_is_told_again_is_no_second_one(bench: Bench) -> None:
    again = replace(examples.alert(examples.key(), IncidentState.OPEN, Severity.CRITICAL), sequence=2)
    assert events(bench.cycle(examples.cycle(told=[again]))) == [("incident.explained", "error")]


@pytest.mark.parametrize(("severity", "level"), [(Severity.CRITICAL, "error"), (Severity.WARNING, "warning")], ids=str)
def test_a_reminder_says_that_it_is_still_open(bench: Bench, severity: Severity, level: str) -> None:
    again = replace(examples.alert(examples.key(), IncidentState.OPEN, severity), sequence=3, repeats=(1800.0,))
    assert events(bench.cycle(examples.cycle(told=[again]))) == [("incident.still_open", level)]


def test_an_incident_that_comes_back_is_open_again(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report()))
    back = replace(examples.alert(examples.key(), IncidentState.OPEN), sequence=4)
    lines = bench.cycle(examples.cycle(examples.throttled_table(), told=[back]))
    assert events(lines)[0] == ("incident.reopened", "error")
    more = replace(back, sequence=5)
    assert events(bench.cycle(examples.cycle(examples.throttled_table(), told=[more])))[0] == (
        "incident.explained",
        "error",
    )


def test_what_is_folded_into_a_storm_is_one_quiet_line(bench: Bench) -> None:
    folded = replace(examples.alert(examples.key(), IncidentState.OPEN), storm="us-east-1-s")
    [line] = bench.cycle(examples.cycle(told=[folded]))
    assert (line["event"], line["log_level"], line["storm"]) == ("incident.folded", "info", "us-east-1-s")


@pytest.mark.parametrize(
    ("alert", "event", "level"),
    [
        pytest.param(examples.regional_alert(), "incident.opened", "error", id="a Region's incident opens"),
        pytest.param(
            examples.regional_alert(examples.PERMISSION_LOST), "incident.opened", "warning", id="as severe as it is"
        ),
        pytest.param(
            examples.regional_alert(sequence=3), "incident.reopened", "error", id="it comes back under its number"
        ),
        pytest.param(
            examples.regional_alert(state=IncidentState.WORSENED, sequence=2), "incident.worsened", "error", id="worse"
        ),
        pytest.param(
            examples.regional_alert(state=IncidentState.RESOLVED, sequence=2), "incident.resolved", "info", id="over"
        ),
    ],
)
def test_incidents_of_a_whole_region(bench: Bench, alert: Alert, event: str, level: str) -> None:
    [line] = bench.cycle(examples.cycle(told=[alert]))
    assert (line["event"], line["log_level"]) == (event, level)
    assert (line["table"], line["region"], line["sentence"]) == ("", "us-east-1", alert.sentence)
    assert "tables" not in line


def test_a_storm_tells_how_many_tables_it_is_of(bench: Bench) -> None:
    storm = examples.regional_alert(examples.STORM, tables=["carts", "orders"])
    [line] = bench.cycle(examples.cycle(told=[storm]))
    assert (line["cause"], line["tables"]) == ("storm", 2)


def test_a_storm_names_no_hot_key_in_the_log(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.hot_table()))
    named = f"orders: {examples.HOTTEST.key} is hot."
    storm = replace(examples.regional_alert(examples.STORM, tables=["carts", "orders"]), sentence=named)
    [line] = [one for one in bench.cycle(examples.cycle(examples.hot_table(), told=[storm])) if "tables" in one]
    assert examples.HOTTEST.key not in line["sentence"]


def test_the_words_of_a_region_s_incident_stay_while_it_is_open(bench: Bench) -> None:
    told = examples.regional_alert()
    open_one = {"us-east-1": examples.region(examples.BLIND)}
    bench.cycle(examples.cycle(told=[told], regions=open_one))
    bench.cycle(examples.cycle(regions=open_one))
    assert dict(bench.hub.snapshot.regional) == {examples.BLIND.id: told}
    bench.cycle(examples.cycle())
    assert dict(bench.hub.snapshot.regional) == {}


def test_after_a_restart_the_words_come_from_the_alerts_recorded(bench: Bench) -> None:
    older, newer = examples.regional_alert(), replace(examples.regional_alert(sequence=2), sentence="The newest.")
    bench.hub.remember_alerts([newer, examples.alert(examples.key(), IncidentState.OPEN), older])
    bench.cycle(examples.cycle(regions={"us-east-1": examples.region(examples.BLIND)}))
    assert dict(bench.hub.snapshot.regional) == {examples.BLIND.id: newer}


# --- pauses and topics ----------------------------------------------------------------------------------------------


def test_a_pause_is_told_when_it_is_first_heeded_and_when_it_is_over(bench: Bench) -> None:
    def lines(*pauses: Pause) -> list[tuple[str, str, str]]:
        told = bench.cycle(examples.cycle(pauses=pauses))
        return [(str(line["event"]), str(line["log_level"]), str(line["sentence"])) for line in told]

    until = "paused until 2026-11-22T05:03:05Z by ana@db-7: deploying"
    assert lines(examples.pause()) == [("pause.began", "info", f"orders is {until}")]
    assert lines(examples.pause()) == []
    advised = "; its capacity is only advised on meanwhile"
    assert lines(examples.pause(advise_only=True)) == [("pause.began", "info", f"orders is {until}{advised}")]
    eu = examples.pause(region="eu-west-1")
    assert lines(examples.pause(advise_only=True), eu) == [("pause.began", "info", f"orders in eu-west-1 is {until}")]
    assert lines(eu) == [("pause.ended", "info", "orders is no longer paused.")]
    assert lines() == [("pause.ended", "info", "orders in eu-west-1 is no longer paused.")]


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        pytest.param(examples.NOW + 60, examples.NOW + 120, [], id="one that has not begun"),
        pytest.param(examples.NOW - 60, examples.NOW - 1.5, [], id="one that ended as the cycle began"),
        pytest.param(examples.NOW - 1.5, examples.NOW, ["pause.began"], id="one that began with it"),
    ],
)
def test_pauses_that_are_not_in_force(bench: Bench, since: float, until: float, told: list[str]) -> None:
    pause = replace(examples.pause(), since=since, until=until)
    assert [line["event"] for line in bench.cycle(examples.cycle(pauses=[pause]))] == told


def test_a_failing_topic_is_an_error_and_its_return_is_none(bench: Bench) -> None:
    facts = {"topic": examples.CHAT, "sentence": "messages wait for a topic that fails"}
    assert events(bench.trouble("alert.topic_failing", **facts)) == [("alert.topic_failing", "error")]
    assert bench.trouble("alert.topic_failing", **facts) == []
    assert events(bench.trouble("alert.topic_back", topic=examples.CHAT)) == [("alert.topic_back", "info")]


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (outcome, "warning" if outcome.is_refusal else "info")
        for outcome in Outcome
        if outcome not in (Outcome.NONE, Outcome.PENDING)
    ],
)
def test_an_action_not_done_is_a_warning(bench: Bench, outcome: Outcome, level: str) -> None:
    lines = bench.cycle(examples.cycle(examples.throttled_table(outcome)))
    [action] = [line for line in lines if line["event"] == Event.ACTION_SETTLED]
    assert (action["log_level"], action["outcome"]) == (level, outcome.value)
    assert action["sentence"].endswith(": writes from 100 to 579 units/s.")
    assert not action["sentence"].startswith(outcome.value), "every outcome has words of its own"


def test_the_sentence_of_an_action_names_the_floor_and_the_detail() -> None:
    one = examples.raise_decision(examples.key())
    refused = examples.settlement(one, Outcome.BUSY, "Table is being updated.", Lever.FLOOR)
    assert settlement_sentence(refused) == (
        "Refused, another change is under way: the auto scaling floor of writes from 100 to 579 units/s. "
        "Table is being updated."
    )


@pytest.mark.parametrize(
    ("lever", "outcome", "detail", "words"),
    [
        pytest.param(Lever.CAPACITY, Outcome.CANCELLED, "", "Not done, the table had changed meanwhile", id="a table"),
        pytest.param(
            Lever.FLOOR, Outcome.CANCELLED, "", "Not done, the scaling target had changed meanwhile", id="target"
        ),
        pytest.param(Lever.CAPACITY, Outcome.CANCELLED, "the watcher is stopping", "Not done", id="another reason"),
        pytest.param(Lever.CAPACITY, Outcome.THROTTLED, "", "Refused, AWS throttles UpdateTable", id="a call"),
        pytest.param(Lever.FLOOR, Outcome.THROTTLED, "", "Refused, AWS throttles RegisterScalableTarget", id="its own"),
    ],
)
def test_what_is_said_of_an_action_fits_its_lever(lever: Lever, outcome: Outcome, detail: str, words: str) -> None:
    one = examples.raise_decision(examples.key())
    assert settlement_sentence(examples.settlement(one, outcome, detail, lever)).startswith(f"{words}: ")


def test_a_repeated_region_error_is_logged_once_until_it_changes_or_clears(bench: Bench) -> None:
    def lines(error: str) -> list[tuple[str, str]]:
        return events(bench.cycle(examples.cycle(region_errors={"eu-west-1": error} if error else {})))

    unreadable, readable = ("region.unreadable", "error"), ("region.readable", "info")
    assert lines("no answer") == [unreadable]
    assert lines("no answer") == []
    assert lines("access denied") == [unreadable]
    assert lines("access denied") == []
    assert lines("") == [readable]
    assert lines("") == []
    assert lines("access denied") == [unreadable]
    assert lines("") == [readable]


def test_a_lost_store_is_told_as_such_and_takes_readiness_with_it(bench: Bench) -> None:
    lost = bench.cycle(examples.cycle(region_errors={"": "disk full"}, acting=False))
    assert events(lost) == [("store.unavailable", "error")]
    assert lost[0]["sentence"] == "The state store is lost, so nothing is changed until it is back: disk full"
    assert not bench.health.ready().ok
    assert events(bench.cycle(examples.cycle())) == [("store.available", "info")]
    assert bench.health.ready().ok


def test_a_store_lost_without_a_named_cause_is_lost_all_the_same(bench: Bench) -> None:
    lost = bench.cycle(examples.cycle(acting=False))
    assert [line["sentence"] for line in lost] == ["The state store is lost, so nothing is changed until it is back."]
    assert bench.cycle(examples.cycle(acting=False)) == []
    assert events(bench.cycle(examples.cycle())) == [("store.available", "info")]


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        pytest.param("store.failed", "The state store failed: disk full", id="an event with words"),
        pytest.param("other.trouble", "other.trouble: disk full", id="an event without words of its own"),
    ],
)
def test_trouble_with_a_bare_error_gets_a_sentence(bench: Bench, event: str, sentence: str) -> None:
    [line] = bench.trouble(event, error="disk full")
    assert (line["sentence"], line["error"]) == (sentence, "disk full")


def test_a_repeated_table_error_is_logged_once_until_it_changes_or_clears(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report()))
    assert events(bench.cycle(examples.cycle(examples.unseen(error="timed out")))) == [("table.unreadable", "warning")]
    assert bench.cycle(examples.cycle(examples.unseen(error="timed out"))) == []
    assert events(bench.cycle(examples.cycle(examples.unseen(error="denied")))) == [("table.unreadable", "warning")]
    assert events(bench.cycle(examples.cycle(examples.table_report()))) == [("table.readable", "info")]


def test_tables_come_and_go(bench: Bench) -> None:
    found = bench.cycle(examples.cycle(examples.table_report("b"), examples.table_report("a", mode=Mode.ADVISE)))
    assert [(line["event"], line["table"]) for line in found] == [("table.found", "a"), ("table.found", "b")]
    assert found[0]["sentence"] == "Watching it in advise mode, provisioned capacity."
    gone = bench.cycle(examples.cycle(examples.table_report("b")))
    assert [(line["event"], line["table"]) for line in gone] == [("table.gone", "a")]
    assert [view.key.name for view in bench.hub.snapshot.tables] == ["b"]


def test_a_table_of_an_unreadable_region_is_not_gone_and_its_past_is_marked(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.throttled_table(), at=examples.NOW - 60))
    lines = bench.cycle(examples.cycle(region_errors={examples.REGION: "no answer"}))
    assert events(lines) == [("region.unreadable", "error")]
    [view] = bench.hub.snapshot.tables
    assert not view.is_current
    assert (view.error, view.seen_at) == ("no answer", examples.NOW - 60)
    assert view.incident is not None


def test_a_table_that_cannot_be_described_keeps_its_past_and_takes_its_new_mode(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report(mode=Mode.ADVISE)))
    bench.cycle(examples.cycle(examples.unseen(error="timed out")))
    [view] = bench.hub.snapshot.tables
    assert (view.mode, view.error, view.is_current) == (Mode.ACT, "timed out", False)
    assert view.explanation is not None
    bench.cycle(examples.cycle(examples.table_report()))
    assert bench.hub.snapshot.tables[0].is_current


def test_a_table_never_seen_is_shown_as_such(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.unseen(error="")))
    [view] = bench.hub.snapshot.tables
    assert (view.explanation, view.seen_at, view.error) == (None, None, "Nothing is known of it yet.")


def test_the_newest_decision_is_shown_after_the_last_change_and_what_became_of_it(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.throttled_table(Outcome.BUSY)))
    [view] = bench.hub.snapshot.tables
    refused = view.decision(TABLE_WRITE)
    assert refused is not None
    assert (refused.reason, refused.outcome) == (Reason.RAISE_THROTTLED, Outcome.BUSY), "this very cycle's, settled"
    later = examples.table_report(
        decisions=[
            examples.decision(examples.key(), dimension, time=examples.NOW + 60)
            for dimension in (TABLE_READ, TABLE_WRITE)
        ]
    )
    bench.cycle(examples.cycle(later, at=examples.NOW + 60))
    [view] = bench.hub.snapshot.tables
    assert view.change(TABLE_WRITE) == refused
    assert view.change(TABLE_READ) is None, "nothing was changed there"
    for dimension in (TABLE_READ, TABLE_WRITE):
        newest = view.decision(dimension)
        assert newest is not None
        assert (newest.reason, newest.time) == (Reason.HOLD_STEADY, examples.NOW + 60)


def test_decisions_of_an_earlier_run_are_taken_up_newest_first(bench: Bench) -> None:
    newest = examples.decision(examples.key(), reason=Reason.HOLD_AT_MAX, time=examples.NOW - 100)
    bench.hub.remember([newest, replace(newest, reason=Reason.LOWER_UNUSED, time=examples.NOW - 200)])
    bench.cycle(examples.cycle(examples.table_report()))
    assert bench.hub.snapshot.tables[0].recorded(TABLE_WRITE) == newest


OF_TABLE = [reason for reason in Reason if reason.is_of_table and reason is not Reason.HOT_KEYS]


@pytest.mark.parametrize("reason", OF_TABLE)
def test_what_is_said_of_a_table_as_a_whole_is_logged_and_hides_no_dimensions_decision(
    bench: Bench, reason: Reason
) -> None:
    raised = examples.raise_decision(examples.key(), outcome=Outcome.APPLIED)
    said = examples.decision(examples.key(), before=0, after=0, reason=reason, sentence="so and so")
    bench.hub.remember([said, raised])
    logged = bench.cycle(examples.cycle(examples.table_report(new_decisions=[said])))
    assert bench.hub.snapshot.tables[0].recorded(TABLE_WRITE) == raised
    assert [line["sentence"] for line in logged if line["event"] == Event.DECISION_MADE] == ["Table: so and so"]


def test_a_snapshot_once_taken_never_changes(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report("a")))
    taken = bench.hub.snapshot
    bench.cycle(examples.cycle(examples.table_report("b")))
    assert [view.key.name for view in taken.tables] == ["a"]
    assert bench.hub.snapshot is not taken


def test_trouble_is_logged_once_until_its_facts_change_or_a_cycle_passes_without_it(bench: Bench) -> None:
    def undelivered(error: str = "timeout", topic: str = "arn:a") -> list[tuple[str, str]]:
        return events(bench.trouble(Event.ALERT_UNDELIVERED, topic=topic, incident="i-1", sentence=error))

    told = [("alert.undelivered", "warning")]
    assert undelivered() == told
    assert undelivered() == []
    assert undelivered(topic="arn:b") == told, "another topic is another trouble"
    assert undelivered("no such topic") == told
    bench.cycle(examples.cycle())
    assert undelivered("no such topic") == [], "told in the last cycle already"
    bench.cycle(examples.cycle())
    bench.cycle(examples.cycle())  # a whole cycle without it
    assert undelivered("no such topic") == told


def test_no_log_line_names_a_key_value_beyond_the_sentences_of_the_core(bench: Bench) -> None:
    lines = bench.cycle(
        examples.cycle(examples.throttled_table(), told=[examples.alert(examples.key(), IncidentState.OPEN)])
    )
    allowed = {
        *("event", "log_level", "sentence", "table", "region", "account", "index", "dimension", "before", "after"),
        *("reason", "mode", "intent", "lever", "outcome", "detail", "incident", "severity", "cause", "todo"),
    }
    assert {name for line in lines for name in line} <= allowed


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        pytest.param([0, 0], [], id="nobody learns: nothing is said"),
        pytest.param([1, 1, 0, 0], ["1 table", "every"], id="one table: begun and done"),
        pytest.param(
            [1000, 999, 501, 500, 251, 250, 1, 0], ["1,000 tables", "500", "250", "1 table", "every"], id="halves"
        ),
        pytest.param([10, 12, 6], ["10 tables", "12 tables", "6 tables"], id="more of them come"),
    ],
)
def test_how_many_tables_still_learn_is_told_by_halves(bench: Bench, waiting: list[int], told: list[str]) -> None:
    sentences = [
        str(line["sentence"])
        for number in waiting
        for line in bench.cycle(replace(examples.cycle(), learning=number))
        if line["event"] in (Event.PAST_LEARNING, Event.PAST_LEARNED)
    ]
    assert len(sentences) == len(told)
    for sentence, part in zip(sentences, told, strict=True):
        assert part in sentence


class TestHotKeys:
    def test_a_new_verdict_is_told_at_info_and_its_keys_for_debugging_only(self, bench: Bench) -> None:
        bench.cycle(examples.cycle(examples.table_report()))
        judged, named = bench.cycle(examples.cycle(examples.hot_table()))
        assert judged == {
            "event": "hot_keys.judged",
            "log_level": "info",
            "table": "orders",
            "region": "us-east-1",
            "account": "123456789012",
            "index": "",
            "verdict": "one-key",
            "keys": 2,
            "mode": "act",
            "sentence": "Hot keys: one key asks for more than a partition serves "
            "(2 keys named on the page and in `watcher history`).",
        }
        assert (named["event"], named["log_level"]) == ("hot_keys.named", "debug")
        assert examples.HOTTEST.key in named["sentence"]

    @pytest.mark.parametrize("verdict", list(KeyVerdict))
    def test_every_verdict_has_words_of_its_own(self, bench: Bench, verdict: KeyVerdict) -> None:
        found = examples.finding(verdict, index="by-customer")
        told = examples.decision(examples.key(), examples.INDEX_WRITE, reason=Reason.HOT_KEYS, sentence="so and so")
        lines = bench.cycle(examples.cycle(examples.table_report(hot_keys=[found], new_decisions=[told])))
        [judged] = [line for line in lines if line["event"] == Event.HOT_KEYS_JUDGED]
        assert (judged["verdict"], judged["keys"], judged["index"]) == (verdict.value, 0, "by-customer")
        subject, _, words = str(judged["sentence"]).partition(": ")
        assert subject == "Hot keys of index by-customer"
        named = verdict not in (KeyVerdict.NO_SINGLE_KEY, KeyVerdict.UNKNOWN)
        assert (words != found.sentence) is named, "its own sentence only where that can name no key"
        assert verdict.value not in words

    def test_a_verdict_without_its_finding_is_still_told(self, bench: Bench) -> None:
        told = examples.decision(examples.key(), reason=Reason.HOT_KEYS, sentence="key:1 is hot")
        lines = bench.cycle(examples.cycle(examples.table_report(new_decisions=[told])))
        [judged] = [line for line in lines if line["event"] == Event.HOT_KEYS_JUDGED]
        assert judged["sentence"] == "Hot keys: there is a new verdict."

    def test_an_alert_and_a_decision_that_name_a_key_are_logged_without_these_words(self, bench: Bench) -> None:
        alert = replace(
            examples.alert(examples.key(), IncidentState.OPEN),
            sentence=f"Writes of orders are throttled: {examples.HOTTEST.key} asks for too much.",
            todo=examples.finding().todo,
        )
        held = examples.decision(examples.key(), sentence=f"{examples.SECOND.key} is next")
        report = examples.hot_table()
        assert report.explanation is not None
        news = (*report.explanation.new_decisions, held)
        report = replace(report, explanation=replace(report.explanation, new_decisions=news))
        lines = bench.cycle(examples.cycle(report, told=[alert]))
        told = {line["event"]: line for line in lines}
        elsewhere = "It names hot keys, which no log does: see the alert, the page or `watcher history`."
        assert told["incident.opened"]["sentence"] == elsewhere
        assert told["incident.opened"]["todo"] == elsewhere, "what to do may name more keys than the verdict lists"
        assert told["decision.made"]["sentence"] == f"Writes: {elsewhere}"
        later = bench.cycle(examples.cycle(examples.table_report(), told=[replace(alert, sequence=2)]))
        assert later[0]["todo"] == elsewhere, "also when the verdict is over and its alert comes late"

    def test_an_alert_that_names_no_key_is_logged_as_it_is(self, bench: Bench) -> None:
        alert = examples.alert(examples.key(), IncidentState.OPEN)
        opened, *_ = bench.cycle(examples.cycle(examples.hot_table(), told=[alert]))[1:]
        assert (opened["sentence"], opened["todo"]) == (alert.sentence, alert.todo)

    @pytest.mark.parametrize("verdict", [KeyVerdict.NO_SINGLE_KEY, KeyVerdict.UNKNOWN])
    def test_a_verdict_without_keys_hides_nothing(self, bench: Bench, verdict: KeyVerdict) -> None:
        alert = replace(examples.alert(examples.key(), IncidentState.OPEN), todo=examples.finding().todo)
        report = examples.table_report(hot_keys=[examples.finding(verdict)])
        opened = bench.cycle(examples.cycle(report, told=[alert]))[-1]
        assert opened["todo"] == alert.todo

    @pytest.mark.parametrize(
        ("text", "key", "named"),
        [
            pytest.param("user#12 is hot", "user#12", True, id="a key"),
            pytest.param("abc is hot", "a.c", False, id="no key is a pattern"),
            pytest.param("1 of 110 keys", "1", True, id="a short one that stands alone"),
            pytest.param("110 keys", "1", False, id="a number in a number is none"),
            pytest.param("xabcdx", "abcd", True, id="a long one is found wherever it stands"),
            pytest.param("xabcx", "abc", False, id="three characters are not long"),
            pytest.param("anything", "", False, id="an empty key is nowhere"),
        ],
    )
    def test_keys_are_found(self, text: str, key: str, named: bool) -> None:  # noqa: FBT001 - a table's column
        assert names_any(text, [key]) is named

    def test_switches_of_sampling_are_logged_with_what_became_of_them(self, bench: Bench) -> None:
        decided, settlement = examples.switch(Outcome.DENIED, "allow dynamodb:UpdateContributorInsights")
        plan = SamplingPlan(TableState(), decisions=(decided,), current={"by-customer": SamplerMode.OFF})
        bench.cycle(examples.cycle(examples.table_report()))
        report = examples.table_report(sampling=plan, settlements=[settlement])
        made, refused = bench.cycle(examples.cycle(report))
        assert (made["event"], made["reason"], made["index"]) == (
            "decision.made",
            "sample-throttled-keys",
            "by-customer",
        )
        assert made["sentence"] == "Index by-customer: Its throttled keys are sampled from now on"
        assert (refused["log_level"], refused["lever"]) == ("warning", "sampling")
        assert refused["sentence"] == (
            "Refused, a permission is missing: Contributor Insights of index by-customer from no keys to throttled "
            "keys. allow dynamodb:UpdateContributorInsights"
        )

    @pytest.mark.parametrize(
        ("outcome", "detail", "words"),
        [
            pytest.param(Outcome.THROTTLED, "", "Refused, AWS throttles UpdateContributorInsights", id="throttled"),
            pytest.param(Outcome.CANCELLED, "", "Not done, Contributor Insights had changed meanwhile", id="changed"),
            pytest.param(Outcome.CANCELLED, " no time left", "Not done", id="a reason of its own is not contradicted"),
            pytest.param(Outcome.UNCHANGED, "", "Not done, it is so already", id="nothing to do"),
            pytest.param(Outcome.UNKNOWN, "", "No answer, so the next survey shows what became of it", id="no answer"),
            pytest.param(Outcome.SUPERSEDED, " quota", "Left open, and not seen in force", id="it did not come about"),
            pytest.param(Outcome.APPLIED, "", "Done", id="done"),
        ],
    )
    def test_a_switch_has_words_of_its_own(self, outcome: Outcome, detail: str, words: str) -> None:
        what = "Contributor Insights of index by-customer from no keys to throttled keys"
        assert settlement_sentence(examples.switch(outcome, detail.strip())[1]) == f"{words}: {what}.{detail}"

    @pytest.mark.parametrize("outcome", Outcome)
    def test_no_outcome_of_a_switch_tells_of_capacity(self, outcome: Outcome) -> None:
        sentence = settlement_sentence(examples.switch(outcome)[1])
        assert not [words for words in ("UpdateTable", "table had", "the current value", "crash") if words in sentence]

    def test_the_outcome_of_a_switch_is_its_decisions_and_no_dimensions(self) -> None:
        decided, settlement = examples.switch(Outcome.APPLIED)
        other = examples.switch(Outcome.APPLIED, index="by-day")[0]
        capacity = replace(examples.raise_decision(examples.key()), dimension=decided.dimension)
        outcomes = [one.outcome for one in settled([decided, other, capacity], [settlement])]
        assert outcomes == [Outcome.APPLIED, Outcome.PENDING, Outcome.PENDING]

    def test_what_is_sampled_stays_known_while_a_table_is_out_of_sight(self, bench: Bench) -> None:
        bench.cycle(examples.cycle(examples.hot_table()))
        bench.cycle(examples.cycle(examples.unseen()))
        [view] = bench.hub.snapshot.tables
        assert (view.sampled[""], list(view.unsampled)) == (SamplerMode.FULL, ["by-day"])
        assert [finding.place.index for finding in view.findings] == ["", "by-customer"]
