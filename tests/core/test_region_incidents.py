"""The watcher's own incidents in one Region: when they open, what is news, when they end, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from watcher.core.model import Alert, TableKey
from watcher.core.policy import Links
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.region_incidents import OWN, follow
from watcher.core.region_sight import Denial, Gap, RegionSight
from watcher.core.region_state import RegionRules, RegionState
from watcher.core.telling.names import SUBJECT_LIMIT

T0 = 1_699_963_200.0  # 2023-11-14T12:00:00Z
RULES = RegionRules()
KEY = TableKey("111122223333", "eu-west-1", "")
WELL = RegionSight(KEY, watched=12)
DARK = replace(WELL, error="DescribeTable of table orders: connection refused (check the network and endpoint_url)")
TARGETS = Denial("DescribeScalableTargets", "not authorised (allow application-autoscaling:DescribeScalableTargets)")
METRICS = Denial("GetMetricData", "not authorised (allow cloudwatch:GetMetricData)", darkens=True)
REPORTS = Denial("GetInsightRuleReport", "not authorised (allow cloudwatch:GetInsightRuleReport)")
LOCKED = replace(WELL, error=METRICS.sentence, denied=(METRICS,))
UNWRITTEN = replace(WELL, store_error="recording of watcher.db: the disk is full")
LATE = replace(WELL, gap=Gap(T0 - 400, T0, is_over=True, doing="reading AWS"))


@dataclass
class Life:
    """Passes over one Region, a minute apart unless told otherwise."""

    rules: RegionRules = RULES
    links: Links = field(default_factory=Links)
    now: float = T0
    state: RegionState = field(default_factory=RegionState)

    def see(self, sight: RegionSight, passes: int = 1, every: float = 60.0) -> list[Alert]:
        told: list[Alert] = []
        for _ in range(passes):
            self.state, alerts = follow(self.now, self.rules, self.state, sight, self.links)
            self.state = replace(self.state, finished_at=self.now)
            told += alerts
            self.now += every
        return told


def words(alerts: Sequence[Alert]) -> list[tuple[str, str]]:
    return [(alert.state.value, alert.cause.value) for alert in alerts]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        pytest.param(179, [], id="dark for a second less than blind_after is a bad connection"),
        pytest.param(180, [("open", "blind")], id="dark for blind_after is an incident"),
    ],
)
def test_a_dark_region_is_told_after_a_while(seconds: int, told: list[tuple[str, str]]) -> None:
    life = Life()
    assert life.see(DARK, every=seconds) == []
    assert words(life.see(DARK)) == told


def test_the_blind_incident_says_since_when_and_what_to_do() -> None:
    (alert,) = Life().see(DARK, 4)
    assert alert.incident == f"eu-west-1.blind.{int(T0)}"
    assert (alert.severity, alert.table, alert.opened_at, alert.time) == (Severity.CRITICAL, KEY, T0, T0 + 180)
    assert alert.subject == "eu-west-1: nobody is watching; nothing could be read for 3 min"
    assert alert.sentence == (
        "Nothing of eu-west-1 could be read for 3 min, since 12:00 UTC: DescribeTable of table orders: connection "
        "refused (check the network and endpoint_url)."
    )
    assert ("not watched", "12 tables") in alert.facts
    assert "`watcher doctor`" in alert.todo
    assert dict(alert.links)["AWS health"].startswith("https://health.aws.amazon.com/")


def test_a_pass_that_sees_something_begins_the_wait_anew() -> None:
    life = Life()
    assert life.see(DARK, 3) == []
    assert life.see(WELL) == []
    assert life.see(DARK, 3) == []
    assert words(life.see(DARK)) == [("open", "blind")]


def test_what_was_dark_before_the_watcher_slept_did_not_last_without_a_break() -> None:
    life = Life()
    life.see(DARK)
    life.now += 8 * 3600
    assert life.see(DARK, 3) == []
    (alert,) = life.see(DARK)
    assert alert.opened_at == T0 + 60 + 8 * 3600


def test_an_open_incident_lasts_through_a_restart_however_long() -> None:
    life = Life()
    life.see(DARK, 4)
    life.now += 8 * 3600
    assert life.see(DARK) == []
    assert list(life.state.troubled_since.values()) == [T0]


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        pytest.param(DARK, Cause.BLIND, id="the dark"),
        pytest.param(replace(WELL, denied=(TARGETS,)), Cause.PERMISSION, id="a permission"),
        pytest.param(LOCKED, Cause.PERMISSION, id="a permission without which all is dark"),
        pytest.param(UNWRITTEN, Cause.LEASE_LOST, id="the store"),
    ],
)
def test_each_ends_after_some_calm_and_goes_on_with_the_same_incident_should_it_come_back(
    trouble: RegionSight, cause: Cause
) -> None:
    life = Life()
    (opened,) = life.see(trouble, 4)
    assert opened.cause is cause
    assert life.see(WELL) == []  # a minute of calm
    (resolved,) = life.see(WELL)  # two
    assert (resolved.state, resolved.sequence) == (IncidentState.RESOLVED, 2)
    assert (resolved.incident, resolved.todo) == (opened.incident, "Nothing.")
    (again,) = life.see(trouble, 4)
    assert (again.state, again.incident, again.sequence) == (IncidentState.OPEN, opened.incident, 3)
    assert life.see(WELL, 3) == []  # three minutes of calm: it takes four now
    assert words(life.see(WELL)) == [("resolved", cause.value)]


def test_after_the_flap_window_it_is_another_incident_and_the_old_one_is_forgotten() -> None:
    life = Life()
    (opened,) = life.see(UNWRITTEN)
    life.see(WELL, 2)
    life.see(WELL, 1, every=3600)
    life.see(WELL)
    assert life.state.incidents == {}
    (another,) = life.see(UNWRITTEN)
    assert another.incident != opened.incident
    assert another.sequence == 1


def test_one_missing_permission_is_one_incident_also_where_it_leaves_everything_dark() -> None:
    life = Life()
    (alert,) = life.see(LOCKED, 10)
    assert (alert.cause, alert.severity) == (Cause.PERMISSION, Severity.CRITICAL)
    assert alert.subject == "eu-west-1: nobody is watching, permission lost: GetMetricData"
    assert "`watcher iam-policy` prints the statement" in alert.todo
    assert alert.done == "Nothing of the Region can be read, so nothing is changed."


def test_a_blind_incident_is_not_over_because_aws_now_denies_what_it_did_not_answer() -> None:
    life = Life()
    life.see(DARK, 4)
    told = life.see(LOCKED, 10)
    assert words(told) == [("open", "permission-lost")]
    assert words(life.see(WELL, 2)) == [("resolved", "blind"), ("resolved", "permission-lost")]


def test_in_the_dark_nobody_can_tell_whether_a_permission_is_back() -> None:
    life = Life()
    life.see(LOCKED, 4)
    assert words(life.see(DARK, 10)) == [("open", "blind")]
    assert words(life.see(WELL)) == [("resolved", "permission-lost")]


@pytest.mark.parametrize(
    ("denied", "severity", "losses"),
    [
        pytest.param((TARGETS,), Severity.CRITICAL, "nothing is changed, since another scaler", id="other scalers"),
        pytest.param((REPORTS,), Severity.WARNING, "hot keys are not named", id="keys of Contributor Insights"),
        pytest.param((Denial("ListTables", "no"),), Severity.WARNING, "new tables are not noticed", id="listing"),
        pytest.param((Denial("ListMetrics", "no"),), Severity.WARNING, "latency of operations", id="operations"),
        pytest.param((Denial("UpdateTable", "no", ("a",)),), Severity.CRITICAL, "capacity is not changed", id="acting"),
        pytest.param((Denial("DescribeTable", "no", ("a",)),), Severity.CRITICAL, "not watched", id="a table's sight"),
    ],
)
def test_what_is_lost_with_a_permission_and_how_bad_that_is(
    denied: tuple[Denial, ...], severity: Severity, losses: str
) -> None:
    (alert,) = Life().see(replace(WELL, denied=denied), 4)
    assert alert.severity is severity
    assert losses in alert.sentence
    assert denied[0].operation in alert.subject
    assert (denied[0].operation, denied[0].sentence) in alert.facts


def test_a_permission_denied_for_some_tables_names_them() -> None:
    denial = Denial("DescribeTable", "no", tuple(f"orders-{number:02d}" for number in range(12)))
    (alert,) = Life().see(replace(WELL, denied=(denial,)), 4)
    assert dict(alert.facts)["DescribeTable of"] == ", ".join(denial.tables[:10]) + " and 2 more"


def test_refused_credentials_are_to_be_renewed() -> None:
    denial = Denial("GetMetricData", "the security token is expired", darkens=True, credentials=True)
    (alert,) = Life().see(replace(LOCKED, denied=(denial,)), 4)
    assert alert.todo.startswith("Renew the watcher's AWS credentials, mount them")
    assert alert.todo.endswith("Watch eu-west-1 by hand until then.")
    assert "iam-policy" not in alert.todo
    assert alert.subject == "eu-west-1: nobody is watching: AWS refuses the watcher's credentials"
    assert alert.sentence.startswith("AWS refuses the watcher's credentials in eu-west-1 (GetMetricData): consumption")


def test_credentials_that_only_some_calls_refuse_do_not_say_that_nobody_watches() -> None:
    (alert,) = Life().see(replace(WELL, denied=(replace(REPORTS, credentials=True), Denial("ListTables", "no"))), 4)
    assert alert.subject == "eu-west-1: AWS refuses the watcher's credentials"
    assert "Renew" in alert.todo
    assert "`watcher iam-policy` prints" in alert.todo
    assert "by hand" not in alert.todo


@pytest.mark.parametrize(
    ("denied", "policy"),
    [
        pytest.param(REPORTS, "`watcher iam-policy` prints", id="reading"),
        pytest.param(TARGETS, "`watcher iam-policy` prints", id="reading what another scaler holds"),
        pytest.param(Denial("UpdateTable", "no", ("a",)), "`watcher iam-policy --mode act` prints", id="capacity"),
        pytest.param(Denial("RegisterScalableTarget", "no"), "`watcher iam-policy --mode act` prints", id="a minimum"),
        pytest.param(Denial("UpdateContributorInsights", "no"), "`watcher iam-policy --mode act`", id="sampling"),
    ],
)
def test_the_policy_that_is_named_has_what_is_denied(denied: Denial, policy: str) -> None:
    life = Life(rules=replace(RULES, repeats=(240.0,)))
    (alert,) = life.see(replace(WELL, denied=(denied,)), 4)
    assert policy in alert.todo
    (reminder,) = life.see(WELL)
    assert policy in reminder.todo


@pytest.mark.parametrize(
    ("denied", "acting", "severity", "done"),
    [
        pytest.param(
            (TARGETS,), True, Severity.CRITICAL, "alerts go out, but no capacity is changed.", id="no table is changed"
        ),
        pytest.param(
            (TARGETS,), False, Severity.WARNING, "but no capacity is changed.", id="and none was to be changed"
        ),
        pytest.param(
            (Denial("UpdateTable", "no", ("a", "b")),), True, Severity.CRITICAL, "no capacity of a, b is", id="some"
        ),
        pytest.param(
            (Denial("UpdateTable", "no", ("a",)), TARGETS), True, Severity.CRITICAL, "no capacity is changed", id="all"
        ),
        pytest.param((REPORTS,), True, Severity.WARNING, "Everything else goes on.", id="changes go on"),
    ],
)
def test_what_goes_on_without_a_permission(
    denied: tuple[Denial, ...],
    acting: bool,  # noqa: FBT001 - a column
    severity: Severity,
    done: str,
) -> None:
    (alert,) = Life().see(replace(WELL, denied=denied, acting=acting), 4)
    assert alert.severity is severity
    assert done in alert.done
    assert ("Raise capacity by hand" in alert.todo) == (severity is Severity.CRITICAL)


def test_another_permission_lost_is_news_and_the_same_one_is_not() -> None:
    life = Life()
    life.see(replace(WELL, denied=(REPORTS,)), 4)
    assert life.see(replace(WELL, denied=(REPORTS,)), 5) == []
    (more,) = life.see(replace(WELL, denied=(REPORTS, TARGETS)))
    assert (more.state, more.sequence) == (IncidentState.WORSENED, 2)
    assert "GetInsightRuleReport and DescribeScalableTargets" in more.sentence
    assert life.see(replace(WELL, denied=(TARGETS,)), 5) == []
    (worse,) = life.see(replace(LOCKED, denied=(METRICS, TARGETS)))
    assert (worse.state, worse.severity) == (IncidentState.WORSENED, Severity.CRITICAL)


def test_the_same_permission_is_news_once_everything_is_dark_for_it() -> None:
    life = Life()
    life.see(replace(WELL, denied=(replace(METRICS, darkens=False),)), 4)
    (worse,) = life.see(LOCKED)
    assert (worse.state, worse.severity) == (IncidentState.WORSENED, Severity.CRITICAL)


def test_a_late_pass_says_how_long_nobody_watched_and_why() -> None:
    life = Life(now=T0 + 60)
    (alert,) = life.see(LATE)
    assert (alert.incident, alert.opened_at) == (f"eu-west-1.overdue-cycle.{int(T0 - 400)}", T0 - 400)
    assert alert.severity is Severity.WARNING
    assert alert.sentence == "No pass over eu-west-1 finished for 7 min, from 11:53 UTC on; it was reading AWS."
    assert words(life.see(WELL)) == [("resolved", "overdue-cycle")]


def test_a_pass_that_hangs_is_critical_and_its_end_does_not_open_it_again() -> None:
    life = Life(now=T0)
    hanging = replace(WELL, gap=Gap(T0 - 200, T0, is_over=False, doing="changing capacity"))
    (alert,) = life.see(hanging)
    assert alert.severity is Severity.CRITICAL
    assert "has finished for 3 min, since the last one finished at 11:56 UTC; it is changing capacity" in alert.sentence
    assert "restart the watcher" in alert.todo
    over = replace(WELL, gap=Gap(T0 - 200, T0 + 60, is_over=True))
    assert life.see(over) == []
    assert words(life.see(WELL, 2)) == [("resolved", "overdue-cycle")]


@pytest.mark.parametrize(
    ("acting", "severity"),
    [
        pytest.param(True, Severity.CRITICAL, id="tables are acted on: nothing is changed any more"),
        pytest.param(False, Severity.WARNING, id="tables are only advised on"),
    ],
)
def test_a_lost_store_is_told_at_once(acting: bool, severity: Severity) -> None:  # noqa: FBT001 - a column
    (alert,) = Life().see(replace(UNWRITTEN, acting=acting))
    assert (alert.cause, alert.severity) == (Cause.LEASE_LOST, severity)
    assert "observes and changes nothing: recording of watcher.db: the disk is full." in alert.sentence


def test_only_the_causes_asked_for_are_looked_at() -> None:
    life = Life()
    life.see(DARK)
    before = life.state
    state, alerts = follow(life.now, RULES, before, replace(UNWRITTEN, error=""), Links(), only=(Cause.LEASE_LOST,))
    assert words(alerts) == [("open", "lease-lost")]
    assert state.troubled_since[Cause.BLIND] == before.troubled_since[Cause.BLIND]


def test_what_stays_open_is_told_again_at_its_intervals() -> None:
    life = Life(rules=replace(RULES, repeats=(600.0, 1800.0)))
    told = life.see(DARK, 34)  # up to T0 + 33 min
    assert [(int(alert.time - T0) // 60, alert.repeats) for alert in told] == [
        (3, ()),
        (10, (600.0,)),
        (20, (600.0,)),
        (30, (600.0, 1800.0)),
    ]
    assert [alert.sequence for alert in told] == [1, 2, 3, 4]
    assert {alert.state for alert in told} == {IncidentState.OPEN}
    assert [alert.subject.split(": ")[1] for alert in told] == [
        "nobody is watching; nothing could be read for 3 min",
        "still open after 10 min",
        "still open after 20 min",
        "still open after 30 min",
    ]
    assert told[1].sentence.startswith("Still open after 10 min: nothing of eu-west-1 could be read")


def test_what_comes_back_says_that_it_does() -> None:
    life = Life()
    life.see(DARK, 4)
    life.see(WELL, 2)
    (again,) = life.see(DARK, 4)
    assert again.subject == "eu-west-1: again (2nd time): nobody is watching; nothing could be read for 3 min"
    assert again.sentence.startswith("Again (2nd time): nothing of eu-west-1")


def test_a_reminder_while_the_calm_lasts_says_that_it_is_calm() -> None:
    life = Life(rules=replace(RULES, repeats=(240.0,)))
    life.see(DARK, 4)
    (reminder,) = life.see(WELL)
    assert reminder.is_reminder
    assert "can be just now" in reminder.sentence


def test_the_account_is_remembered_for_when_nothing_tells_it() -> None:
    life = Life()
    life.see(WELL)
    assert life.state.account == "111122223333"
    life.see(replace(DARK, key=replace(KEY, account="")), 4)
    assert life.state.account == "111122223333"


def test_a_thread_keeps_the_account_it_was_opened_with_though_that_was_not_known() -> None:
    unknown = replace(DARK, key=replace(KEY, account=""))
    life = Life()
    told = [*life.see(unknown, 4), *life.see(WELL, 2), *life.see(DARK, 4), *life.see(WELL, 4)]
    assert [(alert.state.value, alert.table.account) for alert in told] == [
        ("open", ""),
        ("resolved", ""),
        ("open", ""),
        ("resolved", ""),
    ]
    life.see(WELL, 1, every=3601)
    life.see(WELL, 2)
    (another,) = life.see(UNWRITTEN)
    assert another.table.account == KEY.account


@pytest.mark.parametrize("cause", OWN, ids=str)
def test_every_message_is_whole_and_fits_a_subject(cause: Cause) -> None:
    links = Links("https://watcher.example.org", "https://wiki.example.org/{cause}/{region}")
    long = "x" * 5000
    key = replace(KEY, region="ap-southeast-7")
    denied = tuple(Denial(f"DescribeSomethingRatherLong{number}", long) for number in range(9))
    sight = {
        Cause.BLIND: replace(DARK, key=key, error=long),
        Cause.PERMISSION: replace(WELL, key=key, denied=denied),
        Cause.OVERDUE: replace(LATE, key=key),
        Cause.LEASE_LOST: replace(UNWRITTEN, key=key, store_error=long),
    }[cause]
    life = Life(rules=replace(RULES, repeats=(300.0,)), links=links)
    told = [*life.see(sight, 7), *life.see(replace(WELL, key=key), 9)]
    assert {alert.state for alert in told} >= {IncidentState.OPEN, IncidentState.RESOLVED}
    for alert in told:
        assert len(alert.subject) <= SUBJECT_LIMIT
        assert alert.subject.startswith("ap-southeast-7: ")
        assert alert.todo
        assert len(alert.sentence) < 1000
        assert all(alert.attributes().values())
        assert dict(alert.links)["runbook"] == f"https://wiki.example.org/{cause.value}/ap-southeast-7"
        assert "page" in dict(alert.links)


# ---- a clock that was wrong


@pytest.mark.parametrize("ahead", [86_400.0, -86_400.0], ids=["a day ahead", "a day behind"])
@pytest.mark.parametrize("passes", [2, 8], ids=["not yet told by then", "told by then"])
def test_a_clock_that_was_wrong_holds_up_neither_beginning_nor_end(ahead: float, passes: int) -> None:
    life = Life()
    life.see(WELL)
    life.now += ahead
    told = life.see(DARK, passes)
    life.now -= ahead
    told += life.see(DARK, 6)
    assert words(told) == [("open", "blind")]
    assert words(life.see(WELL, 4)) == [("resolved", "blind")]
    life.see(WELL, 61)
    assert life.state.incidents == {}


def test_what_was_resolved_by_a_clock_ahead_is_forgotten_in_time() -> None:
    life = Life()
    life.now += 86_400.0
    assert words([*life.see(DARK, 4), *life.see(WELL, 3)]) == [("open", "blind"), ("resolved", "blind")]
    life.now -= 86_400.0
    life.see(WELL, 70)
    assert life.state.incidents == {}
