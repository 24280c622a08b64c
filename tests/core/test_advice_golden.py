"""Whole messages against the golden files, and what holds for every one of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.core.builders import KEY, even, observed, policy, run, table, throughput
from tests.core.situations import (
    FAMILIES,
    HOT,
    NAMED,
    STARVED,
    Situation,
    path,
    printed,
    written,
)
from watcher.core.blocked import HOLDS_A_DECREASE, HOLDS_A_RAISE
from watcher.core.diagnose import THROTTLING
from watcher.core.model import TABLE_WRITE, Alert, Dimension, Kind, TableDescription, TableObservation
from watcher.core.policy import Bounds
from watcher.core.prices import PROVISIONED_PRICE, dollars
from watcher.core.reasons import Cause, IncidentState, Mode
from watcher.core.telling.held import TO_DO
from watcher.core.telling.names import CAUSE_WORDS, HELD_SENTENCES, HELD_WORDS, SUBJECT_LIMIT

SITUATIONS = [(family, situation) for family, situations in FAMILIES.items() for situation in situations()]
ALERTS = [situation.alert for _, situation in SITUATIONS]
TITLES = [f"{family}: {situation.title}" for family, situation in SITUATIONS]
EVERY = pytest.mark.parametrize("alert", ALERTS, ids=TITLES)
EVERY_DECIDED = pytest.mark.parametrize(
    ("situation", "alert"),
    [(situation, alert) for (_, situation), alert in zip(SITUATIONS, ALERTS, strict=True)],
    ids=TITLES,
)
OF_A_TABLE = THROTTLING | {Cause.SLOW, Cause.CANNOT_ACT, Cause.BLIND}


@pytest.mark.parametrize("family", FAMILIES)
def test_golden(family: str) -> None:
    assert written(family) == path(family).read_text(encoding="utf-8"), (
        "the words have changed: run `python -m tests.core.situations`, and read the difference"
    )


def test_every_cause_of_a_table_is_told_and_resolved() -> None:
    assert {alert.cause for alert in ALERTS if alert.state is not IncidentState.RESOLVED} == OF_A_TABLE
    assert {alert.cause for alert in ALERTS if alert.state is IncidentState.RESOLVED} >= {
        Cause.PROVISIONED,
        Cause.KEY_RANGE,
        Cause.ACCOUNT_LIMIT,
        Cause.SLOW,
        Cause.CANNOT_ACT,
        Cause.BLIND,
    }


def test_every_cause_has_words() -> None:
    assert set(CAUSE_WORDS) == set(Cause)


@pytest.mark.parametrize("reason", sorted(HOLDS_A_RAISE | HOLDS_A_DECREASE))
def test_whatever_may_hold_a_change_has_words_and_a_remedy(reason: str) -> None:
    assert reason in HELD_WORDS
    assert reason in HELD_SENTENCES
    assert reason in HOLDS_A_DECREASE or reason in TO_DO


@EVERY
def test_nothing_is_empty_and_the_subject_is_short(alert: Alert) -> None:
    assert len(alert.subject) <= SUBJECT_LIMIT
    assert alert.subject.startswith("orders: ")
    for text in (alert.sentence, alert.todo, *(part for fact in alert.facts for part in fact)):
        assert text.strip()
        assert text == text.strip()
    assert alert.sentence.endswith(".")
    assert alert.todo.endswith(".")
    assert ".." not in alert.done
    assert "orders" in alert.sentence
    assert len({name for name, _ in alert.facts}) == len(alert.facts)


@EVERY_DECIDED
def test_every_message_carries_what_the_issue_asks_for(situation: Situation, alert: Alert) -> None:
    names = [name for name, _ in alert.facts]
    assert [name for name, _ in alert.links][:3] == ["runbook", "page", "console"]
    if alert.state is IncidentState.RESOLVED:
        assert names[0] == "open"
        assert "decreases left" in names
        return
    assert names[0] == "since"
    assert alert.done
    is_on_demand = not any(situation.seen.description.throughputs[""].units.values())
    is_of_capacity = alert.cause not in (Cause.SLOW, Cause.BLIND) and not is_on_demand
    assert ("decreases left" in names) is is_of_capacity
    assert ("cost" in names) is is_of_capacity
    if alert.cause in THROTTLING and "calm at the moment" not in alert.subject:
        assert {"demand", "consumed", "provisioned", "throttled"} <= set(names)


ORDER = (
    *("since", "demand", "consumed", "provisioned", "needed", "enough", "throttled"),
    *("hot keys", "keys", "decreases left", "cost", "by hand"),
)


@EVERY
def test_the_numbers_come_in_reading_order(alert: Alert) -> None:
    known = [ORDER.index(name) for name, _ in alert.facts if name in ORDER]
    assert all(before < after for before, after in pairwise(known))


def changes_of(situation: Situation) -> dict[Dimension, tuple[int, int]]:
    """From and to, as decided."""
    decisions = run(situation.seen, rules=situation.rules, state=situation.state).explanation.decisions
    return {d.dimension: (d.before, d.after) for d in decisions if d.is_change}


@EVERY_DECIDED
def test_the_cost_is_the_decisions(situation: Situation, alert: Alert) -> None:
    cost = dict(alert.facts).get("cost", "")
    changes = changes_of(situation)
    if situation.answer is not None:
        assert cost == "no change: it was not accepted"
        return
    if not cost or not changes or "Auto Scaling's minimum" in alert.done:
        return
    amount = sum(24 * PROVISIONED_PRICE[d.kind] * (after - before) for d, (before, after) in changes.items())
    would = "" if situation.rules.mode is Mode.ACT else "would be "
    assert cost.startswith(f"{would}+{dollars(amount)} a day")


@EVERY_DECIDED
def test_what_was_decided_is_in_the_subject(situation: Situation, alert: Alert) -> None:
    if alert.state is IncidentState.RESOLVED or "Auto Scaling's minimum" in alert.done or situation.answer is not None:
        return
    for before, after in changes_of(situation).values():
        assert f"{before} to {after}" in alert.subject


@EVERY_DECIDED
def test_what_is_provisioned_is_what_describe_table_says(situation: Situation, alert: Alert) -> None:
    told = dict(alert.facts).get("provisioned")
    if told is None or told == "on demand":
        return
    described = {
        f"{units:,}" for part in situation.seen.description.throughputs.values() for units in part.units.values()
    }
    assert told.removesuffix(" units/s") in described


def test_a_command_by_hand_names_the_number_that_is_asked_for() -> None:
    for alert in ALERTS:
        facts = dict(alert.facts)
        command, needed = facts.get("by hand", ""), facts.get("needed", "").removesuffix(" units/s")
        if command and needed:
            assert needed in command


@EVERY_DECIDED
def test_what_aws_refused_reads_like_no_deed(situation: Situation, alert: Alert) -> None:
    is_refused = situation.answer is not None
    assert alert.done.startswith("Nothing: AWS refused it. Tried: ") is is_refused
    assert alert.subject.endswith("; not raised, AWS refused it") is is_refused


@EVERY
def test_every_subject_says_what_was_done_about_it(alert: Alert) -> None:
    if alert.state is not IncidentState.RESOLVED and "calm at the moment" not in alert.subject:
        assert "; " in alert.subject


def test_an_advice_never_reads_like_a_deed() -> None:
    for (_, situation), alert in zip(SITUATIONS, ALERTS, strict=True):
        if situation.rules.mode is not Mode.ACT and alert.state is not IncidentState.RESOLVED:
            assert alert.done.startswith("Nothing")
            assert "raising" not in alert.subject


LONG = "n" * 255
INDEX_LONG = "i" * 255


def renamed(name: str, index: str) -> TableObservation:
    """A starving index beside its starving table."""
    parts = {"": throughput(write=70), index: throughput(50, 50)}
    described = TableDescription(replace(KEY, name=name), table().billing, parts)
    here = Dimension(index, Kind.WRITE)
    return observed(
        described,
        {TABLE_WRITE: even(70), here: even(50)},
        causes={(here, Cause.PROVISIONED): {1: 9000, 2: 9000}, (TABLE_WRITE, Cause.PROVISIONED): {1: 10, 2: 10}},
    )


@pytest.mark.parametrize("name", ["t", "orders", "n" * 24, "n" * 60, LONG])
@pytest.mark.parametrize("index", ["i", "by-customer", "i" * 24, "i" * 60, INDEX_LONG])
@pytest.mark.parametrize("bounds", [Bounds(5, 1000), Bounds(5, 60)])
def test_what_is_wrong_and_what_was_done_survive_long_names(name: str, index: str, bounds: Bounds) -> None:
    alerts = run(renamed(name, index), rules=policy(bounds=bounds, index_bounds=bounds)).alerts
    (alert,) = alerts
    assert len(alert.subject) <= SUBJECT_LIMIT
    assert alert.subject.startswith(name[:20])
    assert "throttled" in alert.subject
    assert " to " in alert.subject
    assert not alert.subject.endswith("...")
    assert name in alert.sentence


@pytest.mark.parametrize("situation", [situation for _, situation in SITUATIONS], ids=TITLES)
def test_no_subject_loses_its_end_to_a_long_name(situation: Situation) -> None:
    seen = situation.seen
    key = replace(seen.description.key, name=LONG)
    answers = {replace(query, table=LONG): answer for query, answer in seen.answers.items()}
    renamed = replace(seen, description=replace(seen.description, key=key), answers=answers)
    alert = replace(situation, seen=renamed).alert
    assert len(alert.subject) <= SUBJECT_LIMIT
    assert not alert.subject.endswith("...")


def test_a_message_says_since_when() -> None:
    facts = dict(Situation("", observed(consumed={TABLE_WRITE: even(100)}, causes=STARVED), policy()).alert.facts)
    assert facts["since"] == "11:57 UTC, 3 min ago"


def test_a_reader_sees_the_key_in_the_first_screen() -> None:
    text = printed(Situation("", observed(causes=HOT, hot_keys={"": NAMED}), policy()).alert)
    assert text.splitlines()[0] == (
        "Subject: orders: writes throttled, one key is too hot; not raised, capacity cannot help"
    )
    assert "key:54a317ed989b" in text


@pytest.mark.parametrize(
    ("name", "index", "subject"),
    [
        pytest.param(
            "t",
            "i",
            "t: writes of index i throttled, too little capacity; raising 50 to 400, the table 70 to 560",
            id="all of it fits",
        ),
        pytest.param(
            "orders",
            "by-customer",
            "orders: writes of index by-customer throttled, too little capacity; raising 50 to 400 and 1 more",
            id="what is done elsewhere",
        ),
        pytest.param(
            "orders",
            "by-customer-and-day",
            "orders: writes of index by-custom... throttled, too little capacity; raising 50 to 400 and 1 more",
            id="the index's name",
        ),
        pytest.param(
            "orders-of-the-north",
            "by-customer-and-day",
            "orders-of-the-north: writes of index by-customer-and-day throttled; raising 50 to 400 and 1 more",
            id="the cause",
        ),
        pytest.param(
            LONG,
            INDEX_LONG,
            f"{LONG[:26]}...: writes of index {INDEX_LONG[:9]}... throttled; raising 50 to 400 and 1 more",
            id="the table's own name",
        ),
    ],
)
def test_what_gives_way_first(name: str, index: str, subject: str) -> None:
    (alert,) = run(renamed(name, index), rules=policy(bounds=Bounds(5, 1000))).alerts
    assert alert.subject == subject
