"""Every IAM action the AWS adapters use, declared once, and the least-privilege policy made of them. Pure data.

Adapters name the permission at each call, so a refusal can say which action is missing; a test reads the adapters'
source and fails when a call has no permission here, or a permission no call. Which actions can be limited to a
resource is taken from the AWS Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from watcher.core.reasons import Mode


class Resource(StrEnum):
    """The narrowest resource IAM lets an action be limited to."""

    ANY = "any"  # "*" only; the Regions are limited by condition instead
    TABLE = "table"
    TABLE_AND_INDEX = "table-and-index"
    INSIGHT_RULE = "insight-rule"
    SCALABLE_TARGET = "scalable-target"
    TOPIC = "topic"
    ROLE = "role"
    SERVICE_LINKED_ROLE = "service-linked-role"


@dataclass(frozen=True, slots=True)
class Permission:
    """One IAM action. why: what the watcher cannot do without it. acts: it changes something that is watched. called:
    False where AWS asks for it during another call, and the watcher makes no call of its own."""

    service: str
    operation: str
    resource: Resource
    why: str
    acts: bool = False
    called: bool = True

    @property
    def action(self) -> str:
        """As IAM writes it: ``dynamodb:UpdateTable``."""
        return f"{self.service}:{self.operation}"


LIST_TABLES = Permission("dynamodb", "ListTables", Resource.ANY, "find the tables of a Region")
DESCRIBE_TABLE = Permission("dynamodb", "DescribeTable", Resource.TABLE, "see capacity, indexes and the change budget")
DESCRIBE_INSIGHTS = Permission(
    "dynamodb", "DescribeContributorInsights", Resource.TABLE_AND_INDEX, "know whether hot keys are sampled"
)
LIST_INSIGHTS = Permission("dynamodb", "ListContributorInsights", Resource.ANY, "know what is sampled in a Region")
DESCRIBE_RULES = Permission(
    "cloudwatch", "DescribeInsightRules", Resource.ANY, "count Contributor Insights rules against their quota"
)
GET_METRIC_DATA = Permission("cloudwatch", "GetMetricData", Resource.ANY, "see consumption, throttling and latency")
LIST_METRICS = Permission("cloudwatch", "ListMetrics", Resource.ANY, "know which operations have latency data")
GET_INSIGHT_REPORT = Permission("cloudwatch", "GetInsightRuleReport", Resource.INSIGHT_RULE, "name the hot keys")
DESCRIBE_TARGETS = Permission(
    "application-autoscaling", "DescribeScalableTargets", Resource.ANY, "notice another scaler on the same capacity"
)
PUBLISH = Permission("sns", "Publish", Resource.TOPIC, "send alerts")
ASSUME_ROLE = Permission("sts", "AssumeRole", Resource.ROLE, "work in another account")
UPDATE_TABLE = Permission("dynamodb", "UpdateTable", Resource.TABLE, "change provisioned capacity", acts=True)
REGISTER_TARGET = Permission(
    "application-autoscaling",
    "RegisterScalableTarget",
    Resource.SCALABLE_TARGET,
    "move another scaler's floor",
    acts=True,
)
UPDATE_INSIGHTS = Permission(
    "dynamodb", "UpdateContributorInsights", Resource.TABLE_AND_INDEX, "switch the sampling of hot keys", acts=True
)
# The first time Contributor Insights is switched on in an account, AWS makes this role in the caller's name.
CREATE_INSIGHTS_ROLE = Permission(
    "iam",
    "CreateServiceLinkedRole",
    Resource.SERVICE_LINKED_ROLE,
    "switch Contributor Insights on for the first time in an account",
    acts=True,
    called=False,
)

PERMISSIONS: tuple[Permission, ...] = (
    LIST_TABLES,
    DESCRIBE_TABLE,
    DESCRIBE_INSIGHTS,
    LIST_INSIGHTS,
    DESCRIBE_RULES,
    GET_METRIC_DATA,
    LIST_METRICS,
    GET_INSIGHT_REPORT,
    DESCRIBE_TARGETS,
    PUBLISH,
    ASSUME_ROLE,
    UPDATE_TABLE,
    REGISTER_TARGET,
    UPDATE_INSIGHTS,
    CREATE_INSIGHTS_ROLE,
)

INSIGHTS_SERVICE = "contributorinsights.dynamodb.amazonaws.com"

# For topics encrypted with a key of the customer's own: SNS calls KMS in the publisher's name.
TOPIC_KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")

Statement = dict[str, Any]  # an IAM policy statement, as it is written in JSON


def needed(mode: Mode, *, auto_scaling_floor: bool, topics: bool, role: bool, sampling: bool) -> tuple[Permission, ...]:
    """The permissions a watcher of this shape uses, in their declared order. sampling: whether it switches Contributor
    Insights in act mode; reading it is always needed."""
    unused = {
        UPDATE_TABLE: mode is not Mode.ACT,
        REGISTER_TARGET: mode is not Mode.ACT or not auto_scaling_floor,
        UPDATE_INSIGHTS: mode is not Mode.ACT or not sampling,
        CREATE_INSIGHTS_ROLE: mode is not Mode.ACT or not sampling,
        PUBLISH: not topics,
        ASSUME_ROLE: not role,
    }
    return tuple(permission for permission in PERMISSIONS if not unused.get(permission, False))


def policy_document(
    mode: Mode,
    *,
    tables: Sequence[str],
    regions: Sequence[str],
    account: str = "*",
    act_tables: Sequence[str] | None = None,
    topic_arns: Sequence[str] = (),
    topic_key_arns: Sequence[str] = (),
    auto_scaling_floor: bool = False,
    sampling: bool = False,
    role_arn: str = "",
    extra_statements: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The least-privilege IAM policy, ready for ``json.dumps``.

    tables: name patterns as in the config; act_tables: those that may be changed, default all of ``tables``;
    with none of them an act policy changes nothing.
    sampling: whether any of them has Contributor Insights switched.
    account: 12 digits, or "*" for whichever account the policy is attached in. topic_key_arns: KMS keys of encrypted
    topics. role_arn: adds the right to assume it; with a role the other statements belong to that role.
    Note that IAM cannot limit dynamodb:UpdateTable to throughput: it also allows other changes of those tables.
    """
    scope = _Scope(tuple(regions), account, tuple(tables), tuple(tables if act_tables is None else act_tables))
    if not scope.act_tables:
        mode = Mode.ADVISE
    wanted = needed(
        mode, auto_scaling_floor=auto_scaling_floor, topics=bool(topic_arns), role=bool(role_arn), sampling=sampling
    )
    arns = {Resource.TOPIC: sorted(set(topic_arns)), Resource.ROLE: [role_arn]}
    statements = [
        scope.statement(resource, acts, arns.get(resource))
        | {"Action": sorted(p.action for p in wanted if p.resource is resource and p.acts is acts)}
        for acts in (False, True)
        for resource in Resource
        if any(p.resource is resource and p.acts is acts for p in wanted)
    ]
    if topic_key_arns:
        statements.append(
            {"Sid": "EncryptedTopics", "Effect": "Allow", "Action": list(TOPIC_KEY_ACTIONS)}
            | {"Resource": sorted(set(topic_key_arns))}
        )
    return {"Version": "2012-10-17", "Statement": [_ordered(s) for s in (*statements, *map(dict, extra_statements))]}


@dataclass(frozen=True, slots=True)
class _Scope:
    regions: tuple[str, ...]
    account: str
    tables: tuple[str, ...]
    act_tables: tuple[str, ...]

    def statement(self, resource: Resource, acts: bool, arns: list[str] | None) -> Statement:  # noqa: FBT001 - private
        sid = ("Act" if acts else "Observe") + "".join(part.title() for part in resource.split("-"))
        statement: Statement = {"Sid": sid, "Effect": "Allow", "Resource": arns or self._arns(resource, acts=acts)}
        if resource is Resource.ANY:
            statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": sorted(set(self.regions))}}
        if resource is Resource.SCALABLE_TARGET:
            statement["Condition"] = {"StringEquals": {"application-autoscaling:service-namespace": "dynamodb"}}
        if resource is Resource.SERVICE_LINKED_ROLE:
            statement["Condition"] = {"StringEquals": {"iam:AWSServiceName": INSIGHTS_SERVICE}}
        return statement

    def _arns(self, resource: Resource, *, acts: bool) -> list[str]:
        if resource is Resource.ANY:
            return ["*"]
        if resource is Resource.INSIGHT_RULE:
            return self._regional("cloudwatch", ["insight-rule/DynamoDBContributorInsights*"])
        if resource is Resource.SCALABLE_TARGET:  # targets have random names, so the namespace condition limits them
            return self._regional("application-autoscaling", ["scalable-target/*"])
        if resource is Resource.SERVICE_LINKED_ROLE:  # IAM has no Regions, only partitions
            path = f"iam::{self.account}:role/aws-service-role/{INSIGHTS_SERVICE}/*"
            return sorted({f"arn:{partition(region)}:{path}" for region in self.regions})
        names = [f"table/{iam_pattern(table)}" for table in (self.act_tables if acts else self.tables)]
        if resource is Resource.TABLE_AND_INDEX:
            names = [form for name in names for form in (name, f"{name}/index/*")]
        return self._regional("dynamodb", names)

    def _regional(self, service: str, names: Sequence[str]) -> list[str]:
        return sorted(
            {
                f"arn:{partition(region)}:{service}:{region}:{self.account}:{name}"
                for region in self.regions
                for name in names
            }
        )


def iam_pattern(pattern: str) -> str:
    """A config pattern as IAM understands it: ``*`` and ``?`` are the same, a set like ``[ab]`` widens to ``?``."""
    return re.sub(r"\[!?.[^\]]*\]", "?", pattern)


def partition(region: str) -> str:
    """The ARN partition a Region belongs to."""
    for prefix, name in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc")):
        if region.startswith(prefix):
            return name
    return "aws"


def _ordered(statement: Mapping[str, Any]) -> Statement:
    """The order people read policies in, whatever the statement was built from."""
    order = ("Sid", "Effect", "Action", "Resource", "Condition")
    return {key: statement[key] for key in (*order, *sorted(set(statement) - set(order))) if key in statement}
