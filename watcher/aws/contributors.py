"""Who the hot keys are: CloudWatch Contributor Insights for DynamoDB, read only.

Key values are other people's data. They leave this module only in the form the config allows.
See AWS docs: Contributor Insights for DynamoDB, how it works; GetInsightRuleReport.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.permissions import DESCRIBE_INSIGHTS, GET_INSIGHT_REPORT
from watcher.clock import utc
from watcher.core.model import HotKey, HotKeyReport
from watcher.core.series import MINUTE
from watcher.errors import AwsDenied, AwsError, AwsNotFound

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient

CONTRIBUTORS = 10  # of the 25 that DynamoDB's rules allow
LONGEST_WINDOW = 24 * 3600.0
PARTITION_CEILING = 180_000.0  # units a minute: 3,000 reads, or 1,000 writes counting 3 each, times 60
PLAIN_LIMIT = 128  # characters of a key shown in plain

# Rules are recognised by these, never built: for an index the rest of the name is ambiguous.
_THROTTLED_RULE = "DynamoDBContributorInsights-PKT-"
_ACCESSED_RULE = "DynamoDBContributorInsights-PKC-"

_STATUS_NOTES: Mapping[str, str] = {
    "DISABLED": "Contributor Insights is off; enable it in throttled-keys mode to learn the hot keys",
    "DISABLING": "Contributor Insights is being switched off",
    "ENABLING": "Contributor Insights is being switched on; keys show in some minutes",
}


class KeyForm(StrEnum):
    HASH = "hash"
    REDACT = "redact"
    PLAIN = "plain"


class KeyCloak:
    """The only way a key value takes out. secret: for HMAC-SHA256, so that hashes cannot be looked up in a list of
    guesses, and the same key keeps the same hash as long as the secret lives."""

    def __init__(self, form: KeyForm, secret: bytes) -> None:
        if form is KeyForm.HASH and not secret:
            raise ValueError("hashed keys need a secret; without one anybody could recompute the hashes")
        self._form = form
        self._secret = secret

    def __call__(self, keys: Sequence[str]) -> str:
        if self._form is KeyForm.REDACT:
            return "(redacted)"
        if self._form is KeyForm.HASH:
            joined = "\x1f".join(keys).encode("utf-8", "surrogatepass")
            return "key:" + hmac.new(self._secret, joined, hashlib.sha256).hexdigest()[:12]
        # How AWS renders unusual keys is not documented: whatever comes must fit one line of UTF-8.
        text = " | ".join(keys).encode("utf-8", "replace").decode()
        line = "".join(character if character.isprintable() else "?" for character in text)
        return line if len(line) <= PLAIN_LIMIT else line[: PLAIN_LIMIT - 3] + "..."


class ContributorInsights:
    """The HotKeys port. requested: told of each report, which is billed like a metric."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        cloudwatch: CloudWatchClient,
        *,
        cloak: KeyCloak,
        requested: Callable[[int], None],
    ) -> None:
        self._dynamodb = dynamodb
        self._cloudwatch = cloudwatch
        self._cloak = cloak
        self._requested = requested

    def report(self, table: str, index: str, start: float, end: float) -> HotKeyReport:
        """The newest 24 hours of [start, end) at most. Without throttled keys nothing counts as sampled; without
        accessed ones (THROTTLED_KEYS mode has none) the throttled ones still do, and a failure there is noted."""
        subject = f"index {index} of table {table}" if index else f"table {table}"
        try:
            rules = self._rules(table, index, subject)
        except AwsError as error:
            return HotKeyReport(sampled=False, note=_note(error))
        if isinstance(rules, str):
            return HotKeyReport(sampled=False, note=rules)
        window = (max(start, end - LONGEST_WINDOW) // MINUTE * MINUTE, end)
        try:
            throttled = self._contributors(_rule(rules, _THROTTLED_RULE), window, subject)
        except AwsError as error:
            return HotKeyReport(sampled=False, note=_note(error))
        try:
            accessed = self._contributors(_rule(rules, _ACCESSED_RULE), window, subject, ceiling=PARTITION_CEILING)
        except AwsError as error:
            return HotKeyReport(sampled=True, throttled=throttled, note=f"accessed keys: {_note(error)}")
        return HotKeyReport(sampled=True, throttled=throttled, accessed=accessed)

    def _rules(self, table: str, index: str, subject: str) -> Sequence[str] | str:
        """The names of the rules, or why there are none."""
        where: dict[str, Any] = {"TableName": table} | ({"IndexName": index} if index else {})
        with aws_call(DESCRIBE_INSIGHTS, subject):
            answer = self._dynamodb.describe_contributor_insights(**where)
        status = answer.get("ContributorInsightsStatus", "DISABLED")
        rules = answer.get("ContributorInsightsRuleList", [])
        if status == "FAILED":
            failure = answer.get("FailureException", {})
            return f"Contributor Insights failed: {failure.get('ExceptionDescription', 'AWS gives no reason')}"
        if status != "ENABLED":
            return _STATUS_NOTES.get(status, f"Contributor Insights is {status}")
        return rules if _rule(rules, _THROTTLED_RULE) else "Contributor Insights has no rule for throttled keys"

    def _contributors(
        self, rule: str, window: tuple[float, float], subject: str, *, ceiling: float | None = None
    ) -> tuple[HotKey, ...]:
        """The contributors of one rule, busiest minute first. Of these rules only maxima are meaningful, so each is
        judged by its highest one-minute point."""
        if not rule:
            return ()
        start, end = window
        self._requested(1)
        with aws_call(GET_INSIGHT_REPORT, subject):
            report = self._cloudwatch.get_insight_rule_report(
                RuleName=rule,
                StartTime=utc(start),
                EndTime=utc(end),
                Period=MINUTE,
                MaxContributorCount=CONTRIBUTORS,
                Metrics=["MaxContributorValue"],
                OrderBy="Maximum",
            )
            found = [
                self._hot_key(contributor["Keys"], points, ceiling)
                for contributor in report.get("Contributors", ())
                if (points := [float(p["ApproximateValue"]) for p in contributor.get("Datapoints", ())])
            ]
        return tuple(sorted(found, key=lambda hot: (-hot.per_minute, hot.key)))

    def _hot_key(self, keys: Sequence[str], points: Sequence[float], ceiling: float | None) -> HotKey:
        busiest = max(points)
        return HotKey(self._cloak(keys), busiest, None if ceiling is None else busiest / ceiling)


def _rule(rules: Sequence[str], prefix: str) -> str:
    return next((name for name in rules if name.startswith(prefix)), "")


def _note(error: AwsError) -> str:
    """One sentence on why nothing was sampled."""
    if isinstance(error, AwsDenied):
        return f"Contributor Insights may not be read ({error.hint})"
    if isinstance(error, AwsNotFound):
        return f"Contributor Insights has nothing on it: {error.cause}"
    return f"Contributor Insights did not answer: {error.cause}"
