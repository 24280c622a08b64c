"""What the credentials may do, asked of the real endpoint: for each permission its most harmless call.

Nothing is changed and nothing is sent. What could only be tried by changing or sending something is reported as not
tried. A "not found" proves a permission as well as an answer does: AWS checks it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from watcher.aws.autoscaling import AutoScaling
from watcher.aws.client import AwsClients, aws_call
from watcher.aws.cloudwatch import CloudWatchMetrics
from watcher.aws.discovery import DynamoTables
from watcher.aws.permissions import (
    ASSUME_ROLE,
    CREATE_INSIGHTS_ROLE,
    DESCRIBE_INSIGHTS,
    DESCRIBE_RULES,
    DESCRIBE_TABLE,
    DESCRIBE_TARGETS,
    GET_INSIGHT_REPORT,
    GET_METRIC_DATA,
    LIST_INSIGHTS,
    LIST_METRICS,
    LIST_TABLES,
    PUBLISH,
    REGISTER_TARGET,
    UPDATE_INSIGHTS,
    UPDATE_TABLE,
    Permission,
    needed,
)
from watcher.aws.prospects import hindrances, name_like
from watcher.aws.samplers import Samplers
from watcher.clock import Clock, utc
from watcher.core.insights import Place, Sampling
from watcher.core.model import TABLE_READ, Metric, Query, TableDescription
from watcher.core.policy import AutoScaling as ScalingRule
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode
from watcher.core.series import MINUTE
from watcher.core.words import count, duration
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

DESCRIBED = 100  # tables of a Region looked at, at most
SHOWN = 10  # of the like, before the rest is only counted
WINDOW = 10 * MINUTE
CLOCK_TOLERANCE = 30.0  # seconds; AWS's Date has whole seconds, and its signatures allow five minutes

# Of the shape that a policy for Contributor Insights allows, and of no rule that there is.
ABSENT_RULE = "DynamoDBContributorInsights-PKT-watcher-doctor-0"


class Verdict(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"
    UNREACHABLE = "unreachable"  # no answer, or none that AWS would give
    NOT_TRIED = "not-tried"
    WARNING = "warning"  # no permission, but worth a look
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """subject: a Region, a topic, a table ...; action: the IAM action, or "" for what is no permission."""

    subject: str
    action: str
    verdict: Verdict
    sentence: str

    @property
    def is_missing(self) -> bool:
        """Whether the watcher lacks something that it needs."""
        return self.verdict in {Verdict.DENIED, Verdict.UNREACHABLE}

    def record(self) -> dict[str, str]:
        """For JSON: {subject, permission, verdict, sentence}."""
        return {
            "subject": self.subject,
            "permission": self.action,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The config, as far as the doctor looks. patterns: of the ``[[tables]]`` entries. policy: the one of a table's
    name, None where it is not watched. overlaps: warnings on names that several entries match. samples: whether hot
    keys of a table in act mode are sampled. rules_quota: of Contributor Insights rules."""

    regions: Sequence[str]
    patterns: Sequence[str]
    policy: Callable[[str], TablePolicy | None]
    overlaps: Callable[[Iterable[str]], Sequence[str]]
    acts: bool
    floors: bool
    samples: bool
    rules_quota: int = 100
    latency: bool = True
    topics: Sequence[str] = ()
    role_arn: str = ""

    @property
    def permissions(self) -> tuple[Permission, ...]:
        mode = Mode.ACT if self.acts else Mode.ADVISE
        return needed(
            mode,
            auto_scaling_floor=self.floors,
            topics=bool(self.topics),
            role=bool(self.role_arn),
            sampling=self.samples,
        )


def examine(clients: AwsClients, plan: Plan, clock: Clock) -> list[Finding]:
    """Every finding: credentials first, then Region by Region, then what concerns all of them. Never raises AwsError
    for what a call answers."""
    found = _identity(clients, plan)
    if any(finding.is_missing for finding in found):
        return [*found, *_nothing_asked(plan)]
    looks = [_RegionalLook(clients, region, plan, clock) for region in plan.regions]
    with ThreadPoolExecutor(max_workers=min(8, len(looks))) as pool:
        list(pool.map(_RegionalLook.take, looks))
    found += [finding for look in looks for finding in look.findings]
    aheads = [look.ahead for look in looks if look.ahead is not None]
    return [*found, *_topics(plan), *_rules(plan, looks), *clock_findings(aheads)]


def _identity(clients: AwsClients, plan: Plan) -> list[Finding]:
    """The caller's credentials, and the role where one is configured."""
    try:
        method = clients.credentials_method()
    except AwsError as error:
        return [Finding("credentials", "", Verdict.DENIED, _sentence(error.cause, error.hint))]
    if not method:
        remedy = "provide a profile, an instance or task role, or AWS_ACCESS_KEY_ID"
        return [Finding("credentials", "", Verdict.DENIED, _sentence("none were found", remedy))]
    found = [Finding("credentials", "", Verdict.NOTE, f"found by botocore's method {method}")]
    if plan.role_arn:
        subject = f"role {plan.role_arn}"
        found.append(_asked(ASSUME_ROLE, subject, clients.assume_role, lambda _: "it can be assumed")[0])
    return found


def _nothing_asked(plan: Plan) -> list[Finding]:
    reason = "nothing can be asked before the credentials are in order"
    return [
        Finding(subject, permission.action, Verdict.NOT_TRIED, reason)
        for subject in plan.regions
        for permission in plan.permissions
        if permission not in {ASSUME_ROLE, PUBLISH}
    ] + _topics(plan)


def _asked(
    permission: Permission, subject: str, call: Callable[[], T], said: Callable[[T], str]
) -> tuple[Finding, T | None]:
    """The finding on one call, and the call's answer. said: the sentence for an answer."""
    try:
        answer = call()
    except AwsNotFound:
        proof = "allowed to ask; what was asked for does not exist"
        return Finding(subject, permission.action, Verdict.ALLOWED, proof), None
    except AwsError as error:
        return _refused(permission, subject, error), None
    return Finding(subject, permission.action, Verdict.ALLOWED, said(answer)), answer


def _refused(permission: Permission, subject: str, error: AwsError) -> Finding:
    if isinstance(error, AwsDenied):
        # What is refused to the credentials themselves says nothing of this one permission.
        remedy = error.hint if error.retryable else f"{error.hint}, to {permission.why}"
        return Finding(subject, permission.action, Verdict.DENIED, _sentence(error.cause, remedy))
    remedy = error.hint or "try again; where it stays so, check endpoint_url and the Region"
    cause = error.cause if isinstance(error, AwsUnavailable) else f"{error.code}: {error.cause}"
    return Finding(subject, permission.action, Verdict.UNREACHABLE, _sentence(cause, remedy))


def _sentence(cause: str, remedy: str) -> str:
    return f"{cause} ({remedy})"


@dataclass
class _RegionalLook:
    """Everything asked of one Region. ``names``: its tables, None while they are not known."""

    clients: AwsClients
    region: str
    plan: Plan
    clock: Clock
    findings: list[Finding] = field(default_factory=list)
    names: list[str] | None = None
    ahead: float | None = None  # seconds by which this machine's clock is ahead of AWS's

    def __post_init__(self) -> None:
        # Clients are made here, one Region after the other: making them is not thread-safe.
        self._dynamodb: DynamoDBClient = self.clients.dynamodb(self.region)
        self._cloudwatch: CloudWatchClient = self.clients.cloudwatch(self.region)
        scaling = self.clients.application_autoscaling(self.region)
        self._scaling = AutoScaling(scaling, scaling)  # only ever asked for its targets
        self._dynamodb.meta.events.register("after-call", self._compare_clocks)

    def take(self) -> None:
        self._note(Verdict.NOTE, f"DynamoDB is asked at {self._dynamodb.meta.endpoint_url}")
        self.names = self._ask(LIST_TABLES, self._tables.names, lambda names: count(len(names), "table"))
        watched = [name for name in self.names or () if self.plan.policy(name) is not None]
        subjects = (watched or [name_like(pattern) for pattern in self.plan.patterns])[:DESCRIBED]
        described = self._describe(subjects)
        self._ask_about(subjects[0] if subjects else name_like("*"))
        targets = self._ask(
            DESCRIBE_TARGETS,
            lambda: self._scaling.targets(subjects or [name_like("*")]),
            lambda found: f"{count(len(found), 'watched table')} with Application Auto Scaling",
        )
        self._leave_untried(watched)
        self._count(watched, described)
        for description in described:
            policy = self.plan.policy(description.key.name)
            if policy is not None and policy.mode is Mode.ACT:
                for sentence in hindrances(description, policy, (targets or {}).get(description.key.name, {})):
                    self.findings.append(Finding(f"table {description.key.name}", "", Verdict.WARNING, sentence))

    @property
    def _tables(self) -> DynamoTables:
        return DynamoTables(self._dynamodb, self.clock.now)

    def _ask(self, permission: Permission, call: Callable[[], T], said: Callable[[T], str]) -> T | None:
        asked = _asked(permission, self.region, call, said)
        self.findings.append(asked[0])
        return asked[1]

    def _note(self, verdict: Verdict, sentence: str) -> None:
        self.findings.append(Finding(self.region, "", verdict, sentence))

    def _describe(self, names: Sequence[str]) -> list[TableDescription]:
        """One finding on all of them, the worst answer deciding it: a policy may name some of the tables only."""
        if not names:
            self._not_tried(DESCRIBE_TABLE, "no [[tables]] entry, so there is no table to ask about")
            return []
        described: list[TableDescription] = []
        failures: dict[str, AwsError] = {}
        for name in names:
            try:
                described.append(self._tables.describe(name))
            except AwsNotFound:
                continue
            except AwsUnavailable as error:
                failures[name] = error
                break  # the next hundred would each wait as long
            except AwsError as error:
                failures[name] = error
        if failures:
            name, failure = next(iter(failures.items()))
            finding = _refused(DESCRIBE_TABLE, self.region, failure)
            others = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
            self.findings.append(
                Finding(self.region, finding.action, finding.verdict, f"table {name}{others}: {finding.sentence}")
            )
        else:
            said = f"{count(len(described), 'table')} described" if described else "allowed to ask; no table matches"
            self.findings.append(Finding(self.region, DESCRIBE_TABLE.action, Verdict.ALLOWED, said))
        return described

    def _ask_about(self, table: str) -> None:
        """CloudWatch and Contributor Insights. One metric is asked for: it is billed like any other."""
        end = self.clock.now() // MINUTE * MINUTE
        metrics = CloudWatchMetrics(self._cloudwatch, requested=lambda _: None, trouble=lambda _: None)
        query = Query(table, Metric.CONSUMED, TABLE_READ)
        self._ask(
            GET_METRIC_DATA,
            lambda: metrics.read([query], end - WINDOW, end)[query],
            lambda answer: f"{count(len(answer.points), 'minute')} of table {table}'s reads in the last ten",
        )
        if self.plan.latency:
            self._ask(LIST_METRICS, metrics.operations, lambda found: f"latency of {count(len(found), 'table')}")
        else:
            self._not_tried(LIST_METRICS, "polling.latency is false, so it is not needed")
        self._ask_about_sampling(table)
        self._ask(GET_INSIGHT_REPORT, lambda: self._absent_report(end), lambda _: "answered")

    def _ask_about_sampling(self, table: str) -> None:
        samplers = Samplers(self._dynamodb, self._cloudwatch, clock=self.clock)
        self._ask(
            DESCRIBE_INSIGHTS,
            lambda: samplers.describe(Place(table)),
            lambda sampler: f"it is {sampler.status.lower()} on table {table}",
        )
        self._ask(
            LIST_INSIGHTS,
            samplers.places,
            lambda places: f"it is on in {count(len(places), 'place')}, each table and each index being one",
        )
        self._ask(
            DESCRIBE_RULES,
            samplers.count_rules,
            lambda rules: f"{rules} of {self.plan.rules_quota} Contributor Insights rules are in use",
        )

    def _absent_report(self, end: float) -> object:
        with aws_call(GET_INSIGHT_REPORT, f"rule {ABSENT_RULE}"):
            return self._cloudwatch.get_insight_rule_report(
                RuleName=ABSENT_RULE, StartTime=utc(end - WINDOW), EndTime=utc(end), Period=MINUTE
            )

    def _not_tried(self, permission: Permission, reason: str) -> None:
        self.findings.append(Finding(self.region, permission.action, Verdict.NOT_TRIED, reason))

    def _leave_untried(self, watched: Sequence[str]) -> None:
        acting = [name for name in watched if _mode(self.plan, name) is Mode.ACT]
        policies = [policy for name in acting if (policy := self.plan.policy(name)) is not None]
        floors = sum(1 for policy in policies if policy.auto_scaling is ScalingRule.FLOOR)
        sampled = sum(1 for policy in policies if policy.sampling is not Sampling.OFF)
        for permission, tables in (
            (UPDATE_TABLE, len(acting)),
            (REGISTER_TARGET, floors),
            (UPDATE_INSIGHTS, sampled),
            (CREATE_INSIGHTS_ROLE, sampled),
        ):
            if permission in self.plan.permissions:
                self._not_tried(permission, f"it would change something; needed for {count(tables, 'table')} here")

    def _count(self, watched: Sequence[str], described: Sequence[TableDescription]) -> None:
        if self.names is None:
            return
        by_mode: dict[str, int] = {}
        for name in watched:
            by_mode[_mode(self.plan, name).value] = by_mode.get(_mode(self.plan, name).value, 0) + 1
        modes = ", ".join(f"{number} in {mode} mode" for mode, number in sorted(by_mode.items()))
        accounts = sorted({description.key.account for description in described})
        where = f" of account {', '.join(accounts)}" if accounts else ""
        watching = f"{len(watched)} of {count(len(self.names), 'table')}{where} watched"
        self._note(Verdict.NOTE, f"{watching}: {modes}" if modes else watching)
        if len(watched) > DESCRIBED:
            self._note(Verdict.NOTE, f"only the first {DESCRIBED} watched tables were looked at")

    def _compare_clocks(self, parsed: Mapping[str, Any], **_event: object) -> None:
        """botocore's event after each call; the newest answer counts."""
        date = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            self.ahead = self.clock.now() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            self.ahead = None  # no date, or none that can be read


def _mode(plan: Plan, name: str) -> Mode:
    policy = plan.policy(name)
    return Mode.OBSERVE if policy is None else policy.mode


def _topics(plan: Plan) -> list[Finding]:
    reason = "it would send a message; to try it, publish one by hand with these credentials"
    return [Finding(arn, PUBLISH.action, Verdict.NOT_TRIED, reason) for arn in dict.fromkeys(plan.topics)]


def _rules(plan: Plan, looks: Sequence[_RegionalLook]) -> list[Finding]:
    """What the config's patterns do with the names that are there. Says nothing while a Region's are not known."""
    if not plan.patterns:
        return [Finding("config", "", Verdict.WARNING, "no [[tables]] entry: nothing is watched")]
    names = {name for look in looks for name in look.names or ()}
    sentences = list(plan.overlaps(names))
    if all(look.names is not None for look in looks):
        sentences += [
            f'tables.{number}: "{pattern}" matches no table of these Regions'
            for number, pattern in enumerate(plan.patterns)
            if not any(fnmatchcase(name, pattern) for name in names)
        ]
    left = [f"and {len(sentences) - SHOWN} more warnings like these"] if len(sentences) > SHOWN else []
    return [Finding("config", "", Verdict.WARNING, sentence) for sentence in (*sentences[:SHOWN], *left)]


def clock_findings(aheads: Sequence[float]) -> list[Finding]:
    """aheads: seconds by which this machine's clock was ahead of AWS's, as measured. Minutes are told by this machine's
    clock, so it must agree with AWS's."""
    if not aheads:
        return []
    ahead = max(aheads, key=abs)
    if abs(ahead) <= CLOCK_TOLERANCE:
        return [Finding("clock", "", Verdict.NOTE, f"agrees with AWS's to {max(1, round(abs(ahead)))} s")]
    where = "ahead of" if ahead > 0 else "behind"
    sentence = f"this machine's clock is {duration(abs(ahead))} {where} AWS's; set it by a time server"
    return [Finding("clock", "", Verdict.WARNING, sentence)]
