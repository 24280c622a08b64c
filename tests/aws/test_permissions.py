"""The IAM policy against the calls the adapters really make."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import botocore.session
import pytest

import watcher.aws
from tests.aws.conftest import ACCOUNT
from watcher.aws import permissions
from watcher.aws.permissions import PERMISSIONS, Resource, iam_pattern, needed, policy_document
from watcher.core.reasons import Mode

SOURCES = sorted(Path(watcher.aws.__file__).parent.glob("*.py"))
SERVICES = ("dynamodb", "cloudwatch", "application-autoscaling", "sns", "sts")


def _operations() -> dict[str, tuple[str, str]]:
    """Client method name -> (service, operation), for every operation of the services used."""
    session = botocore.session.Session()
    return {
        botocore.xform_name(operation): (service, operation)
        for service in SERVICES
        for operation in session.get_service_model(service).operation_names
    }


def _called(tree: ast.AST, methods: dict[str, tuple[str, str]]) -> set[tuple[str, str]]:
    """Operations called on a client attribute or variable, by method or by paginator."""
    found = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name = node.func.attr
        owner = ast.unparse(node.func.value)
        if name == "get_paginator" and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
        elif owner.rpartition(".")[2].strip("_") not in {
            "client",
            "dynamodb",
            "cloudwatch",
            "reading",
            "mutating",
            "sts",
        }:
            continue
        if name in methods:
            found.add(methods[name])
    return found


def test_every_call_has_its_permission_and_every_permission_a_call() -> None:
    methods = _operations()
    called = set().union(*(_called(ast.parse(path.read_text()), methods) for path in SOURCES))
    assert called == {(it.service, it.operation) for it in PERMISSIONS if it.called}


def test_what_is_not_called_is_asked_for_by_aws_in_the_callers_name() -> None:
    """See AWS docs: Using service-linked roles for Contributor Insights for DynamoDB."""
    assert {permission.action for permission in PERMISSIONS if not permission.called} == {"iam:CreateServiceLinkedRole"}


def test_every_call_names_its_permission_where_it_is_made() -> None:
    """Each ``with aws_call(X, ...)`` contains or follows from a call of X; together they name all permissions."""
    named = {
        node.args[0].id
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "aws_call"
        if isinstance(node.args[0], ast.Name)
    }
    called = [permission for permission in PERMISSIONS if permission.called]
    constants = {name for name, value in vars(permissions).items() if value in called and name.isupper()}
    assert named == constants


def _actions(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


READS = {permission.action for permission in PERMISSIONS if not permission.acts} - {"sns:Publish", "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("mode", "options", "extra"),
    [
        pytest.param(Mode.OBSERVE, {}, set(), id="observing only reads"),
        pytest.param(Mode.ADVISE, {}, set(), id="advising only reads"),
        pytest.param(Mode.ADVISE, {"auto_scaling_floor": True}, set(), id="advising moves no floor either"),
        pytest.param(Mode.ACT, {}, {"dynamodb:UpdateTable"}, id="acting changes tables"),
        pytest.param(
            Mode.ACT, {"act_tables": [], "auto_scaling_floor": True}, set(), id="no table to act on: nothing to change"
        ),
        pytest.param(
            Mode.ACT,
            {"auto_scaling_floor": True},
            {"dynamodb:UpdateTable", "application-autoscaling:RegisterScalableTarget"},
            id="and floors where configured",
        ),
        pytest.param(
            Mode.ACT,
            {"sampling": True},
            {"dynamodb:UpdateTable", "dynamodb:UpdateContributorInsights", "iam:CreateServiceLinkedRole"},
            id="and what is sampled, where configured",
        ),
        pytest.param(Mode.ADVISE, {"sampling": True}, set(), id="advising switches no sampling either"),
        pytest.param(Mode.ACT, {"act_tables": [], "sampling": True}, set(), id="nor does acting on no table"),
        pytest.param(Mode.ADVISE, {"topic_arns": ["arn:aws:sns:eu-west-1:1:t"]}, {"sns:Publish"}, id="with alerts"),
        pytest.param(
            Mode.ADVISE,
            {"topic_arns": ["arn:aws:sns:eu-west-1:1:t"], "topic_key_arns": ["arn:aws:kms:eu-west-1:1:key/k"]},
            {"sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"},
            id="with an encrypted topic",
        ),
        pytest.param(Mode.ADVISE, {"role_arn": "arn:aws:iam::1:role/r"}, {"sts:AssumeRole"}, id="with a role"),
    ],
)
def test_the_policy_allows_what_is_used_and_nothing_else(mode: Mode, options: dict[str, Any], extra: set[str]) -> None:
    document = policy_document(mode, tables=["orders"], regions=["us-east-1"], account=ACCOUNT, **options)
    assert _actions(document) == READS | extra


def test_every_statement_of_a_full_policy() -> None:
    document = policy_document(
        Mode.ACT,
        tables=["orders-*", "carts"],
        act_tables=["carts"],
        regions=["us-east-1", "cn-north-1"],
        account=ACCOUNT,
        topic_arns=["arn:aws:sns:us-east-1:123456789012:pages"],
        auto_scaling_floor=True,
        sampling=True,
        role_arn="arn:aws:iam::210987654321:role/watcher",
    )
    statements = {statement["Sid"]: statement for statement in document["Statement"]}
    home, china = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table", f"arn:aws-cn:dynamodb:cn-north-1:{ACCOUNT}:table"
    assert document["Version"] == "2012-10-17"
    assert {statement["Effect"] for statement in document["Statement"]} == {"Allow"}
    assert {sid: statement["Resource"] for sid, statement in statements.items()} == {
        "ObserveAny": ["*"],
        "ObserveTable": [f"{china}/carts", f"{china}/orders-*", f"{home}/carts", f"{home}/orders-*"],
        "ObserveTableAndIndex": [
            f"{place}/{form}"
            for place in (china, home)
            for form in ("carts", "carts/index/*", "orders-*", "orders-*/index/*")
        ],
        "ObserveInsightRule": [
            f"arn:aws-cn:cloudwatch:cn-north-1:{ACCOUNT}:insight-rule/DynamoDBContributorInsights*",
            f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:insight-rule/DynamoDBContributorInsights*",
        ],
        "ObserveTopic": ["arn:aws:sns:us-east-1:123456789012:pages"],
        "ObserveRole": ["arn:aws:iam::210987654321:role/watcher"],
        "ActTable": [f"{china}/carts", f"{home}/carts"],
        "ActTableAndIndex": [f"{place}/{form}" for place in (china, home) for form in ("carts", "carts/index/*")],
        "ActScalableTarget": [
            f"arn:aws-cn:application-autoscaling:cn-north-1:{ACCOUNT}:scalable-target/*",
            f"arn:aws:application-autoscaling:us-east-1:{ACCOUNT}:scalable-target/*",
        ],
        "ActServiceLinkedRole": [
            f"arn:aws-cn:iam::{ACCOUNT}:role/aws-service-role/contributorinsights.dynamodb.amazonaws.com/*",
            f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/contributorinsights.dynamodb.amazonaws.com/*",
        ],
    }
    assert {sid: statement["Condition"] for sid, statement in statements.items() if "Condition" in statement} == {
        "ObserveAny": {"StringEquals": {"aws:RequestedRegion": ["cn-north-1", "us-east-1"]}},
        "ActScalableTarget": {"StringEquals": {"application-autoscaling:service-namespace": "dynamodb"}},
        "ActServiceLinkedRole": {"StringEquals": {"iam:AWSServiceName": "contributorinsights.dynamodb.amazonaws.com"}},
    }


def test_extra_statements_come_last_unchanged() -> None:
    extra = {"Sid": "State", "Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": ["arn:x"]}
    document = policy_document(Mode.ADVISE, tables=["*"], regions=["us-east-1"], extra_statements=[extra])
    assert document["Statement"][-1] == extra


@pytest.mark.parametrize(
    ("pattern", "iam"),
    [
        pytest.param("orders-*", "orders-*", id="a star is a star"),
        pytest.param("t?", "t?", id="a question mark, too"),
        pytest.param("t[0-9]x", "t?x", id="a set widens to any character: IAM has none"),
        pytest.param("t[!ab]", "t?", id="a negated set, too"),
        pytest.param("t[]a]", "t?", id="a set that holds a bracket"),
    ],
)
def test_patterns_in_iam(pattern: str, iam: str) -> None:
    assert iam_pattern(pattern) == iam


def test_only_what_cannot_be_narrowed_is_allowed_on_everything() -> None:
    broad = {permission.action for permission in PERMISSIONS if permission.resource is Resource.ANY}
    assert broad == {
        "dynamodb:ListTables",
        "dynamodb:ListContributorInsights",
        "cloudwatch:DescribeInsightRules",
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "application-autoscaling:DescribeScalableTargets",
    }
    everything = needed(Mode.ACT, auto_scaling_floor=True, topics=True, role=True, sampling=True)
    assert everything == PERMISSIONS
    assert all(permission.why for permission in everything)
