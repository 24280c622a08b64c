"""The JSON of /api/state.json and the one rendering of a decision."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.telemetry import examples
from tests.web.scene import Scene
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import SamplerMode
from watcher.core.model import TABLE_WRITE
from watcher.core.reasons import Cause, Freshness, Outcome, Severity
from watcher.web.state import decision_record, finding_record, state_record


def test_a_decision_has_the_shape_of_the_history_contract_in_its_order() -> None:
    record = decision_record(examples.raise_decision(examples.key(), outcome=Outcome.APPLIED))
    assert list(record.items()) == [
        ("time", "2026-11-22T03:04:05Z"),
        ("table", "orders"),
        ("index", ""),
        ("dimension", "write"),
        ("before", 100),
        ("after", 579),
        ("reason", "raise-throttled"),
        ("sentence", "Writes want 405/s and get 100/s, so 579/s leaves room."),
        ("mode", "act"),
        ("outcome", "applied"),
    ]


def test_a_decision_of_an_index_names_it() -> None:
    assert decision_record(examples.decision(examples.key(), examples.INDEX_WRITE))["index"] == "by-customer"


def record(scene: Scene, history_error: str = "") -> dict[str, object]:
    state = state_record(
        scene.hub.snapshot,
        now=scene.clock.now(),
        health=scene.health.alive(),
        decisions=scene.decisions,
        history_error=history_error,
    )
    text = json.dumps(state, allow_nan=False)
    loaded = json.loads(text)
    assert isinstance(loaded, dict)
    assert loaded == state, "only JSON's own types"
    return loaded


def test_before_the_first_cycle() -> None:
    assert record(Scene()) == {
        "version": "1.2.3",
        "time": "2026-11-22T03:04:05Z",
        "healthy": True,
        "health": "The first cycle is under way, 0 s after the start.",
        "cycle": None,
        "tables": [],
        "regional_incidents": [],
        "incidents": [],
        "pauses": [],
        "decisions": [],
        "history_error": "",
        "region_errors": {},
    }


def test_a_throttled_table() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(examples.throttled_table(), outbox=2))
    scene.decisions = [examples.raise_decision(examples.key(), outcome=Outcome.APPLIED)]
    state = record(scene)
    assert state["cycle"] == {
        "started_at": "2026-11-22T03:04:03Z",
        "finished_at": "2026-11-22T03:04:05Z",
        "seconds": 1.5,
        "phases": {"observe": 1.25, "step": 0.05},
        "acting": True,
        "store_error": "",
        "unmatched_tables": 2,
        "outbox_messages": 2,
        "outbox_held": 0,
        "failing_topics": {},
    }
    incident = {
        "incident": "orders-1",
        "opened_at": "2026-11-22T03:00:05Z",
        "cause": "provisioned",
        "index": "",
        "severity": "critical",
        "messages": 1,
        "throttled_events": 1204,
        "flaps": 0,
    }
    where = {"table": "orders", "account": "123456789012", "region": "us-east-1"}
    assert state["incidents"] == [{**where, **incident, "acknowledged": None}]
    assert state["decisions"] == [decision_record(scene.decisions[0])]
    tables = state["tables"]
    assert isinstance(tables, list)
    [table] = tables
    assert {name: table[name] for name in table if name not in ("dimensions", "latency", "last_decisions")} == {
        **where,
        "mode": "act",
        "billing": "provisioned",
        "cause": "provisioned",
        "sentence": "Writes are throttled: demand is 405/s and capacity 100/s; raised to 579/s.",
        "error": "",
        "seen_at": "2026-11-22T03:04:05Z",
        "incident": incident,
        "hot_keys": [],
        "sampling": {},
        "sampling_lost": {},
    }
    assert table["dimensions"][1] == {
        "index": "",
        "dimension": "write",
        "provisioned": 100,
        "bounds": {"min": 5, "max": 2000},
        "freshness": "fresh",
        "newest_point": "2026-11-22T03:02:00Z",
        "consumed": 100.0,
        "demand": 405.0,
        "throttled": {"provisioned": 1204},
        "cause": "provisioned",
        "decreases_left": 3,
        "next_decrease_seconds": 1500,
    }
    assert table["dimensions"][2]["bounds"] is None
    assert table["latency"] == [
        {"operation": "PutItem", "average_ms": 6.25, "p99_ms": 18.0, "normal_ms": 5.5},
        {"operation": "GetItem", "average_ms": 2.5, "p99_ms": None, "normal_ms": None},
    ]
    assert [(one["index"], one["dimension"], one["outcome"]) for one in table["last_decisions"]] == [
        ("", "read", "none"),
        ("", "write", "applied"),
        ("by-customer", "write", "none"),
    ]


def test_unknown_is_null_and_never_zero() -> None:
    scene = Scene()
    blind = examples.dimension_report(TABLE_WRITE, consumed=None, demand=None, newest=None, freshness=Freshness.ABSENT)
    scene.cycle(examples.cycle(examples.table_report(dimensions=[blind]), examples.unseen("gone"), outbox=None))
    state = record(scene)
    tables = state["tables"]
    assert isinstance(tables, list)
    unseen, seen = sorted(tables, key=lambda table: str(table["table"]))
    assert [seen["dimensions"][0][name] for name in ("consumed", "demand", "newest_point")] == [None, None, None]
    assert [unseen[name] for name in ("billing", "cause", "seen_at", "incident")] == [None, None, None, None]
    assert unseen["error"] == "DescribeTable timed out."


def test_the_store_is_no_region() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(region_errors={"": "disk full", "eu-west-1": "no answer"}, acting=False))
    state = record(scene, history_error="disk full")
    assert state["region_errors"] == {"eu-west-1": "no answer"}
    assert state["history_error"] == "disk full"
    cycle = state["cycle"]
    assert isinstance(cycle, dict)
    assert cycle["acting"] is False
    assert cycle["store_error"] == "The state store is lost, so nothing is changed until it is back: disk full"


def test_an_incident_of_a_table_out_of_sight_stays_listed() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(examples.table_report(trouble=examples.incident(Cause.SLOW, Severity.WARNING))))
    scene.cycle(examples.cycle(region_errors={examples.REGION: "no answer"}))
    incidents = record(scene)["incidents"]
    assert isinstance(incidents, list)
    assert [one["cause"] for one in incidents] == ["slow"]


def test_a_verdict_has_the_shape_of_the_contract_first() -> None:
    found = finding_record(examples.finding(KeyVerdict.ONE_KEY, examples.HOTTEST, examples.SECOND), "us-east-1")
    assert list(found)[:4] == ["table", "index", "verdict", "keys"]
    assert list(found["keys"][0])[:4] == ["key", "share", "ceiling_share", "throttled"]
    assert found == {
        "table": "orders",
        "index": "",
        "verdict": "one-key",
        "keys": [
            {
                "key": "key:0a1b2c3d4e5f",
                "share": 0.62,
                "ceiling_share": 1.18,
                "throttled": 1204.0,
                "asked_share": 1.4,
                "of_traffic": True,
                "since": "2026-11-22T02:52:00Z",
                "rising": True,
            },
            {
                "key": "key:99aa88bb77cc",
                "share": 0.11,
                "ceiling_share": 0.21,
                "throttled": 0.0,
                "asked_share": None,
                "of_traffic": True,
                "since": None,
                "rising": None,
            },
        ],
        "region": "us-east-1",
        "sentence": "One key asks for 140 % of what a partition serves.",
        "todo": "Shard this key over several, or cache what is read of it; more capacity does not help.",
        "mode": "full",
        "kinds": ["write"],
        "blind": ["PartiQL is not counted."],
        "at": "2026-11-22T03:01:00Z",
    }


def test_nothing_known_is_null_and_no_keys() -> None:
    unknown = replace(examples.finding(KeyVerdict.UNKNOWN, mode=SamplerMode.OFF), at=None, kinds=frozenset())
    found = finding_record(unknown, "us-east-1")
    assert (found["keys"], found["at"], found["kinds"], found["mode"]) == ([], None, [], "off")


def test_a_hot_table_tells_its_verdicts_and_what_is_sampled() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(examples.hot_table()))
    tables = record(scene)["tables"]
    assert isinstance(tables, list)
    [table] = tables
    assert [(one["index"], one["verdict"], len(one["keys"])) for one in table["hot_keys"]] == [
        ("", "one-key", 2),
        ("by-customer", "index-key", 1),
    ]
    assert table["sampling"] == {"": "full", "by-customer": "throttled", "by-day": "off"}
    assert list(table["sampling_lost"]) == ["by-day"]


def test_incidents_of_whole_regions_and_who_has_acknowledged_what() -> None:
    scene = Scene()
    storm = examples.regional_alert(examples.STORM, tables=["carts", "orders"])
    regions = {"us-east-1": examples.region(examples.BLIND, storm=["orders", "carts", "users"], over=["users"])}
    pause = examples.pause(advise_only=True)
    scene.cycle(
        examples.cycle(
            examples.throttled_table(),
            told=[storm],
            regions=regions,
            pauses=[pause, replace(pause, match="later", since=examples.NOW + 9)],
            held=1,
            failing={examples.CHAT: "denied"},
        )
    )
    state = record(scene)
    told, untold = {"sentence": storm.sentence, "todo": storm.todo}, {"sentence": "", "todo": ""}
    assert state["regional_incidents"] == [
        {
            "region": "us-east-1",
            "incident": "us-east-1-b",
            "opened_at": "2026-11-22T02:59:05Z",
            "cause": "blind",
            "index": "",
            "severity": "critical",
            "messages": 2,
            "throttled_events": 0,
            "flaps": 2,
            "tables": [],
            **untold,
        },
        {
            "region": "us-east-1",
            "incident": "us-east-1-s",
            "opened_at": "2026-11-22T03:02:05Z",
            "cause": "storm",
            "index": "",
            "severity": "critical",
            "messages": 1,
            "throttled_events": 0,
            "flaps": 0,
            "tables": ["carts", "orders"],
            **told,
        },
    ]
    until = {"until": "2026-11-22T05:03:05Z", "by": "ana@db-7", "reason": "deploying", "advise_only": True}
    listed = state["incidents"]
    assert isinstance(listed, list)
    assert [incident["acknowledged"] for incident in listed] == [until]
    assert state["pauses"] == [
        {"table": "orders", "region": "", "since": "2026-11-22T03:03:05Z", "seconds_left": 7140.0, **until}
    ]
    cycle = state["cycle"]
    assert isinstance(cycle, dict)
    assert (cycle["outbox_held"], cycle["failing_topics"]) == (1, {examples.CHAT: "denied"})


def test_what_is_resolved_and_remembered_is_no_open_incident() -> None:
    scene = Scene()
    closed = replace(examples.BLIND, closed_at=examples.NOW)
    scene.cycle(examples.cycle(regions={"us-east-1": examples.region(closed)}))
    assert record(scene)["regional_incidents"] == []
