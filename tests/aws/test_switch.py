"""Switching Contributor Insights: what is sent, what is refused, and which outcome each ending has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.aws.conftest import ACCOUNT, REGION
from tests.aws.fake import HTML_500, Answer, FakeAws, Reply, fault
from tests.aws.test_capacity import KEY, RAISE_READS, hand_of
from tests.aws.test_discovery import table
from tests.aws.test_samplers import OneToOne
from watcher.aws.capacity import ActingHand, AdvisingHand
from watcher.aws.client import AwsClients
from watcher.aws.samplers import INSIGHTS_RATE
from watcher.clock import SimulatedClock
from watcher.core.insights import SamplerMode
from watcher.core.model import TABLE_READ, Action, Change, Lever, Switch
from watcher.core.reasons import Mode, Outcome

OFF, THROTTLED, FULL = SamplerMode.OFF, SamplerMode.THROTTLED, SamplerMode.FULL
MODES = {THROTTLED: "THROTTLED_KEYS", FULL: "ACCESSED_AND_THROTTLED_KEYS"}


def switching(before: SamplerMode, after: SamplerMode, index: str = "") -> Action:
    return Action(KEY, Lever.SAMPLING, (), Mode.ACT, Switch(index, before, after))


def seen(mode: SamplerMode, status: str = "ENABLED") -> dict[str, Any]:
    if mode is OFF:
        return {"ContributorInsightsStatus": "DISABLED" if status == "ENABLED" else status}
    return {"ContributorInsightsStatus": status, "ContributorInsightsMode": MODES[mode]}


@pytest.fixture
def hand(faked: AwsClients, fake: FakeAws, clock: SimulatedClock) -> ActingHand:
    """Contributor Insights is off, and may be switched."""
    fake.script("DescribeTable", table())
    fake.script("DescribeContributorInsights", seen(OFF))
    fake.script("UpdateContributorInsights", {"TableName": "orders", "ContributorInsightsStatus": "ENABLING"})
    return hand_of(faked, clock)


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        pytest.param(
            OFF,
            THROTTLED,
            {"ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "THROTTLED_KEYS"},
            id="throttled keys on",
        ),
        pytest.param(
            THROTTLED,
            FULL,
            {"ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS"},
            id="all keys instead",
        ),
        pytest.param(
            FULL,
            THROTTLED,
            {"ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "THROTTLED_KEYS"},
            id="back to throttled keys",
        ),
        pytest.param(FULL, OFF, {"ContributorInsightsAction": "DISABLE"}, id="off"),
    ],
)
@pytest.mark.parametrize("index", [pytest.param("", id="of the table"), pytest.param("by-day", id="of an index")])
def test_one_call_with_its_mode(
    hand: ActingHand, fake: FakeAws, before: SamplerMode, after: SamplerMode, sent: dict[str, str], index: str
) -> None:
    fake.script("DescribeContributorInsights", seen(before))
    assert hand.carry_out(switching(before, after, index)) == (Outcome.APPLIED, "")
    place = {"TableName": "orders"} | ({"IndexName": index} if index else {})
    assert fake.calls == [
        ("DescribeTable", {"TableName": "orders"}),
        ("DescribeContributorInsights", place),
        ("UpdateContributorInsights", place | sent),
    ]


@pytest.mark.parametrize(
    ("described", "asked", "outcome", "detail"),
    [
        pytest.param(
            seen(FULL),
            switching(OFF, THROTTLED),
            Outcome.CANCELLED,
            "Contributor Insights of table orders was at off when decided and is at all keys now: another hand",
            id="another hand switched it on",
        ),
        pytest.param(
            seen(THROTTLED), switching(OFF, THROTTLED), Outcome.CANCELLED, "another hand", id="even to what we want"
        ),
        pytest.param(
            seen(OFF), switching(THROTTLED, OFF), Outcome.CANCELLED, "another hand", id="another hand switched it off"
        ),
        pytest.param(
            {"ContributorInsightsStatus": "ENABLED"},
            switching(THROTTLED, OFF),
            Outcome.CANCELLED,
            "is at all keys now",
            id="no mode at all means all keys",
        ),
        pytest.param(
            seen(THROTTLED, "ENABLING"),
            switching(THROTTLED, FULL),
            Outcome.BUSY,
            "is being switched: ENABLING",
            id="being switched on",
        ),
        pytest.param(
            seen(OFF, "DISABLING"), switching(OFF, FULL), Outcome.BUSY, "is being switched: DISABLING", id="or off"
        ),
        pytest.param(
            seen(THROTTLED),
            switching(THROTTLED, THROTTLED, "by-day"),
            Outcome.UNCHANGED,
            "Contributor Insights of index by-day of table orders already is at throttled keys",
            id="nothing would change",
        ),
        pytest.param(
            fault("ResourceNotFoundException"), switching(OFF, FULL, "by-day"), Outcome.GONE, "not sent", id="no index"
        ),
        pytest.param(
            fault("AccessDeniedException"), switching(OFF, FULL), Outcome.DENIED, "dynamodb:Describe", id="no look"
        ),
        pytest.param(HTML_500, switching(OFF, FULL), Outcome.CANCELLED, "not sent", id="no answer, and nothing sent"),
    ],
)
def test_a_changed_world_cancels(
    hand: ActingHand, fake: FakeAws, described: Answer, asked: Action, outcome: Outcome, detail: str
) -> None:
    fake.script("DescribeContributorInsights", described)
    verdict = hand.carry_out(asked)
    assert verdict[0] is outcome
    assert detail in verdict[1]
    assert fake.sent("UpdateContributorInsights") == []


@pytest.mark.parametrize(
    ("described", "asked", "outcome", "detail"),
    [
        pytest.param(fault("ResourceNotFoundException"), switching(OFF, FULL), Outcome.GONE, "not sent", id="gone"),
        pytest.param(table(TableStatus="DELETING"), switching(OFF, FULL), Outcome.GONE, "deleting", id="going"),
        pytest.param(
            table(),
            replace(switching(OFF, FULL), table=replace(KEY, account="999999999999")),
            Outcome.CANCELLED,
            f"the credentials now lead to {ACCOUNT}/{REGION}/orders",
            id="another account's table of the same name",
        ),
    ],
)
def test_the_table_is_looked_at_first(
    hand: ActingHand, fake: FakeAws, described: Answer, asked: Action, outcome: Outcome, detail: str
) -> None:
    fake.script("DescribeTable", described)
    verdict = hand.carry_out(asked)
    assert verdict[0] is outcome
    assert detail in verdict[1]
    assert [name for name, _ in fake.calls] == ["DescribeTable"]


def test_an_updating_or_on_demand_table_may_be_sampled(hand: ActingHand, fake: FakeAws) -> None:
    fake.script("DescribeTable", table(TableStatus="UPDATING", BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"}))
    assert hand.carry_out(switching(OFF, THROTTLED))[0] is Outcome.APPLIED


@pytest.mark.parametrize(
    ("after", "action"),
    [
        pytest.param(OFF, "DISABLE", id="is left by disabling"),
        pytest.param(THROTTLED, "ENABLE", id="or by enabling anew, once rules are free"),
    ],
)
def test_failed_stays_until_it_is_switched(hand: ActingHand, fake: FakeAws, after: SamplerMode, action: str) -> None:
    """FAILED, as beyond the quota of rules, never heals itself."""
    fake.script("DescribeContributorInsights", seen(THROTTLED, "FAILED"))
    assert hand.carry_out(switching(OFF, after))[0] is Outcome.APPLIED
    assert fake.sent("UpdateContributorInsights")[0]["ContributorInsightsAction"] == action


ROLE = "iam:CreateServiceLinkedRole for contributorinsights.dynamodb.amazonaws.com"


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        pytest.param(fault("ResourceNotFoundException"), Outcome.GONE, "table orders", id="gone since a moment ago"),
        pytest.param(fault("InternalServerError", status=500), Outcome.UNKNOWN, "no reason", id="done or not?"),
        pytest.param(HTML_500, Outcome.UNKNOWN, "HTTP 500", id="a web page: done or not?"),
        pytest.param({}, Outcome.UNKNOWN, "lacks 'ContributorInsightsStatus'", id="an answer that is none"),
        pytest.param(fault("ThrottlingException", "too fast"), Outcome.THROTTLED, "too fast", id="too fast"),
        pytest.param(fault("LimitExceededException", "100 rules"), Outcome.QUOTA, "100 rules", id="the quota, at once"),
        pytest.param(fault("ValidationException", "what"), Outcome.INVALID, "what", id="a mistake of ours"),
        pytest.param(fault("ExpiredTokenException"), Outcome.DENIED, "valid AWS credentials", id="ended credentials"),
        pytest.param(
            fault("AccessDeniedException", "not authorized to perform: dynamodb:UpdateContributorInsights"),
            Outcome.DENIED,
            "(allow dynamodb:UpdateContributorInsights)",
            id="the permission itself is missing",
        ),
        pytest.param(
            fault("AccessDeniedException", "not authorized to perform: iam:CreateServiceLinkedRole"),
            Outcome.DENIED,
            f"(allow {ROLE})",
            id="the service's role may not be made",
        ),
        pytest.param(
            fault("AccessDeniedException", "Access denied"),
            Outcome.DENIED,
            f"(allow dynamodb:UpdateContributorInsights, and {ROLE} where Contributor Insights was never on in this "
            "account)",
            id="AWS does not say which",
        ),
    ],
)
def test_every_error_has_its_outcome_and_no_second_try(
    hand: ActingHand, fake: FakeAws, answer: dict[str, Any] | Reply, outcome: Outcome, detail: str
) -> None:
    fake.script("UpdateContributorInsights", answer)
    verdict = hand.carry_out(switching(OFF, THROTTLED))
    assert verdict[0] is outcome
    assert detail in verdict[1]
    assert len(fake.sent("UpdateContributorInsights")) == 1


def test_switching_off_needs_no_role(hand: ActingHand, fake: FakeAws) -> None:
    fake.script("DescribeContributorInsights", seen(FULL))
    fake.script("UpdateContributorInsights", fault("AccessDeniedException", "Access denied"))
    assert hand.carry_out(switching(FULL, OFF))[1].endswith("(allow dynamodb:UpdateContributorInsights)")


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        pytest.param(replace(switching(OFF, FULL), mode=Mode.ADVISE), "mode is advise", id="not a table to act on"),
        pytest.param(replace(switching(OFF, FULL), switch=None), "carries a switch", id="no switch"),
        pytest.param(replace(RAISE_READS, switch=Switch("", OFF, FULL)), "carries a switch", id="a switch with units"),
        pytest.param(
            replace(switching(OFF, FULL), changes=(Change(TABLE_READ, 10, 20),)),
            "changes no capacity",
            id="units with a switch",
        ),
    ],
)
def test_what_must_never_be_sent_is_not_even_described(
    hand: ActingHand, fake: FakeAws, asked: Action, detail: str
) -> None:
    verdict = hand.carry_out(asked)
    assert verdict[0] is Outcome.INVALID
    assert detail in verdict[1]
    assert fake.calls == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        pytest.param(
            switching(OFF, THROTTLED),
            "act mode would have switched Contributor Insights of table orders from off to throttled keys",
            id="the table",
        ),
        pytest.param(
            switching(THROTTLED, FULL, "by-day"),
            "act mode would have switched Contributor Insights of index by-day of table orders from throttled keys to "
            "all keys",
            id="an index",
        ),
    ],
)
def test_the_advising_hand_says_what_it_would_switch(asked: Action, sentence: str) -> None:
    assert AdvisingHand().carry_out(asked) == (Outcome.ADVISED, sentence)


def test_switches_have_a_pace_of_their_own(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("DescribeTable", table())
    fake.script("DescribeContributorInsights", seen(OFF))
    fake.script("UpdateContributorInsights", {"ContributorInsightsStatus": "ENABLING"})
    clock = OneToOne()
    hand = hand_of(faked, clock, clock.wait)
    hand.carry_out(RAISE_READS)
    hand.carry_out(switching(OFF, THROTTLED))
    assert clock.waits == []  # a change of capacity is another operation
    hand.carry_out(switching(OFF, THROTTLED))
    hand.carry_out(switching(OFF, THROTTLED))
    assert clock.waits == [1 / INSIGHTS_RATE] * 2
