"""The hot-key bench's own yardstick: what it expects, what it counts as right, and small runs against the plant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import hot_keys, hot_trial
from tests.bench.hot_trial import (
    EVEN,
    EXPECTED,
    MIXED,
    ORIGIN,
    PURE,
    ROOM,
    SHORT,
    Job,
    Run,
    Setting,
    names,
    play,
    policy_of,
    spared,
)
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import Sampling
from watcher.core.model import TABLE_WRITE, Alert, TableKey
from watcher.core.policy import Bounds
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.ports import Outgoing
from watcher.sandbox.heated import HEAT, heated

RUN = Run(
    story="one-key",
    sampling=Sampling.THROTTLED,
    seed=1,
    setting=Setting.USUAL,
    throttled=True,
    verdicts={"one-key": 8, "unknown": 2},
    told=("unknown", "one-key"),
    named=8,
    hits=8,
    hot=8,
    refused=100.0,
    covered=100.0,
    pairs=0,
    ordered=0,
    seconds=70.0,
    messages=2,
    bought=0,
    most=3000,
    need=2000.0,
)


def test_every_story_has_one_expectation_and_one_purpose() -> None:
    assert set(EXPECTED) == set(HEAT)
    assert {*PURE, *SHORT} == set(HEAT)
    assert not set(PURE) & set(SHORT)
    assert set(EVEN) < set(SHORT)


@pytest.mark.parametrize(
    ("changes", "is_right"),
    [
        pytest.param({}, True, id="the expected verdict, after it was not known"),
        pytest.param({"told": ("one-key", "few-keys")}, False, id="the last verdict counts"),
        pytest.param({"told": ("one-key", "unknown")}, True, id="that nothing can be said any more takes nothing back"),
        pytest.param({"told": ("unknown",)}, False, id="a hot key that is never known is wrong"),
        pytest.param({"told": ()}, False, id="so is one that is never asked for"),
        pytest.param({"story": "partiql", "told": ("unknown",)}, True, id="what cannot be seen must not be known"),
        pytest.param({"story": "uniform", "told": ("no-single-key",)}, True, id="even traffic has no hot key"),
        pytest.param({"story": "uniform", "told": ("unknown",)}, False, id="which is to be said when it throttles"),
        pytest.param(
            {"story": "uniform", "told": ("unknown",), "sampling": Sampling.ON_INCIDENT},
            True,
            id="but not where sampling is spared, as capacity is the answer",
        ),
        pytest.param({"story": "uniform", "told": (), "throttled": False}, True, id="nor where nothing throttles"),
        pytest.param(
            {"story": "uniform", "told": ("one-key",), "throttled": False}, False, id="one key never is right"
        ),
    ],
)
def test_what_counts_as_right(changes: dict[str, object], is_right: bool) -> None:  # noqa: FBT001 - a table's column
    assert replace(RUN, **changes).is_right is is_right  # type: ignore[arg-type]  # each of its field's own type


def test_a_pass_that_does_not_know_yet_is_not_a_wrong_one() -> None:
    assert RUN.wrong_passes == 0
    assert replace(RUN, verdicts={"one-key": 5, "unknown": 4, "few-keys": 3, "moving-key": 1}).wrong_passes == 4


@pytest.mark.parametrize(
    ("sentence", "is_named"),
    [
        pytest.param("One key, key:cart#1, takes 40 % of it.", True, id="followed by a comma"),
        pytest.param("the last is key:cart#1", True, id="at the end"),
        pytest.param("One key, key:cart#17, takes 40 % of it.", False, id="the beginning of another key"),
        pytest.param("One key, cart#1, takes 40 % of it.", False, id="not as keys are shown"),
    ],
)
def test_whether_a_message_names_a_key(sentence: str, is_named: bool) -> None:  # noqa: FBT001 - a table's column
    alert = Alert(
        incident="i",
        sequence=1,
        state=IncidentState.OPEN,
        severity=Severity.WARNING,
        cause=Cause.KEY_RANGE,
        table=TableKey("123456789012", "us-east-1", "carts"),
        index="",
        time=0.0,
        opened_at=0.0,
        subject="carts",
        sentence="Writes are throttled.",
        facts=(("hot keys", sentence),),
    )
    assert names(Outgoing("1", "arn", alert), "cart#1") is is_named


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        pytest.param({}, [], id="a hot key named and nothing bought"),
        pytest.param(
            {"bought": 5},
            ["one-key, sampling = throttled, seed 1: 5 units bought for a hot key"],
            id="capacity for a hot key",
        ),
        pytest.param({"story": "mixed", "bought": 5}, [], id="capacity where it is short is what it is for"),
        pytest.param(
            {"story": "zipf-08", "setting": Setting.HELD, "named": 2},
            ["zipf-08, held, sampling = throttled, seed 1: 2 keys named where none is hot"],
            id="keys named on even traffic",
        ),
    ],
)
def test_what_must_never_be(changes: dict[str, object], sentences: list[str]) -> None:
    assert hot_keys.broken([replace(RUN, named=0), replace(RUN, **changes)]) == sentences  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "most"),
    [
        pytest.param(Setting.USUAL, ROOM, id="with room"),
        pytest.param(Setting.SPARED, ROOM, id="with the same room for the comparison"),
        pytest.param(Setting.HELD, 1, id="held where it is"),
    ],
)
def test_capacity_is_never_below_what_the_story_begins_with(setting: Setting, most: int) -> None:
    spec = next(story.spec for story in heated(ORIGIN, 1) if story.spec.name == "tickets")
    policy = policy_of(spec, Job(("tickets",), Sampling.THROTTLED, 1, setting))
    for dimension in (TABLE_WRITE, replace(TABLE_WRITE, index="by-status")):
        assert policy.bounds_for(dimension) == Bounds(2500, 2500 * most)


def test_without_its_hot_key_a_table_is_asked_for_what_its_partitions_can_serve() -> None:
    source = next(story.spec.demand for story in heated(ORIGIN, 1) if story.spec.name == MIXED)
    asked, calm = source(ORIGIN + 600), source(ORIGIN)
    (share,) = asked.hot[TABLE_WRITE]
    writes = asked.units[TABLE_WRITE]
    assert share.share * writes > 60_000  # a partition's 1,000 a second
    left = spared(source)(ORIGIN + 600)
    assert left.units == {**asked.units, TABLE_WRITE: writes - (share.share * writes - 60_000)}
    assert left.hot == {}
    assert spared(source)(ORIGIN) == calm


def test_one_hot_key_is_named_in_time_and_nothing_is_bought() -> None:
    (run,) = play(Job(("one-key",), Sampling.THROTTLED, 1))
    assert run.settled is KeyVerdict.ONE_KEY
    assert run.named == run.hits == run.hot > 20
    assert run.covered == run.refused > 0
    assert run.seconds is not None
    assert run.seconds <= hot_keys.PROMISE
    assert (run.bought, run.throttled, run.wrong_passes) == (0, True, 0)


def test_even_traffic_that_throttles_throughout_names_no_key() -> None:
    (run,) = play(Job(("uniform",), Sampling.THROTTLED, 1, Setting.HELD))
    assert run.throttled
    assert run.settled is KeyVerdict.NO_SINGLE_KEY
    assert (run.named, run.hot, run.seconds, run.bought) == (0, 0, None, 0)


def test_truth_is_of_the_minutes_that_were_sampled() -> None:
    (run,) = play(Job(("by-minute",), Sampling.ON_INCIDENT, 1))
    # The keys of the minutes before sampling began cannot be known, and so are not missed; which minutes a verdict of
    # the past was made from is known to about a minute.
    assert run.hits >= 0.98 * run.hot
    assert run.verdicts["unknown"] > 0


def test_a_run_is_a_function_of_its_job() -> None:
    job = Job(("few-keys",), Sampling.THROTTLED, 2)
    assert play(job) == play(job) != play(replace(job, seed=3))


def test_a_small_run_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_keys, "MODES", (Sampling.THROTTLED,))
    out = tmp_path / "out.json"
    assert hot_keys.main(f"--story reads mixed --seeds 1 --jobs 1 --markdown --json {out}".split()) == 0
    printed = capsys.readouterr().out
    assert "### Verdicts, sampling = throttled\n" in printed
    assert f"| reads | {HEAT['reads']} | 1 of 1 | one-key | 0 of " in printed
    assert "\n| mixed, held | " in printed
    assert "### All tables in trouble at once, in one Region\n" in printed
    written = json.loads(out.read_text(encoding="utf-8"))
    assert [(run["story"], run["setting"]) for run in written["alone"]] == [
        ("reads", "as told"),
        ("mixed", "as told"),
        ("mixed", "held"),
        ("mixed", "no hot key"),
    ]
    assert [run["story"] for run in written["at once"]] == ["reads", "mixed"]


def test_the_judged_minutes_are_whole_and_in_the_past() -> None:
    assert hot_trial.ORIGIN % 60 == hot_trial.END % 60 == 0
    assert hot_trial.WATCHED > hot_trial.END
