"""What an alert says, part by part: the verdict in one sentence, the money, the command by hand, what AWS refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest

from tests.core.builders import (
    INDEX,
    INDEX_READ,
    INDEX_WRITE,
    KEY,
    NOON,
    ago,
    observed,
    only,
    policy,
    remembered,
    run,
    table,
    throughput,
)
from tests.core.situations import ABOVE, BUSY, HOT, INDEXED, NAMED, STARVED, UNREAD, held, incident, starved
from watcher.core.advice import headed, shortened
from watcher.core.insights import KeySample
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Action,
    Alert,
    Change,
    Dimension,
    Intent,
    Lever,
    Settlement,
    TableObservation,
)
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.state import Blocked, Incident, TableState
from watcher.core.telling.by_hand import set_minimum, update_table
from watcher.core.telling.case import longest_held
from watcher.core.telling.done import after_refusals
from watcher.core.telling.names import ordinal
from watcher.core.telling.subject import refused_subject


def told(seen: TableObservation, rules: TablePolicy | None = None, state: TableState | None = None) -> Alert:
    return only(run(seen, rules=rules, state=state).alerts)


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


HEAT = observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 100}})
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
            HEAT,
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


def test_mixed_causes_are_told_apart() -> None:
    causes = {(TABLE_WRITE, Cause.PROVISIONED): {1: 60.0}, (TABLE_WRITE, Cause.KEY_RANGE): {1: 40.0}}
    facts = dict(told(observed(causes=causes)).facts)
    assert facts["throttled, too little capacity"] == "60 events"
    assert facts["throttled, one key range is too hot"] == "40 events"


def of_key_range(sample: KeySample) -> Alert:
    return told(observed(causes=HOT, hot_keys={"": sample}))


def test_a_hot_key_is_named_with_what_to_do() -> None:
    text = of_key_range(NAMED)

    assert text.subject == "orders: writes throttled, one key is too hot; not raised, capacity cannot help"
    assert "key:54a317ed989b" in dict(text.facts)["hot keys"]
    assert dict(text.facts)["keys"].startswith(
        "key:54a317ed989b 98 % of the throttled requests, 300 throttles a minute"
    )
    assert text.todo.startswith("More capacity cannot help. Spread key:54a317ed989b over")


def test_keys_that_cannot_be_read_are_not_no_hot_keys() -> None:
    text = of_key_range(UNREAD)

    assert text.subject == "orders: writes throttled, one key range is too hot; not raised, capacity cannot help"
    assert "GetInsightRuleReport is denied" in dict(text.facts)["hot keys"]
    assert "keys" not in dict(text.facts)
    assert "`watcher hot-keys orders`" in text.todo


def test_where_capacity_is_the_answer_unread_keys_are_nobodys_worry() -> None:
    text = told(observed(consumed=BUSY, causes=STARVED, hot_keys={"": UNREAD}))

    assert "hot keys" not in dict(text.facts)


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


def test_two_demands_in_one_message_say_which_is_which() -> None:
    falling = {(TABLE_WRITE, Cause.PROVISIONED): {1: 3000.0, 2: 6000.0, 3: 6000.0}}
    alert = told(observed(consumed=BUSY, causes=falling))
    assert dict(alert.facts)["demand"] == "200/s at the highest, 150/s in the newest minute"
    assert "Why: demand 150/s" in alert.done


@pytest.mark.parametrize(
    ("raised", "lowered", "done"),
    [
        pytest.param(
            NOON - 30.0,
            None,
            "Raised writes to 400 30 s ago; waiting to see it at work.",
            id="raised half a minute ago",
        ),
        pytest.param(
            float(ago(5)), NOON - 30.0, "Nothing. Writes: ", id="lowered since: the raise is no answer to this"
        ),
    ],
)
def test_a_raise_just_made_is_not_told_as_nothing(raised: float, lowered: float | None, done: str) -> None:
    state = TableState(remembered(TABLE_WRITE, expected=400, raised_at=raised, lowered_at=lowered))
    assert told(starved(table(throughput(write=400))), state=state).done.startswith(done)


# --- what is held


def test_a_table_that_is_held_back_says_so_in_its_verdict() -> None:
    seen, state = observed(consumed=ABOVE), held(Reason.HOLD_AT_MAX)
    explanation = run(seen, rules=policy(bounds=Bounds(5, 100)), state=state).explanation
    assert explanation.sentence == (
        "Writes of orders have needed more capacity for 6 min and cannot be raised: the configured maximum is reached."
    )


@pytest.mark.parametrize(
    ("blocked", "index", "expected"),
    [
        pytest.param({}, "", None, id="nothing"),
        pytest.param(
            {
                TABLE_READ: Blocked(Reason.HOLD_BUDGET, 0.0, rising=False),
                TABLE_WRITE: Blocked(Reason.HOLD_AT_MAX, 9.0, rising=True),
            },
            "",
            TABLE_WRITE,
            id="a raise before a decrease, however long that is held",
        ),
        pytest.param(
            {
                TABLE_READ: Blocked(Reason.HOLD_AT_MAX, 0.0, rising=True),
                INDEX_READ: Blocked(Reason.HOLD_AT_MAX, 9.0, rising=True),
            },
            INDEX,
            INDEX_READ,
            id="of two raises the one where the incident is",
        ),
        pytest.param(
            {
                TABLE_READ: Blocked(Reason.HOLD_AT_MAX, 9.0, rising=True),
                TABLE_WRITE: Blocked(Reason.HOLD_AT_MAX, 0.0, rising=True),
            },
            "",
            TABLE_WRITE,
            id="else the one held longest",
        ),
    ],
)
def test_which_held_change_is_told(blocked: dict[Dimension, Blocked], index: str, expected: Dimension | None) -> None:
    found = longest_held(blocked, index)
    assert (found[0] if found else None) == expected


def test_a_maximum_that_no_config_set_asks_for_bounds() -> None:
    huge = table(throughput(write=40_000))
    busy = {TABLE_WRITE: [30_000.0] * 25 + [40_000.0] * 5}
    causes = {(TABLE_WRITE, Cause.PROVISIONED): {1: 600_000.0, 2: 600_000.0}}
    alert = told(observed(huge, busy, causes=causes), policy(Mode.ADVISE, bounds=None))
    assert alert.todo.startswith("Give this dimension bounds in the config (write of its [[tables]] entry)")


# --- incidents that come back, and reminders


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_ordinals(number: int, expected: str) -> None:
    assert ordinal(number) == expected


def test_what_worsens_after_it_came_back_is_worse_and_no_second_return() -> None:
    state = TableState(incident=incident(Cause.UNCLASSIFIED, bad=120.0, peak=0.01, flaps=2))
    alert = told(observed(consumed=BUSY, causes=STARVED), state=state)
    assert alert.state is IncidentState.WORSENED
    assert alert.subject.startswith("orders: worse (critical): ")
    assert dict(alert.facts)["before"] == "warning: cause not given by AWS, 1.0 % of requests at its worst"
    assert alert.sentence.startswith("Writes of orders")


def test_a_calm_that_must_last_longer_says_how_long() -> None:
    state = TableState(incident=incident(bad=400.0, flaps=2))
    assert run(observed(), state=state).explanation.sentence.endswith("closes after 40 min seen without trouble.")


# --- the command by hand


def test_update_table_by_hand_keeps_what_it_does_not_change() -> None:
    command = update_table(INDEXED, {TABLE_WRITE: 400})
    assert command == (
        "aws dynamodb update-table --region eu-west-1 --table-name orders "
        "--provisioned-throughput ReadCapacityUnits=100,WriteCapacityUnits=400"
    )


def test_update_table_by_hand_of_a_table_and_its_index_is_one_call() -> None:
    words = shlex.split(update_table(INDEXED, {INDEX_WRITE: 120, TABLE_READ: 200}))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--provisioned-throughput"] == "ReadCapacityUnits=200,WriteCapacityUnits=100"
    assert json.loads(options["--global-secondary-index-updates"]) == [
        {
            "Update": {
                "IndexName": INDEX,
                "ProvisionedThroughput": {"ReadCapacityUnits": 50, "WriteCapacityUnits": 120},
            }
        }
    ]


@pytest.mark.parametrize(
    ("dimension", "resource", "scope"),
    [
        (TABLE_WRITE, "table/orders", "dynamodb:table:WriteCapacityUnits"),
        (INDEX_READ, "table/orders/index/by-customer", "dynamodb:index:ReadCapacityUnits"),
    ],
)
def test_a_minimum_by_hand(dimension: Dimension, resource: str, scope: str) -> None:
    words = shlex.split(set_minimum(INDEXED, dimension, 70))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--region": "eu-west-1",
        "--service-namespace": "dynamodb",
        "--resource-id": resource,
        "--scalable-dimension": scope,
        "--min-capacity": "70",
    }


# --- money


def test_the_cost_is_of_every_change_of_the_call() -> None:
    causes = {(TABLE_WRITE, Cause.PROVISIONED): {1: 6000.0, 2: 6000.0}, (TABLE_READ, Cause.PROVISIONED): {1: 6000.0}}
    both = {TABLE_WRITE: BUSY[TABLE_WRITE], TABLE_READ: BUSY[TABLE_WRITE]}
    alert = told(observed(consumed=both, causes=causes))
    decisions = run(observed(consumed=both, causes=causes)).explanation.decisions
    after = {decision.dimension: decision.after for decision in decisions}
    amount = 24 * (0.00013 * (after[TABLE_READ] - 100) + 0.00065 * (after[TABLE_WRITE] - 100))
    assert dict(alert.facts)["cost"] == f"+${amount:.2f} a day while it lasts, at us-east-1 prices"


# --- what AWS then refused

DENIED = "User w is not authorized to perform: dynamodb:UpdateTable (allow dynamodb:UpdateTable)"


def settled(outcome: Outcome, detail: str = "") -> Settlement:
    action = Action(KEY, Lever.CAPACITY, (Change(TABLE_WRITE, 100, 400),), Mode.ACT)
    return Settlement(Intent("i", NOON, action), outcome, NOON + 2.0, detail)


@pytest.mark.parametrize(
    ("outcome", "detail", "todo"),
    [
        pytest.param(
            Outcome.DENIED,
            DENIED,
            "Allow dynamodb:UpdateTable to the watcher's role (`watcher iam-policy --mode act` prints it, "
            "`watcher doctor` checks it); until then raise writes to 400 by hand.",
            id="a permission",
        ),
        pytest.param(
            Outcome.DENIED,
            "UpdateTable of table orders: expired (provide valid AWS credentials: a profile, or a role)",
            "Give the watcher valid credentials (`watcher doctor` checks them); until then raise writes to 400 "
            "by hand.",
            id="the credentials themselves",
        ),
        pytest.param(
            Outcome.QUOTA,
            "above the per table maximum",
            "Ask in Service Quotas for the higher DynamoDB throughput quota that AWS's words name, or reduce the load.",
            id="a quota",
        ),
        pytest.param(
            Outcome.THROTTLED,
            "rate exceeded",
            "Nothing for now: AWS throttles changes of tables in this Region, and it is tried again next minute.",
            id="the control plane throttles",
        ),
        pytest.param(
            Outcome.BUSY,
            "in use",
            "Nothing for now: it is looked at again next minute.",
            id="another change is under way",
        ),
        pytest.param(
            Outcome.INVALID,
            "what",
            "Mend what AWS's words name: the same call made by hand is refused too.",
            id="a call that is wrong in itself",
        ),
    ],
)
def test_a_raise_that_is_then_refused_is_nothing_to_wait_for(outcome: Outcome, detail: str, todo: str) -> None:
    alert = after_refusals(told(observed(consumed=BUSY, causes=STARVED)), [settled(outcome, detail)])
    assert alert.todo == todo
    assert dict(alert.facts)["cost"] == "no change: it was not accepted"
    assert alert.subject == "orders: writes throttled, too little capacity; not raised, AWS refused it"
    assert alert.done.startswith("Nothing: AWS refused it. Tried: Raising writes 100 to 400. Why: ")


def test_what_is_refused_in_part_is_done_in_part() -> None:
    alert = told(observed(consumed=BUSY, causes=STARVED))
    after = after_refusals(alert, [settled(Outcome.APPLIED), settled(Outcome.BUSY, "in use")])
    assert after.done == f"Only a part of it: AWS refused it (writes to 400). {alert.done}"
    assert after.subject == alert.subject
    assert dict(after.facts)["cost"] == dict(alert.facts)["cost"]


def test_a_refused_change_that_the_message_does_not_tell_of_leaves_its_words() -> None:
    alert = told(observed(consumed=BUSY, causes=STARVED))
    action = Action(KEY, Lever.CAPACITY, (Change(TABLE_READ, 90, 80),), Mode.ACT)
    after = after_refusals(alert, [Settlement(Intent("i", NOON, action), Outcome.DENIED, NOON + 2.0, DENIED)])
    assert (after.subject, after.done, after.todo) == (alert.subject, alert.done, alert.todo)


@pytest.mark.parametrize(
    ("name", "index", "prefix", "subject"),
    [
        pytest.param(
            "t",
            "i",
            "",
            "t: writes of index i throttled, too little capacity; not raised, AWS refused it",
            id="all of it fits",
        ),
        pytest.param(
            "orders-of-the-north",
            "by-customer",
            "",
            "orders-of-the-north: writes of index by-customer throttled; not raised, AWS refused it",
            id="the cause gives way",
        ),
        pytest.param(
            "n" * 60,
            "by-customer-and-day",
            "worse: ",
            f"{'n' * 31}...: worse: writes of an index throttled; not raised, AWS refused it",
            id="the names give way",
        ),
        pytest.param(
            "n" * 60,
            "by-customer-and-day",
            "still open after 24 h: ",
            f"{'n' * 31}...: still open after 24 h: writes of an index throttled; not raised",
            id="who refused it gives way last",
        ),
    ],
)
def test_a_refused_raise_keeps_no_deed_in_its_subject(name: str, index: str, prefix: str, subject: str) -> None:
    long = f"{prefix}writes of index {index} throttled, too little capacity; raising 50 to 400, its maximum"
    alert = told(observed(consumed=BUSY, causes=STARVED))
    alert = replace(alert, table=replace(KEY, name=name), index=index, subject=f"{name}: {long}")
    found = refused_subject(alert, "AWS refused it")
    assert found == subject
    assert len(found) <= 99


@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.UNKNOWN, Outcome.ADVISED, Outcome.PENDING])
def test_what_is_not_refused_is_told_as_it_was(outcome: Outcome) -> None:
    alert = told(observed(consumed=BUSY, causes=STARVED))
    assert after_refusals(alert, [settled(outcome)]) == alert


def test_a_refused_change_is_not_the_matter_where_capacity_is_not_the_cure() -> None:
    alert = told(observed(causes=HOT))
    assert after_refusals(alert, [settled(Outcome.DENIED, DENIED)]).todo == alert.todo
