"""What a report says of keys: who, how hot by the minute, in which form, and what is said of what cannot be read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aws.conftest import NOON, REGION
from tests.aws.fake import HTML_500, Answer, FakeAws, Params, Reply, fault
from tests.aws.test_samplers import OneToOne
from watcher.aws.client import AwsClients
from watcher.aws.cloak import KeyCloak
from watcher.aws.contributors import CONTRIBUTORS, LONGEST_WINDOW, RULES_RATE, kind_of
from watcher.aws.insights import ContributorInsights
from watcher.aws.samplers import Samplers
from watcher.core.insights import KeyForm, KeySample, KeyShape, Place, Sampler, SamplerMode, SamplerStatus

MINUTE = int(NOON) - 600
SECRET = b"s" * 32
RULES = {code: f"DynamoDBContributorInsights-{code}-orders-1795348800000" for code in ("PKC", "SKC", "PKT", "SKT")}
FULL = Sampler(SamplerStatus.ENABLED, SamplerMode.FULL, tuple(RULES.values()), updated=NOON - 3600)
ORDERS = Place("orders")


class Read:
    """The adapter, with what it told of bills and waits, and the form that keys have at the moment."""

    def __init__(self, clients: AwsClients) -> None:
        self.clock = OneToOne()
        self.requested: list[int] = []
        self.tables: list[str] = []
        self.form = KeyForm.PLAIN
        cloudwatch = clients.cloudwatch(REGION)
        self.insights = ContributorInsights(
            Samplers(clients.dynamodb(REGION), cloudwatch, clock=self.clock, wait=self.clock.wait),
            cloudwatch,
            cloaks=self.cloak,
            requested=self.requested.append,
            clock=self.clock,
            wait=self.clock.wait,
        )

    def cloak(self, table: str) -> KeyCloak:
        self.tables.append(table)
        return KeyCloak(self.form, SECRET)

    def sample(self, *codes: str, sampler: Sampler = FULL, start: float = NOON - 600, end: float = NOON) -> KeySample:
        """Of the rules with these codes, or of all."""
        rules = [RULES[code] for code in codes or RULES]
        return self.insights.sample(ORDERS, sampler, rules, start, end)


@pytest.fixture
def read(faked: AwsClients) -> Read:
    return Read(faked)


def contributor(*keys: str, **points: Any) -> dict[str, Any]:  # noqa: ANN401 - raw values, broken ones, too
    """points: by minute after the window's start, like ``m0=1``."""
    return {
        "Keys": list(keys),
        "ApproximateAggregateValue": 1,
        "Datapoints": [
            {"Timestamp": MINUTE + 60 * int(name[1:]), "ApproximateValue": value} for name, value in points.items()
        ],
    }


def report(*contributors: dict[str, Any]) -> dict[str, Any]:
    return {"KeyLabels": ["PartitionKey"], "AggregationStatistic": "Maximum", "Contributors": list(contributors)}


def by_kind(**answers: dict[str, Any] | Reply) -> Callable[[Params], dict[str, Any] | Reply]:
    """Answers by the rule's code; an empty report for the rest."""
    return lambda params: answers.get(kind_of(params["RuleName"]), report())


# What is asked --------------------------------------------------------------------------------------------------------


def test_a_report_asks_for_maxima_by_the_minute(read: Read, fake: FakeAws) -> None:
    fake.script("GetInsightRuleReport", report())
    read.sample("PKT", start=NOON - 570)
    assert fake.sent("GetInsightRuleReport") == [
        {
            "RuleName": RULES["PKT"],
            "StartTime": NOON - 600,
            "EndTime": NOON,
            "Period": 60,
            "MaxContributorCount": 25,
            "Metrics": ["MaxContributorValue", "Maximum"],
            "OrderBy": "Maximum",
        }
    ]
    assert CONTRIBUTORS == 25  # AWS refuses more of DynamoDB's rules


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        pytest.param(NOON - LONGEST_WINDOW, NOON, (NOON - LONGEST_WINDOW, NOON), id="24 hours are allowed"),
        pytest.param(NOON - LONGEST_WINDOW - 1, NOON, (NOON - LONGEST_WINDOW, NOON), id="more is cut to the newest 24"),
        pytest.param(
            NOON - 30 - LONGEST_WINDOW, NOON - 30, (NOON - LONGEST_WINDOW, NOON - 30), id="and from a whole minute on"
        ),
    ],
)
def test_the_window_is_at_most_a_day(
    read: Read, fake: FakeAws, start: float, end: float, asked: tuple[float, float]
) -> None:
    fake.script("GetInsightRuleReport", report())
    seen = read.sample("PKT", start=start, end=end)
    (sent,) = fake.sent("GetInsightRuleReport")
    assert (sent["StartTime"], sent["EndTime"]) == asked == (seen.start, seen.end)


@pytest.mark.parametrize(
    ("rules", "codes"),
    [
        pytest.param(list(RULES.values()), ["PKT", "PKC", "SKT", "SKC"], id="all of them, throttled keys first"),
        pytest.param([RULES["SKT"]], ["SKT"], id="only where there is something"),
        pytest.param([], [], id="nothing anywhere"),
        pytest.param(
            [RULES["PKT"].replace("orders", "carts")], [], id="the rule of another place is not this sampler's"
        ),
    ],
)
def test_only_the_named_rules_are_asked_and_each_is_billed(
    read: Read, fake: FakeAws, rules: list[str], codes: list[str]
) -> None:
    fake.script("GetInsightRuleReport", report())
    seen = read.insights.sample(ORDERS, FULL, rules, NOON - 600, NOON)
    assert [kind_of(sent["RuleName"]) for sent in fake.sent("GetInsightRuleReport")] == codes
    assert read.requested == [1] * len(codes)
    assert (seen.mode, seen.complete, seen.note, seen.since) == (SamplerMode.FULL, True, "", NOON - 3600)


def test_a_rule_of_no_known_kind_is_not_asked(read: Read, fake: FakeAws) -> None:
    odd = "DynamoDBContributorInsights-XKT-orders-1"
    sampler = Sampler(SamplerStatus.ENABLED, SamplerMode.FULL, (odd, "SomebodysOwnRule"))
    assert read.insights.sample(ORDERS, sampler, [odd, "SomebodysOwnRule"], NOON - 600, NOON).complete
    assert fake.calls == []


def test_an_empty_window_asks_nothing(read: Read, fake: FakeAws) -> None:
    assert read.sample(start=NOON, end=NOON).throttled == ()
    assert fake.calls == []


def test_reports_stay_below_twenty_a_second(read: Read, fake: FakeAws) -> None:
    fake.script("GetInsightRuleReport", report())
    began = read.clock.monotonic()
    for _ in range(10):
        read.sample()
    assert len(fake.calls) == 40
    assert read.clock.waits == [round(1 / RULES_RATE, 6)] * 39
    assert 39 / (read.clock.monotonic() - began) < 20


# What an answer means -------------------------------------------------------------------------------------------------


def test_keys_and_items_busiest_minute_first(read: Read, fake: FakeAws) -> None:
    fake.script(
        "GetInsightRuleReport",
        by_kind(
            PKT=report(contributor("b", m0=1, m1=7), contributor("a", m1=30)),
            PKC=report(contributor("a", m0=90_000, m1=180_000)),
            SKT=report(contributor("a", "x", m1=30)),
            SKC=report(contributor("a", "y", m0=5)),
        ),
    )
    seen = read.sample()
    assert [trace.label for trace in seen.throttled] == ["a", "b"]
    assert seen.throttled[1].points == {MINUTE: 1.0, MINUTE + 60: 7.0}
    assert [(trace.label, trace.busiest) for trace in seen.accessed] == [("a", 180_000.0)]
    assert [trace.label for trace in seen.throttled_items] == ["a | x"]
    assert [trace.label for trace in seen.accessed_items] == ["a | y"]


def test_traces_of_one_key_are_known_as_one(read: Read, fake: FakeAws) -> None:
    fake.script(
        "GetInsightRuleReport",
        by_kind(
            PKT=report(contributor("a", m0=3), contributor("b", m0=2)),
            PKC=report(contributor("a", m0=9)),
            SKT=report(contributor("a", "x", m0=3), contributor("a", "y", m0=2)),
        ),
    )
    read.form = KeyForm.REDACT  # told apart even so
    seen = read.sample()
    a, b = seen.throttled
    x, y = seen.throttled_items
    assert {trace.label for trace in (a, b, x, y)} == {"(redacted)"}
    assert a.identity == a.partition == seen.accessed[0].identity == x.partition == y.partition
    assert len({trace.identity for trace in (a, b, x, y)}) == 4
    assert a.identity == read.sample().throttled[0].identity  # as stable as the secret


@pytest.mark.parametrize(
    ("found", "points"),
    [
        pytest.param(contributor("a"), None, id="without points there is no minute to judge by"),
        pytest.param(contributor("a", m0=0), {MINUTE: 0.0}, id="nothing in a minute is something to know"),
        pytest.param(contributor("a", m0=-1, m1=2), {MINUTE + 60: 2.0}, id="a negative value cannot be"),
        pytest.param(contributor("a", m0=float("nan"), m1=2), {MINUTE + 60: 2.0}, id="nor one that is no number"),
        pytest.param(contributor("a", m0=float("inf"), m1=2), {MINUTE + 60: 2.0}, id="nor one without end"),
        pytest.param(contributor("a", m0="many", m1=2), {MINUTE + 60: 2.0}, id="nor a word"),
        pytest.param(contributor("a", m0=-1), None, id="with no true point the contributor is none"),
        pytest.param(contributor(m0=1), None, id="nor is one without keys"),
        pytest.param(
            contributor("a", m0=1) | {"Datapoints": [{"Timestamp": MINUTE, "ApproximateValue": v} for v in (1, 5, 3)]},
            {MINUTE: 3.0},
            id="of points for the same minute the last one counts",
        ),
        pytest.param(
            contributor("a") | {"Datapoints": [{"Timestamp": MINUTE + 59, "ApproximateValue": 4}]},
            {MINUTE: 4.0},
            id="a point within a minute is the minute's",
        ),
        pytest.param(contributor("a", m9=1, m10=2), {MINUTE + 540: 1.0}, id="what begins at the end is beyond it"),
    ],
)
def test_points(read: Read, fake: FakeAws, found: dict[str, Any], points: dict[int, float] | None) -> None:
    fake.script("GetInsightRuleReport", report(found))
    assert [trace.points for trace in read.sample("PKT").throttled] == ([] if points is None else [points])


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        pytest.param(["customer"], KeyShape.PLAIN, id="a word"),
        pytest.param(["2026-11-22T12:00:00Z"], KeyShape.TIME, id="a partition key that is a time"),
        pytest.param(["customer", "2026-11-22T12:00:00Z"], KeyShape.TIME, id="in a pair the sort key's"),
        pytest.param(["2026-11-22T12:00:00Z", "customer"], KeyShape.PLAIN, id="and not the partition key's"),
    ],
)
def test_the_shape_of_a_key(read: Read, fake: FakeAws, keys: list[str], shape: KeyShape) -> None:
    fake.script("GetInsightRuleReport", report(contributor(*keys, m0=1)))
    (trace,) = read.sample("SKT").throttled_items
    assert trace.shape is shape


def test_a_reloaded_config_counts_at_once(read: Read, fake: FakeAws) -> None:
    fake.script("GetInsightRuleReport", report(contributor("customer#7", m0=1)))
    assert read.sample("PKT").throttled[0].label == "customer#7"
    read.form = KeyForm.REDACT
    assert read.sample("PKT").throttled[0].label == "(redacted)"
    assert read.tables == ["orders", "orders"]


# What could not be read -----------------------------------------------------------------------------------------------

HIT = report(contributor("a", m0=3))


@pytest.mark.parametrize(
    ("answers", "throttled", "accessed", "note"),
    [
        pytest.param({"PKT": HIT, "PKC": HIT}, 1, 1, "", id="all is well"),
        pytest.param(
            {"PKT": HIT, "PKC": fault("AccessDenied", "no")},
            1,
            0,
            "accessed keys could not be read: GetInsightRuleReport of table orders: no "
            "(allow cloudwatch:GetInsightRuleReport)",
            id="one report denied hides no other",
        ),
        pytest.param(
            {"PKT": fault("AccessDenied", "no"), "PKC": fault("AccessDenied", "no")},
            0,
            0,
            "throttled keys and accessed keys could not be read: GetInsightRuleReport of table orders: no "
            "(allow cloudwatch:GetInsightRuleReport)",
            id="all denied is said once",
        ),
        pytest.param(
            {"PKT": HIT, "PKC": fault("ResourceNotFoundException", "no such rule", 404)},
            1,
            0,
            "accessed keys were switched off meanwhile",
            id="a rule that vanished between describe and report",
        ),
        pytest.param(
            {code: fault("ResourceNotFoundException", "no such rule", 404) for code in ("PKT", "PKC")},
            0,
            0,
            "throttled keys and accessed keys were switched off meanwhile",
            id="the table was deleted",
        ),
        pytest.param(
            {"PKT": fault("InvalidParameterValue", "what"), "PKC": fault("ResourceNotFoundException")},
            0,
            0,
            "throttled keys could not be read: GetInsightRuleReport of table orders: what; "
            "accessed keys were switched off meanwhile",
            id="two reasons",
        ),
        pytest.param(
            {"PKT": HIT, "PKC": {}},
            1,
            0,
            "accessed keys could not be read: GetInsightRuleReport of table orders: the answer lacks 'Contributors' "
            "(check endpoint_url)",
            id="an answer that is none is not an empty report",
        ),
        pytest.param(
            {"PKT": HIT, "PKC": report({"Keys": ["a"]})},
            1,
            0,
            "accessed keys could not be read: GetInsightRuleReport of table orders: the answer lacks 'Datapoints' "
            "(check endpoint_url)",
            id="a contributor without its fields",
        ),
    ],
)
def test_what_could_not_be_read_is_said(
    read: Read, fake: FakeAws, answers: dict[str, Any], throttled: int, accessed: int, note: str
) -> None:
    fake.script("GetInsightRuleReport", by_kind(**answers))
    seen = read.sample("PKT", "PKC")
    assert (len(seen.throttled), len(seen.accessed)) == (throttled, accessed)
    assert (seen.note, seen.complete, seen.mode) == (note, not note, SamplerMode.FULL)
    assert list(seen.denied) == (["GetInsightRuleReport"] if "allow" in note else [])


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        pytest.param(HTML_500, "HTTP 500", id="a server without reports"),
        pytest.param(fault("ThrottlingException", "Rate exceeded"), "Rate exceeded", id="throttled"),
        pytest.param(Reply(0, ""), "check the network", id="a connection that breaks"),
    ],
)
def test_aws_that_does_not_answer_is_not_asked_for_the_rest(
    read: Read, fake: FakeAws, answer: Answer, cause: str
) -> None:
    fake.script("GetInsightRuleReport", HIT, answer)
    seen = read.sample()
    assert len(fake.calls) == 2
    assert (len(seen.throttled), seen.accessed, seen.complete) == (1, (), False)
    assert seen.note.startswith("accessed keys and throttled items and accessed items could not be read: ")
    assert cause in seen.note


@pytest.mark.parametrize(
    "body",
    [
        {"Contributors": [{"Keys": 5}]},
        {"Contributors": "customer#7"},
        {"Contributors": ["customer#7"]},
        {"Contributors": [{"Keys": ["customer#7"], "Datapoints": "customer#7"}]},
        {"Contributors": [{"Keys": ["customer#7"], "Datapoints": [5]}]},
        ["customer#7"],
        "customer#7",
        5,
    ],
    ids=repr,
)
def test_a_report_of_another_shape_is_one_that_could_not_be_read(read: Read, fake: FakeAws, body: object) -> None:
    fake.script("GetInsightRuleReport", Reply(200, json.dumps(body)))
    seen = read.sample("PKT")
    assert (seen.throttled, seen.complete) == ((), False)
    assert seen.note.startswith("throttled keys could not be read: ")
    assert "customer" not in seen.note


@pytest.mark.parametrize(
    ("sampler", "note"),
    [
        pytest.param(Sampler(), "Contributor Insights is off: switch it on", id="off"),
        pytest.param(
            Sampler(SamplerStatus.ENABLING, SamplerMode.FULL), "Contributor Insights is being switched on", id="not yet"
        ),
        pytest.param(Sampler(SamplerStatus.DISABLING), "Contributor Insights is being switched off", id="not any more"),
        pytest.param(
            Sampler(SamplerStatus.FAILED, failure="LimitExceededException: 100 rules"),
            "Contributor Insights failed: LimitExceededException: 100 rules",
            id="failed beyond the quota",
        ),
        pytest.param(
            Sampler(SamplerStatus.FAILED), "Contributor Insights failed: AWS gives no reason", id="failed silently"
        ),
    ],
)
def test_what_is_not_sampled_says_why(read: Read, fake: FakeAws, sampler: Sampler, note: str) -> None:
    seen = read.sample(sampler=sampler)
    assert (seen.mode, seen.throttled) == (SamplerMode.OFF, ())
    assert seen.note.startswith(note)
    assert fake.calls == []


def test_on_without_rules_is_no_answer(read: Read) -> None:
    seen = read.sample(sampler=Sampler(SamplerStatus.ENABLED, SamplerMode.THROTTLED))
    assert (seen.mode, seen.complete) == (SamplerMode.THROTTLED, False)
    assert "no rules yet" in seen.note


# Privacy --------------------------------------------------------------------------------------------------------------

PLANTED = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: f"pLaNtEd{text}")
BROKEN = [
    report(),
    {"Contributors": [{"Keys": ["KEY"], "Datapoints": [{"Timestamp": "KEY", "ApproximateValue": "KEY"}]}]},
    {"Contributors": [{"Keys": ["KEY"], "Datapoints": [{"Timestamp": MINUTE, "ApproximateValue": "KEY"}]}]},
    {"Contributors": [{"Keys": ["KEY"]}]},
    {"Contributors": [{"Keys": [["KEY"]], "Datapoints": [{"Timestamp": MINUTE, "ApproximateValue": 1}]}]},
    report({"Keys": ["KEY", "KEY"], "Datapoints": [{"Timestamp": MINUTE, "ApproximateValue": 1}]}),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(PLANTED, st.sampled_from(BROKEN), st.sampled_from([KeyForm.HASH, KeyForm.REDACT]))
def test_no_answer_however_broken_lets_a_key_out(
    read: Read, fake: FakeAws, caplog: pytest.LogCaptureFixture, planted: str, answer: dict[str, Any], form: KeyForm
) -> None:
    body = json.dumps(answer).replace('"KEY"', json.dumps(planted))
    fake.script("GetInsightRuleReport", Reply(200, body))
    read.form = form
    caplog.clear()
    with caplog.at_level(logging.INFO):
        seen = read.sample()  # and nothing is raised
    assert "pLaNtEd" not in repr(seen) + caplog.text
    assert "pLaNtEd" not in "".join(trace.identity + trace.partition for trace in seen.throttled)
