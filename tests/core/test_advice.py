"""The words people read at 03:00, whole: one golden text per cause."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.core.builders import (
    INDEX_WRITE,
    KEY,
    NOON,
    ago,
    even,
    observed,
    only,
    policy,
    remembered,
    run,
    table,
    throughput,
)
from watcher.core.advice import CAUSE_WORDS, WHAT_TO_DO, headed, shortened
from watcher.core.insights import KeySample, KeyTrace, SamplerMode
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Alert,
    Billing,
    Dimension,
    Kind,
    ScalableTarget,
    Status,
    TableDescription,
    TableObservation,
)
from watcher.core.policy import AutoScaling, Bounds, TablePolicy
from watcher.core.reasons import Cause, Mode, Severity
from watcher.core.state import Incident, Normal, TableState

STARVED = {(TABLE_WRITE, Cause.PROVISIONED): {1: 6000.0, 2: 6000.0}}
BUSY = {TABLE_WRITE: [*even(70, 25), *even(100, 5)]}
INDEXED = table(index=throughput(50, 50))
THROTTLED_WRITES = (
    "Writes of orders are throttled (12,000 events in 5 min, 29 % of requests): demand 200/s against 100 provisioned."
)
STORY = "demand 200/s rising 26 % a minute, 12,000 events throttled, bucket 0 s deep, forecast 247/s"
ARITHMETIC = f"{STORY}: raise 100 to 400"


@dataclass(frozen=True)
class Golden:
    subject: str
    sentence: str
    done: str
    todo: str


def told(seen: TableObservation, rules: TablePolicy | None = None, state: TableState | None = None) -> Alert:
    return only(run(seen, rules=rules, state=state).alerts)


World = tuple[TableObservation, TablePolicy | None, TableState | None]


def case(seen: TableObservation, rules: TablePolicy | None = None, state: TableState | None = None) -> World:
    return seen, rules, state


def starved(
    scaling: dict[Dimension, ScalableTarget] | None = None, description: TableDescription | None = None
) -> TableObservation:
    return observed(description, consumed=BUSY, causes=STARVED, scaling=scaling)


ACTED = "orders: writes throttled, too little capacity; raising 100 to 400"
NOT_RAISED = "orders: writes throttled, too little capacity; not raised"
SCALED = {TABLE_WRITE: ScalableTarget(50, 400)}


@pytest.mark.parametrize(
    ("world", "golden"),
    [
        pytest.param(
            case(starved()),
            Golden(
                ACTED,
                THROTTLED_WRITES,
                f"Writes: {ARITHMETIC}.",
                "Nothing for now. If this is not resolved in 20 min, look.",
            ),
            id="too little capacity, acting",
        ),
        pytest.param(
            case(starved(), policy(Mode.ADVISE)),
            Golden(
                "orders: writes throttled, too little capacity; advice: raise 100 to 400",
                THROTTLED_WRITES,
                f"Nothing, this is advice only. Writes: {ARITHMETIC}.",
                'Raise writes to 400, or set mode = "act" for this table.',
            ),
            id="too little capacity, advising: an advice does not read like a deed",
        ),
        pytest.param(
            case(starved(), policy(Mode.OBSERVE)),
            Golden(
                NOT_RAISED,
                THROTTLED_WRITES,
                "Nothing. Writes: would raise 100 to 400, but this table is only observed.",
                'Raise it by hand, or set mode = "advise" or "act" for this table.',
            ),
            id="too little capacity, observing",
        ),
        pytest.param(
            case(starved(), policy(bounds=Bounds(5, 100))),
            Golden(
                NOT_RAISED,
                THROTTLED_WRITES,
                "Nothing. Writes: would raise 100 to 400, but 100 is the configured maximum.",
                "Raise the configured maximum, or reduce the load.",
            ),
            id="too little capacity at the maximum",
        ),
        pytest.param(
            case(starved(SCALED)),
            Golden(
                NOT_RAISED,
                THROTTLED_WRITES,
                "Nothing. Writes: would raise 100 to 400, but Application Auto Scaling holds it between 50 and 400.",
                "Raise the minimum of its Application Auto Scaling target, or set "
                'auto_scaling = "floor" for this table.',
            ),
            id="too little capacity under another scaler",
        ),
        pytest.param(
            case(starved(SCALED), policy(Mode.ADVISE, auto_scaling=AutoScaling.FLOOR)),
            Golden(
                "orders: writes throttled, too little capacity; advice: raise the scaling minimum 50 to 400",
                THROTTLED_WRITES,
                f"Nothing, this is advice only. Writes: {ARITHMETIC}, by raising Application Auto Scaling's minimum "
                "50 to 400.",
                'Raise Application Auto Scaling\'s minimum of writes to 400, or set mode = "act" for this table.',
            ),
            id="too little capacity, a floor advised",
        ),
        pytest.param(
            case(
                starved(description=table(throughput(write=400))),
                state=TableState(remembered(TABLE_WRITE, expected=400, raised_at=NOON - 30.0)),
            ),
            Golden(
                "orders: writes throttled, too little capacity; change under way",
                "Writes of orders are throttled (12,000 events in 5 min, 29 % of requests): demand 200/s; capacity was "
                "raised to 400 30 s ago.",
                f"Nothing. Writes: {STORY}; waiting to see the last change at work.",
                "Nothing for now: the last change is not yet visible in CloudWatch.",
            ),
            id="too little capacity, just raised",
        ),
        pytest.param(
            case(
                starved(description=table(throughput(status=Status.UPDATING))),
                state=TableState(remembered(TABLE_WRITE, expected=400, raised_at=NOON - 30.0)),
            ),
            Golden(
                "orders: writes throttled, too little capacity; change under way",
                "Writes of orders are throttled (12,000 events in 5 min, 29 % of requests): demand 200/s against 100, "
                "being raised to 400.",
                "Nothing. Writes: would raise 100 to 248, but the table is not active (an update is under way).",
                "Nothing for now: the next change follows once the one under way is finished.",
            ),
            id="too little capacity, a raise is under way: what is not in force is not called raised",
        ),
        pytest.param(
            case(
                observed(
                    table(throughput(write=200), index=throughput(50, 50)),
                    {TABLE_WRITE: even(70), INDEX_WRITE: even(50)},
                    causes={(INDEX_WRITE, Cause.PROVISIONED): {1: 600}},
                    throttled={TABLE_WRITE: {1: 600}},
                )
            ),
            Golden(
                "orders: writes of index by-customer throttled, too little capacity; raising 50 to 120",
                "Writes of index by-customer (table orders) are throttled (600 events in 5 min, 3.8 % of requests): "
                "demand 60/s against 50 provisioned.",
                "Writes of index by-customer: demand 60/s rising 6.3 % a minute, 600 events throttled, bucket 0 s "
                "deep, forecast 77/s: raise 50 to 120.",
                "Nothing for now. If this is not resolved in 20 min, look.",
            ),
            id="a starving index comes before the table it holds back",
        ),
        pytest.param(
            case(observed(INDEXED, throttled={INDEX_WRITE: {1: 60}, TABLE_WRITE: {1: 60}})),
            Golden(
                "orders: writes throttled, a starving index holds the table back; not raised",
                "Writes of orders are throttled (60 events in 5 min, 0.3 % of requests): an index cannot take its "
                "share of the writes, so DynamoDB refuses them at the table.",
                "Nothing. Writes: a starving index throttles these writes: the index comes first; demand 70/s on 100.",
                "Raise the writes of the index that throttles; the table itself has enough.",
            ),
            id="back-pressure whose own cause is not known yet",
        ),
        pytest.param(
            case(observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 300, 2: 200}})),
            Golden(
                "orders: writes throttled, one key range is too hot",
                "Writes of orders are throttled (500 events in 5 min, 2.3 % of requests): one key range is above a "
                "partition's 1,000 write units/s, which more capacity cannot lift.",
                "Nothing. Writes: one key range is over its partition's limit, which capacity cannot lift; "
                "demand 70/s on 100.",
                "More capacity cannot help. Spread or cache the hot key; if several keys share the heat, DynamoDB "
                "splits the range by itself within minutes.",
            ),
            id="a hot key range",
        ),
        pytest.param(
            case(observed(causes={(TABLE_READ, Cause.ACCOUNT_LIMIT): {1: 300}})),
            Golden(
                "orders: reads throttled, account or table quota reached",
                "Reads of orders are throttled (300 events in 5 min, 1.4 % of requests): an account or table quota is "
                "reached at 70/s.",
                "Nothing. Reads: an account or table quota throttles, not this capacity; demand 70/s on 100.",
                "Ask for a higher DynamoDB throughput quota in Service Quotas (per table and per account); until then "
                "free capacity elsewhere in this Region.",
            ),
            id="a quota",
        ),
        pytest.param(
            case(
                observed(
                    table(throughput(0, 0, cap={Kind.WRITE: 100}), billing=Billing.ON_DEMAND),
                    {TABLE_WRITE: even(100), TABLE_READ: even(3)},
                    causes={(TABLE_WRITE, Cause.ON_DEMAND_CAP): {1: 300}},
                )
            ),
            Golden(
                "orders: writes throttled, on-demand maximum reached",
                "Writes of orders are throttled (300 events in 5 min, 1.0 % of requests): traffic of 100/s reaches the "
                "maximum its owner set on the on-demand table.",
                "Nothing. Writes: on demand, nothing is provisioned; consuming 100/s, its own maximum is 100/s.",
                "Raise or remove the on-demand maximum (MaxWriteRequestUnits, now 100) if this traffic is wanted.",
            ),
            id="the owner's on-demand maximum",
        ),
        pytest.param(
            case(observed(throttled={TABLE_WRITE: {4: 300}})),
            Golden(
                "orders: writes throttled, cause not given by AWS",
                "Writes of orders are throttled (300 events in 5 min, 1.4 % of requests): consumption peaks at 70/s on "
                "100 provisioned, and AWS gives no cause.",
                "Nothing. Writes: throttled below capacity and AWS gives no cause; demand 70/s on 100.",
                "Look for a hot key or bursts within a minute: per-minute figures are below capacity.",
            ),
            id="unclassified",
        ),
        pytest.param(
            case(
                observed(latency={"Query": even(90, 6)}),
                state=TableState(latency={"Query": Normal(10, 60, ago(7))}),
            ),
            Golden(
                "orders: Query slow, not throttled",
                "Query on orders is slow but not throttled: 90 ms on average against a normal of 10 ms, for 6 minutes.",
                "Nothing.",
                "Capacity is not the answer and none is changed. Look at item and result sizes, at what was deployed, "
                "and at the AWS Health Dashboard.",
            ),
            id="slow",
        ),
        pytest.param(
            case(
                observed(silent=(TABLE_READ, TABLE_WRITE)),
                state=TableState(remembered(TABLE_WRITE, [70, *[None] * 9])),
            ),
            Golden(
                "orders: CloudWatch is silent",
                "orders cannot be seen: the newest CloudWatch point is 10 min old.",
                "Nothing. Writes: the newest consumption point is stale: nothing is changed on a guess.",
                "Check the watcher's CloudWatch permission and the AWS Health Dashboard. Nothing is lowered.",
            ),
            id="blind",
        ),
        pytest.param(
            case(
                observed(),
                state=TableState(
                    incident=Incident(
                        "i", NOON - 1200.0, Cause.PROVISIONED, "", Severity.CRITICAL, 2, 0.3, NOON - 900.0, events=1234
                    )
                ),
            ),
            Golden(
                "orders: resolved (too little capacity)",
                "orders is well again: nothing bad for 10 min, after about 6 min of trouble (too little capacity).",
                "",
                "Nothing.",
            ),
            id="resolved",
        ),
        pytest.param(
            case(
                observed(),
                state=TableState(
                    incident=Incident("i", NOON - 1200.0, Cause.BLIND, "", Severity.WARNING, 1, 0.0, NOON - 900.0)
                ),
            ),
            Golden("orders: resolved, CloudWatch speaks again", "orders can be seen again.", "", "Nothing."),
            id="blind, resolved",
        ),
    ],
)
def test_golden_texts(world: World, golden: Golden) -> None:
    alert = told(*world)
    assert Golden(alert.subject, alert.sentence, alert.done, alert.todo) == golden


def sentence(seen: TableObservation, state: TableState | None = None) -> str:
    return run(seen, state=state).explanation.sentence


# The window of five minutes begins at ago(5).
@pytest.mark.parametrize(
    ("raised", "because"),
    [
        pytest.param(None, "demand 200/s against 100 provisioned", id="never raised"),
        pytest.param(NOON - 120.0, "demand 200/s; capacity was raised to 100 2 min ago", id="raised two minutes ago"),
        pytest.param(ago(5) + 1.0, "demand 200/s; capacity was raised to 100 6 min ago", id="just within the window"),
        pytest.param(
            float(ago(5)), "demand 200/s against 100 provisioned", id="as it began: all of it shows the raise"
        ),
    ],
)
def test_what_was_raised_within_the_window_is_not_held_against_a_demand_from_before_it(
    raised: float | None, because: str
) -> None:
    state = TableState(remembered(TABLE_WRITE, expected=100, raised_at=raised))
    assert sentence(starved(), state) == (
        f"Writes of orders are throttled (12,000 events in 5 min, 29 % of requests): {because}."
    )


def was_bad(minutes: int, cause: Cause = Cause.PROVISIONED) -> TableState:
    """An open incident whose newest bad minute is ``ago(minutes)``."""
    return TableState(
        incident=Incident("i", NOON - 1200.0, cause, "", Severity.WARNING, 1, 0.02, float(ago(minutes)), events=9)
    )


HOT = observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 100}})
CALM_OPEN = "orders has been calm for {} ({} before that); the incident closes after 10 min seen without trouble."


@pytest.mark.parametrize(
    ("seen", "state", "expected"),
    [
        pytest.param(observed(), TableState(), "orders is well.", id="calm, no incident"),
        pytest.param(observed(), was_bad(3), CALM_OPEN.format("3 min", "too little capacity"), id="calm, still open"),
        pytest.param(
            observed(),
            was_bad(10, Cause.KEY_RANGE),
            CALM_OPEN.format("10 min", "one key range is too hot"),
            id="nine calm minutes were seen, the newest ended a minute ago: still open",
        ),
        pytest.param(observed(), was_bad(11), "orders is well.", id="ten were seen: closed in this very step"),
        pytest.param(
            HOT,
            was_bad(3, Cause.KEY_RANGE),
            "Writes of orders are throttled (100 events in 5 min, 0.5 % of requests): one key range is above a "
            "partition's 1,000 write units/s, which more capacity cannot lift.",
            id="open and in trouble: the trouble",
        ),
        pytest.param(
            observed(silent=(TABLE_READ, TABLE_WRITE)),
            was_bad(3),
            "orders: CloudWatch has published no consumption, so nothing can be said.",
            id="open and blind: blind is not calm",
        ),
    ],
)
def test_how_a_table_is_with_its_incident_considered(seen: TableObservation, state: TableState, expected: str) -> None:
    assert sentence(seen, state) == expected


def test_every_cause_has_words() -> None:
    assert set(CAUSE_WORDS) == set(Cause)


def test_facts_in_reading_order() -> None:
    assert told(starved()).facts == (
        ("demand", "200/s"),
        ("consumed", "100/s"),
        ("provisioned", "100 units/s"),
        ("throttled", "12,000 events in 5 min (29 %)"),
    )


def test_mixed_causes_are_told_apart() -> None:
    causes = {(TABLE_WRITE, Cause.PROVISIONED): {1: 60.0}, (TABLE_WRITE, Cause.KEY_RANGE): {1: 40.0}}
    facts = dict(told(observed(causes=causes)).facts)
    assert facts["throttled, too little capacity"] == "60 events"
    assert facts["throttled, one key range is too hot"] == "40 events"


def trace(label: str, events: float) -> KeyTrace:
    """Throttled as often in each of the last five minutes."""
    return KeyTrace(label, label, label, {ago(minute): events for minute in range(1, 6)})


NAMED = KeySample(
    NOON - 3600,
    NOON,
    SamplerMode.THROTTLED,
    throttled=(trace("h:1", 300), trace("h:2", 6)),
    since=NOON - 86_400,
)
UNREAD = KeySample(NOON, NOON, note="no permission", complete=False)


def of_key_range(sample: KeySample) -> Alert:
    causes = {(TABLE_WRITE, Cause.KEY_RANGE): dict.fromkeys(range(1, 6), 306.0)}
    return told(observed(causes=causes, hot_keys={"": sample}))


def test_a_hot_key_is_named_with_what_to_do() -> None:
    text = of_key_range(NAMED)

    assert text.subject == "orders: writes throttled, one key is too hot"
    assert "h:1" in dict(text.facts)["hot keys"]
    assert dict(text.facts)["keys"].startswith("h:1 98 % of the throttled requests, 300 throttles a minute")
    assert text.todo != WHAT_TO_DO[Cause.KEY_RANGE]


def test_keys_that_cannot_be_read_are_not_no_hot_keys() -> None:
    text = of_key_range(UNREAD)

    assert text.subject == "orders: writes throttled, one key range is too hot"
    assert "no permission" in dict(text.facts)["hot keys"]
    assert "keys" not in dict(text.facts)
    assert text.todo == WHAT_TO_DO[Cause.KEY_RANGE]


def test_where_capacity_is_the_answer_unread_keys_are_nobodys_worry() -> None:
    text = told(observed(consumed=BUSY, causes=STARVED, hot_keys={"": UNREAD}))

    assert "hot keys" not in dict(text.facts)


@pytest.mark.parametrize("length", [1, 40, 41, 99, 255])
def test_what_is_wrong_survives_a_long_table_name_in_the_subject(length: int) -> None:
    named = table(key=replace(KEY, name="n" * length))
    subject = told(observed(named, consumed=BUSY, causes=STARVED)).subject
    assert len(subject) < 100
    assert subject.startswith("n" * min(length, 20))
    assert subject.endswith(": writes throttled, too little capacity; raising 100 to 400")


def test_both_names_of_255_characters_leave_room_for_the_symptom() -> None:
    parts = {"": throughput(), "i" * 255: throughput()}
    named = TableDescription(replace(KEY, name="n" * 255), Billing.PROVISIONED, parts)
    seen = observed(named, causes={(Dimension("i" * 255, Kind.WRITE), Cause.PROVISIONED): {1: 6000}})
    subject = told(seen).subject
    assert len(subject) < 100
    assert "writes of index iiiii" in subject
    assert "throttled" in subject


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        pytest.param(10, "0123456789", id="what fits stays"),
        pytest.param(9, "012345...", id="what does not is cut and says so"),
    ],
)
def test_shortened(limit: int, text: str) -> None:
    assert shortened("0123456789", limit) == text


def test_the_name_gives_way_before_the_news() -> None:
    assert headed("orders", "resolved", 99) == "orders: resolved"
    assert headed("n" * 50, "x" * 60, 99) == "n" * 34 + "...: " + "x" * 60
