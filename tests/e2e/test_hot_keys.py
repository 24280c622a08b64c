"""Hot keys of every kind through the real daemon: HTTP, moto, plant, SQLite; only the clock is simulated.

Each table of :mod:`watcher.sandbox.heated` is hot in its own way from two minutes after the start on. Nobody samples
anything at first: the watcher switches Contributor Insights on, reads it, judges, and tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from watcher import cli
from watcher.aws.client import StaticCredentials
from watcher.clock import SimulatedClock, instant
from watcher.config import Config
from watcher.core.hot_keys import HotKeyFinding
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import TABLE_WRITE, Decision
from watcher.core.reasons import Cause, Outcome, Reason
from watcher.daemon import Settings, Watcher
from watcher.replay.plant import Plant
from watcher.sandbox.backends import Message
from watcher.sandbox.calls import Recorded
from watcher.sandbox.heated import HEAT, heated
from watcher.sandbox.server import Sandbox

pytestmark = pytest.mark.slow

START = int(instant("2026-11-23T08:00:00Z"))
TROUBLE = 120  # seconds after START at which every table is in trouble
MINUTES = 16
RANGE = {"min": 5, "max": 40_000}


@dataclass
class Morning:
    """What the watcher left behind. findings: of the last pass, by table and index. calls: that switched or changed."""

    findings: Mapping[tuple[str, str], HotKeyFinding]
    history: list[Decision]
    messages: list[Message]
    calls: list[Recorded]
    plant: Plant

    def told(self, table: str) -> list[Message]:
        return [message for message in self.messages if message.attributes["table"] == table]

    def finding(self, table: str) -> HotKeyFinding:
        """Of the place in trouble."""
        return self.findings.get((table, "by-status")) or self.findings[table, ""]


def config_of(sandbox: Sandbox, folder: Path, **hot_keys: object) -> Config:
    rule = {"mode": "act", "read": RANGE, "write": RANGE, "indexes": {"*": {"read": RANGE, "write": RANGE}}}
    return Config.model_validate(
        {
            "aws": {"regions": [sandbox.region], "endpoint_url": sandbox.endpoint_url},
            "tables": [{"match": "*", **rule}],
            "hot_keys": {"key_values": "plain", **hot_keys},
            "alerts": [{"topic_arn": sandbox.topic_arn}],
            "incidents": {"storm_tables": 0},  # all of them begin at once; here each is to be told by itself
            "state": {"path": str(folder / "watcher.db")},
        }
    )


def spend_a_morning(folder: Path, **hot_keys: object) -> Morning:
    clock = SimulatedClock(START)
    with Sandbox(clock, stories=heated(START, seed=1)) as sandbox:
        settings = Settings(clock, None, {}, StaticCredentials("test", "test"))
        watcher = Watcher(config_of(sandbox, folder, **hot_keys), settings)
        try:
            clock.advance(12)
            for _ in range(MINUTES):
                report = watcher.run_cycle()
                assert not report.region_errors
                clock.advance(60)
            findings = {
                (table.key.name, index): finding
                for table in report.tables
                if table.explanation is not None
                for index, finding in table.explanation.hot_keys.items()
            }
            history = list(reversed(watcher.store.history(limit=100_000)))
            return Morning(findings, history, sandbox.notifications(), sandbox.ledger.entries, sandbox.plant)
        finally:
            watcher.close()


@pytest.fixture(name="throttled", scope="module")
def _throttled(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    return spend_a_morning(tmp_path_factory.mktemp("throttled"), sampling="throttled")


@pytest.fixture(name="on_incident", scope="module")
def _on_incident(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    return spend_a_morning(tmp_path_factory.mktemp("incident"), sampling="on-incident", max_usd_per_day=50.0)


VERDICTS = [
    pytest.param("one-key", "one-key", ["user#4711"], id="one key writes more than a partition serves"),
    pytest.param("few-keys", "few-keys", ["cart#17", "cart#23", "cart#42"], id="three keys in one partition, in order"),
    pytest.param("by-minute", "moving-key", None, id="the partition key is the time"),
    pytest.param("log", "moving-key", ["device#7"], id="one partition key whose sort key only rises"),
    pytest.param("tickets", "index-key", ["open"], id="a hot key of an index"),
    pytest.param("zipf-12", "one-key", ["customer#00001"], id="so skewed that the first key is too hot"),
    pytest.param("mixed", "one-key", ["user#4711"], id="a hot key, and too little capacity"),
    pytest.param("partiql", "unknown", [], id="a hot key that is not seen is not no hot key"),
    pytest.param("reads", "one-key", ["product#1"], id="one key is read more than a partition serves"),
]


@pytest.mark.parametrize(("table", "verdict", "keys"), VERDICTS)
def test_throttled_keys_are_enough_for_the_verdict(
    throttled: Morning, table: str, verdict: str, keys: list[str] | None
) -> None:
    finding = throttled.finding(table)
    assert finding.verdict == verdict, finding.sentence
    if keys is not None:
        assert [key.key for key in finding.keys] == keys


@pytest.mark.parametrize(("table", "verdict", "keys"), VERDICTS)
def test_so_are_all_keys_of_an_incident(on_incident: Morning, table: str, verdict: str, keys: list[str] | None) -> None:
    finding = on_incident.finding(table)
    assert finding.verdict == verdict, finding.sentence
    if keys is not None:
        assert [key.key for key in finding.keys] == keys


@pytest.mark.parametrize("table", ["uniform", "zipf-08", "zipf-10"])
def test_where_capacity_was_too_small_no_key_is_named(throttled: Morning, table: str) -> None:
    assert Cause.KEY_RANGE not in {
        cause for minute in throttled.plant.truth(table, TABLE_WRITE).values() for cause in minute.causes
    }
    for (name, _), finding in throttled.findings.items():
        assert name != table or finding.keys == ()
    assert not any("hot" in message.subject for message in throttled.told(table))


@pytest.mark.parametrize("table", sorted(set(HEAT) - {"partiql", "zipf-08", "zipf-10", "uniform"}))
def test_the_keys_are_named_in_a_message_soon(throttled: Morning, table: str) -> None:
    """Throttled from TROUBLE on: that minute is over 60 s later and published about 60 s after that. Two minutes more
    are the promise."""
    named = [
        record for record in map(_record, throttled.told(table)) if any("keys" in name for name in record["facts"])
    ]
    first = instant(named[0]["time"])
    assert first <= START + TROUBLE + 60 + 60 + 120


@pytest.mark.parametrize("table", ["one-key", "few-keys", "by-minute", "log", "tickets", "partiql", "reads"])
def test_a_hot_key_buys_no_capacity(throttled: Morning, table: str) -> None:
    """What follows from the demand that the table serves is bought, the refused heat never."""
    hot = {TABLE_WRITE} if table != "reads" else set()
    raised = [
        decision
        for decision in throttled.history
        if decision.table.name == table and decision.dimension in hot and decision.after > decision.before
    ]
    assert raised == []


def test_the_mode_is_explicit_whenever_something_is_switched(throttled: Morning, on_incident: Morning) -> None:
    for morning, mode in ((throttled, "THROTTLED_KEYS"), (on_incident, "ACCESSED_AND_THROTTLED_KEYS")):
        switched = [call for call in morning.calls if call.operation == "UpdateContributorInsights"]
        enabled = [call for call in switched if call.arguments["ContributorInsightsAction"] == "ENABLE"]
        assert enabled
        assert {call.arguments["ContributorInsightsMode"] for call in enabled} == {mode}
        assert any(call.is_accepted for call in switched)


def test_every_switch_is_in_history_with_its_outcome(throttled: Morning) -> None:
    calls = [call for call in throttled.calls if call.operation == "UpdateContributorInsights"]
    decisions = [one for one in throttled.history if one.reason is Reason.SAMPLE_THROTTLED]
    assert len(decisions) == len(calls) > 0
    # More than about one change a second is refused; then it is tried again in the next pass.
    assert {one.outcome for one in decisions} <= {Outcome.APPLIED, Outcome.THROTTLED}
    last = {(one.table.name, one.dimension.index): one.outcome for one in decisions}
    assert set(last.values()) == {Outcome.APPLIED}


def test_only_what_an_incident_needs_is_sampled_in_full(on_incident: Morning) -> None:
    """The index throttles by its key, its table only because of it; who lacks capacity needs no key."""
    sampled = {
        (call.arguments["TableName"], call.arguments.get("IndexName", ""))
        for call in on_incident.calls
        if call.operation == "UpdateContributorInsights"
    }
    assert ("tickets", "by-status") in sampled
    assert not {("uniform", ""), ("zipf-08", ""), ("zipf-10", "")} & sampled


def _record(message: Message) -> Any:  # noqa: ANN401 - JSON
    """The machine's part of a text message."""
    return json.loads(message.body[message.body.rindex("\n{") :])


def test_once_ends_the_full_sampling_that_a_killed_daemon_left_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimulatedClock(START)
    monkeypatch.setattr(cli, "SystemClock", lambda: clock)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with Sandbox(clock, stories=heated(START, seed=1)) as sandbox:
        config = config_of(sandbox, tmp_path, sampling="on-incident", max_usd_per_day=50.0)
        watcher = Watcher(config, Settings(clock, None, {}, StaticCredentials("test", "test")))
        clock.advance(12)
        for _ in range(8):
            watcher.run_cycle()
            clock.advance(60)
        watcher.close()  # without a word: killed
        assert full(sandbox)

        monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint_url)
        lines = [
            f'[aws]\nregions = ["{sandbox.region}"]\n[state]\npath = "{tmp_path}/watcher.db"',
            '[hot_keys]\nsampling = "on-incident"\nmax_usd_per_day = 50.0',
            '[[tables]]\nmatch = "*"\nmode = "act"\nread = { min = 5, max = 40000 }\nwrite = { min = 5, max = 40000 }',
        ]
        (tmp_path / "config.toml").write_text("\n".join(lines), encoding="utf-8")
        cli.status(["once", "--config", str(tmp_path / "config.toml")])
        clock.advance(60)
        assert full(sandbox) == []


def full(sandbox: Sandbox) -> list[Place]:
    """Where every access is sampled."""
    sandbox.advance()
    return [place for place, sampler in sandbox.samplers.survey().items() if sampler.mode is SamplerMode.FULL]
