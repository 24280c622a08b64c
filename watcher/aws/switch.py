"""Switching Contributor Insights of one table or index: what speaks against it now, and the one call that does it.

The mode is always sent: ENABLE without one turns throttled keys into all keys, at many times the price. AWS answers
ENABLING at once, and one beyond the quota of rules turns FAILED some seconds later: the next survey tells.
See AWS docs: UpdateContributorInsights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.contributors import subject_of, whereabouts
from watcher.aws.pace import Pacer
from watcher.aws.permissions import CREATE_INSIGHTS_ROLE, INSIGHTS_SERVICE, UPDATE_INSIGHTS
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.model import Switch
from watcher.core.reasons import Outcome
from watcher.errors import AwsDenied

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Verdict = tuple[Outcome, str]

_WORDS: Mapping[SamplerMode, str] = {
    SamplerMode.OFF: "off",
    SamplerMode.THROTTLED: "throttled keys",
    SamplerMode.FULL: "all keys",
}
_REQUESTS: Mapping[SamplerMode, Mapping[str, str]] = {
    SamplerMode.OFF: {"ContributorInsightsAction": "DISABLE"},
    SamplerMode.THROTTLED: {"ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "THROTTLED_KEYS"},
    SamplerMode.FULL: {"ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS"},
}


class SamplingSwitch:
    """The acting hand's part that switches. describe: a place as it is now; raises AwsError. pacer: of the calls."""

    def __init__(self, describe: Callable[[Place], Sampler], mutating: DynamoDBClient, pacer: Pacer) -> None:
        self.pacer = pacer
        self._describe = describe
        self._mutating = mutating

    def objection(self, table: str, switch: Switch) -> Verdict | None:
        """Describe anew: why not to switch, or None. Raises AwsError."""
        place = Place(table, switch.index)
        seen = self._describe(place)
        what = f"Contributor Insights of {subject_of(place)}"
        if seen.mode is not switch.before:
            was, now = _WORDS[switch.before], _WORDS[seen.mode]
            return Outcome.CANCELLED, f"{what} was at {was} when decided and is at {now} now: another hand switched it"
        if not seen.is_settled:
            return Outcome.BUSY, f"{what} is being switched: {seen.status}"
        # FAILED counts as off and is not: it stays until it is disabled or enabled anew.
        if seen.mode is switch.after and seen.status is not SamplerStatus.FAILED:
            return Outcome.UNCHANGED, f"{what} already is at {_WORDS[seen.mode]}"
        return None

    def send(self, table: str, switch: Switch) -> None:
        """The one UpdateContributorInsights. Raises AwsError."""
        place = Place(table, switch.index)
        request: dict[str, Any] = {**whereabouts(place), **_REQUESTS[switch.after]}
        try:
            with aws_call(UPDATE_INSIGHTS, subject_of(place)):
                answer = self._mutating.update_contributor_insights(**request)
                answer["ContributorInsightsStatus"]  # every answer has one
        except AwsDenied as error:
            if not error.retryable and switch.after is not SamplerMode.OFF:
                error.hint = _remedy(error.cause)
            raise


def wording(table: str, switch: Switch) -> str:
    """What a switch does, for people: ``Contributor Insights of table orders from off to throttled keys``."""
    place = subject_of(Place(table, switch.index))
    return f"Contributor Insights of {place} from {_WORDS[switch.before]} to {_WORDS[switch.after]}"


def _remedy(cause: str) -> str:
    """AWS refuses UpdateContributorInsights, too, where it is the service's role that may not be made."""
    role = f"{CREATE_INSIGHTS_ROLE.action} for {INSIGHTS_SERVICE}"
    if CREATE_INSIGHTS_ROLE.operation in cause:
        return f"allow {role}"
    if UPDATE_INSIGHTS.operation in cause:
        return f"allow {UPDATE_INSIGHTS.action}"
    return f"allow {UPDATE_INSIGHTS.action}, and {role} where Contributor Insights was never on in this account"
