"""What Contributor Insights is doing where: the control plane's view of a Region, and how many rules there are.

See AWS docs: Contributor Insights for DynamoDB, how it works; ListContributorInsights, DescribeContributorInsights,
DescribeInsightRules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call, trimmed
from watcher.aws.contributors import RULES_RATE, subject_of, whereabouts
from watcher.aws.pace import ClockPacer, Pacer, Wait
from watcher.aws.permissions import DESCRIBE_INSIGHTS, DESCRIBE_RULES, LIST_INSIGHTS, Permission
from watcher.clock import Clock
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus
from watcher.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient

PLACES_PER_PAGE = 100
RULES_PER_PAGE = 500
PAGES = 250  # a minute of them; a server that never ends must not hold the cycle

# Calls a second, of ListContributorInsights, of Describe- and of UpdateContributorInsights. The quota of each is 5, for
# the whole account.
INSIGHTS_RATE = 4.0

_MODES: Mapping[str, SamplerMode] = {
    "THROTTLED_KEYS": SamplerMode.THROTTLED,
    "ACCESSED_AND_THROTTLED_KEYS": SamplerMode.FULL,
}
_ON = frozenset({SamplerStatus.ENABLING, SamplerStatus.ENABLED})


class Samplers:
    """Contributor Insights of one Region, read only. wait: see :class:`ClockPacer`. One of these for each Region of an
    account, so that its quotas are kept."""

    def __init__(
        self, dynamodb: DynamoDBClient, cloudwatch: CloudWatchClient, *, clock: Clock, wait: Wait | None = None
    ) -> None:
        self._dynamodb = dynamodb
        self._cloudwatch = cloudwatch
        self._listing = ClockPacer(INSIGHTS_RATE, clock, wait)
        self._describing = ClockPacer(INSIGHTS_RATE, clock, wait)
        self._counting = ClockPacer(RULES_RATE, clock, wait)

    def places(self) -> dict[Place, Sampler]:
        """Every place that is not DISABLED. Raises AwsError."""
        found: dict[Place, Sampler] = {}
        with aws_call(LIST_INSIGHTS, self._region):
            for page in self._pages(
                LIST_INSIGHTS,
                lambda **token: self._dynamodb.list_contributor_insights(MaxResults=PLACES_PER_PAGE, **token),
                self._listing,
            ):
                for summary in page["ContributorInsightsSummaries"]:  # often none, and yet more pages to come
                    sampler = _sampler(summary)
                    if sampler.status is not SamplerStatus.DISABLED:
                        found[Place(summary["TableName"], summary.get("IndexName", ""))] = sampler
        return found

    def count_rules(self) -> int:
        """The Contributor Insights rules of the account in this Region, whosever. Raises AwsError."""
        with aws_call(DESCRIBE_RULES, self._region):
            return sum(
                len(page["InsightRules"])
                for page in self._pages(
                    DESCRIBE_RULES,
                    lambda **token: self._cloudwatch.describe_insight_rules(MaxResults=RULES_PER_PAGE, **token),
                    self._counting,
                )
            )

    def describe(self, place: Place) -> Sampler:
        """One place, with the names of its rules. Raises AwsError; AwsNotFound when the table or the index is gone."""
        self._describing.turn()
        with aws_call(DESCRIBE_INSIGHTS, subject_of(place)):
            return _sampler(self._dynamodb.describe_contributor_insights(**whereabouts(place)))

    @property
    def _region(self) -> str:
        return f"region {self._dynamodb.meta.region_name}"

    def _pages(self, permission: Permission, call: Callable[..., Any], pacer: Pacer) -> Iterator[Mapping[str, Any]]:
        """All pages of a call that botocore cannot page itself. To be used inside ``aws_call``."""
        token: dict[str, str] = {}
        for _page in range(PAGES):
            pacer.turn()
            page = call(**token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}
        cause = f"no end after {PAGES} pages"
        raise AwsError(cause, code="TooManyPages", operation=permission.operation, subject=self._region)


def _sampler(told: Mapping[str, Any]) -> Sampler:
    """Of a description, or of a summary, which has fewer fields."""
    status = _status(told["ContributorInsightsStatus"])
    failure = told.get("FailureException", {})
    updated = told.get("LastUpdateDateTime")
    words = [str(failure[name]) for name in ("ExceptionName", "ExceptionDescription") if failure.get(name)]
    # What was switched on before there were modes has none, and samples everything.
    mode = _MODES.get(told.get("ContributorInsightsMode", ""), SamplerMode.FULL)
    return Sampler(
        status=status,
        mode=mode if status in _ON else SamplerMode.OFF,
        rules=tuple(told.get("ContributorInsightsRuleList", ())),
        failure=trimmed(": ".join(words)),
        updated=None if updated is None else updated.timestamp(),
    )


def _status(text: str) -> SamplerStatus:
    """A status of tomorrow counts as one that does not stay: then nothing is switched and nothing read."""
    return SamplerStatus(text) if text in set(SamplerStatus) else SamplerStatus.ENABLING
