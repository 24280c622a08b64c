"""The hands: one that changes capacity and what is sampled, one that only says what it would have done.

Order of the acting hand: refuse what must never be sent, wait for a turn, describe the table anew, cancel if the world
has changed, then one UpdateTable, RegisterScalableTarget or UpdateContributorInsights, sent once. Every way it can end
is a typed Outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watcher.aws.autoscaling import AutoScaling
from watcher.aws.client import THROTTLING_CODES, aws_call
from watcher.aws.discovery import CAPACITY_UNITS, DynamoTables
from watcher.aws.pace import ClockPacer, Pacer, Wait
from watcher.aws.permissions import UPDATE_TABLE
from watcher.aws.switch import SamplingSwitch, Verdict, wording
from watcher.clock import Clock
from watcher.core.model import Action, Billing, Lever, TableDescription
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The control plane takes about one mutation a second from an account; more are throttled.
MUTATION_SPACING = 1.1


class MutationPacer(ClockPacer):
    """Turns for mutations, at least ``spacing`` seconds of ``clock`` apart. One for all Regions and threads of an
    account."""

    def __init__(self, clock: Clock, wait: Wait, spacing: float = MUTATION_SPACING) -> None:
        super().__init__(1 / spacing, clock, wait)


class AdvisingHand:
    """Touches nothing."""

    def carry_out(self, action: Action) -> Verdict:
        return Outcome.ADVISED, f"act mode would have {_wording(action)}"


class ActingHand:
    """Changes capacity with UpdateTable, another scaler's floor with RegisterScalableTarget, or what is sampled with
    UpdateContributorInsights. pacer: of the first two."""

    def __init__(
        self,
        tables: DynamoTables,
        mutating: DynamoDBClient,
        scaling: AutoScaling,
        sampling: SamplingSwitch,
        pacer: Pacer,
    ) -> None:
        self._tables = tables
        self._mutating = mutating
        self._scaling = scaling
        self._sampling = sampling
        self._pacer = pacer

    def carry_out(self, action: Action) -> Verdict:
        refusal = _never_to_be_sent(action)
        if refusal is not None:
            return refusal
        # Before describing, so that nothing happens between the look and the call.
        (self._sampling.pacer if action.lever is Lever.SAMPLING else self._pacer).turn()
        try:
            objection, send = self._look(action)
        except AwsUnavailable as error:  # nothing was sent, so this is not an unknown outcome
            return Outcome.CANCELLED, f"not sent: it could not be described first ({error})"
        except AwsError as error:
            return outcome_of(error), f"not sent: {error}"
        if objection is not None:
            return objection
        try:
            send()
        except AwsError as error:
            return outcome_of(error), str(error)
        return Outcome.APPLIED, ""

    def _look(self, action: Action) -> tuple[Verdict | None, Callable[[], None]]:
        """Describe anew: (why not to act, or None; the call to make otherwise)."""
        table = action.table.name
        if action.lever is Lever.FLOOR:
            (change,) = action.changes
            return self._scaling.floor_objection(table, change), lambda: self._scaling.set_floor(table, change)
        seen = self._tables.describe(table)
        if action.switch is not None:
            switch = action.switch
            objection = _of_another(action, seen) or self._sampling.objection(table, switch)
            return objection, lambda: self._sampling.send(table, switch)
        return next(_objections(action, seen), None), lambda: self._update(action, seen)

    def _update(self, action: Action, seen: TableDescription) -> None:
        request = update_request(action, seen)
        with aws_call(UPDATE_TABLE, f"table {action.table.name}"):
            self._mutating.update_table(**request)


def update_request(action: Action, seen: TableDescription) -> dict[str, Any]:
    """The one UpdateTable: only parts that change, each with both kinds; the unchanged kind as just described.

    AWS requires both kinds, and refuses a part that stays as it is (see AWS docs: UpdateTable).
    """
    request: dict[str, Any] = {"TableName": action.table.name}
    updates = []
    for index in dict.fromkeys(change.dimension.index for change in action.changes):
        part = seen.throughputs[index]
        units = dict(part.units) | {c.dimension.kind: c.after for c in action.changes if c.dimension.index == index}
        if units == dict(part.units):
            continue
        throughput = {field: units[kind] for kind, field in CAPACITY_UNITS.items()}
        if index:
            updates.append({"Update": {"IndexName": index, "ProvisionedThroughput": throughput}})
        else:
            request["ProvisionedThroughput"] = throughput
    return request | ({"GlobalSecondaryIndexUpdates": updates} if updates else {})


def _never_to_be_sent(action: Action) -> Verdict | None:
    """The last guard. None of these can come from a sound decision."""
    changes = action.changes
    dimensions = [change.dimension for change in changes]
    rises = [change for change in changes if change.after > change.before]
    falls = [change for change in changes if change.is_decrease]
    samples = action.lever is Lever.SAMPLING
    checks: Sequence[tuple[bool, str]] = (
        (action.mode is not Mode.ACT, f"the table's mode is {action.mode}, and only act may change anything"),
        (samples is (action.switch is None), "a sampling action carries a switch, and no other action does"),
        (samples and bool(changes), "a sampling action changes no capacity"),
        (not samples and not changes, "the action holds no change"),
        (any(change.after < 1 for change in changes), "capacity below 1 unit cannot be provisioned"),
        (len(set(dimensions)) < len(dimensions), "the action changes one dimension twice"),
        (action.lever is Lever.FLOOR and len(changes) > 1, "a floor action carries exactly one change"),
        (bool(rises and falls), "a decrease must not ride in a call that increases: AWS may reject both"),
    )
    return next(((Outcome.INVALID, f"not sent: {why}") for broken, why in checks if broken), None)


def _of_another(action: Action, seen: TableDescription) -> Verdict | None:
    """The objection to a table of the same name in another account or Region."""
    if seen.key == action.table:
        return None
    return Outcome.CANCELLED, f"the credentials now lead to {seen.key}, not to {action.table}"


def _objections(action: Action, seen: TableDescription) -> Iterator[Verdict]:
    """Why the action is not to be sent to the table as it is now, gravest first. Lazy: a later one may presume that
    the earlier ones do not hold."""
    another = _of_another(action, seen)
    if another is not None:
        yield another
    for change in action.changes:
        if change.dimension.index not in seen.throughputs:
            yield Outcome.GONE, f"there is no index {change.dimension.index} to change"
    if seen.billing is Billing.ON_DEMAND:
        yield Outcome.CANCELLED, "the table is billed on demand now"
    if seen.replicas:
        yield Outcome.CANCELLED, f"the table is a global table now, with replicas in {', '.join(seen.replicas)}"
    if not seen.is_settled:
        yield Outcome.BUSY, "the table or one of its indexes is being updated"
    for change in action.changes:
        current = seen.provisioned(change.dimension)
        if current != change.before:
            yield Outcome.CANCELLED, f"{change.dimension.noun} were {change.before} when decided and are {current} now"
    if all(change.after == change.before for change in action.changes):
        yield Outcome.UNCHANGED, "every value already is what it should become"


_BY_CODE: Mapping[str, Outcome] = {
    "ConcurrentUpdateException": Outcome.BUSY,  # Application Auto Scaling's word for it
    "ResourceInUseException": Outcome.BUSY,
}

# LimitExceededException and ValidationException tell their kinds apart only by their text.
_BY_MESSAGE: Mapping[str, tuple[tuple[str, Outcome], ...]] = {
    "LimitExceededException": (
        ("decreases are limited", Outcome.BUDGET),
        ("only 1 online index", Outcome.BUSY),
        ("too many operations", Outcome.BUSY),
        ("simultaneous", Outcome.BUSY),
        ("", Outcome.QUOTA),
    ),
    "ValidationException": (
        ("will not change", Outcome.UNCHANGED),
        ("equals the current value", Outcome.UNCHANGED),
        ("billingmode is pay_per_request", Outcome.CANCELLED),
        ("", Outcome.INVALID),
    ),
}


def outcome_of(error: AwsError) -> Outcome:
    """What a failed mutation means. No answer is UNKNOWN; anything AWS calls the caller's mistake is INVALID."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if error.code in _BY_MESSAGE:
        text = error.cause.lower()
        return next(outcome for part, outcome in _BY_MESSAGE[error.code] if part in text)
    if error.code in THROTTLING_CODES:
        return Outcome.THROTTLED
    kinds = ((AwsDenied, Outcome.DENIED), (AwsNotFound, Outcome.GONE), (AwsUnavailable, Outcome.UNKNOWN))
    return next((outcome for kind, outcome in kinds if isinstance(error, kind)), Outcome.INVALID)


def _wording(action: Action) -> str:
    if action.switch is not None:
        return f"switched {wording(action.table.name, action.switch)}"
    what = "" if action.lever is Lever.CAPACITY else "the scaling floor of "
    return f"set {what}" + ", ".join(f"{c.dimension.noun} from {c.before} to {c.after}" for c in action.changes)
