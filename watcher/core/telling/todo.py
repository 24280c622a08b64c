"""What a person should do now: of this cause, on this table, with these numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watcher.core.diagnose import View
from watcher.core.latency import Slow, Statistic
from watcher.core.model import Decision, Dimension, Kind
from watcher.core.reasons import Cause, IncidentState
from watcher.core.telling.case import Case
from watcher.core.telling.facts import first_seen
from watcher.core.telling.held import held_todo, maximum
from watcher.core.telling.names import FLOOR_REASONS
from watcher.core.words import rate, time_of_day, units

# Where a slow operation loses its time, by what it does.
OPERATIONS: Mapping[str, str] = {
    "Query": "at how many items and what sizes a page of it reads, and at filters that throw most of them away",
    "Scan": "at how many items and what sizes a page of it reads, and at filters that throw most of them away",
    "GetItem": "at the size of the items it reads",
    "BatchGetItem": "at how many items a batch has, and at their sizes",
    "PutItem": "at the size of the items it writes",
    "UpdateItem": "at the size of the items it writes",
    "DeleteItem": "at the size of the items it deletes",
    "BatchWriteItem": "at how many items a batch has, and at their sizes",
    "TransactGetItems": "at transactions on the same items (the metric TransactionConflict)",
    "TransactWriteItems": "at transactions on the same items (the metric TransactionConflict)",
}
# Default quotas of a Region: "Service, account, and table quotas in Amazon DynamoDB".
TABLE_QUOTA, ACCOUNT_QUOTA = 40_000, 80_000


def todo_of(case: Case) -> str:
    if case.state is IncidentState.RESOLVED:
        return "Nothing."
    if case.keys is not None:
        return case.keys.todo
    return _BY_CAUSE.get(case.cause, _by_decisions)(case)


def _by_decisions(case: Case) -> str:
    """Where capacity is the answer: what was decided says what is left to do."""
    changes = case.changes
    if not changes or case.cause is Cause.CANNOT_ACT:
        return held_todo(case)
    if case.is_done:
        return _wait(case, changes)
    wanted = ", ".join(f"{change.dimension.noun} to {units(change.after)}" for change in changes)
    verb = "Raise" if changes[0].after > changes[0].before else "Lower"
    what = "Application Auto Scaling's minimum of " if changes[0].reason in FLOOR_REASONS else ""
    enough = f" {_too_low(case, changes)}" if _short(case, changes) else ""
    return f'{verb} {what}{wanted}, or set mode = "act" for this table.{enough}'


def _wait(case: Case, changes: list[Decision]) -> str:
    """A raise shows after half a minute to work and two to be visible; the calm that resolves it comes on top."""
    if _short(case, changes):
        return f"{_too_low(case, changes)} Until then requests go on being throttled."
    until = time_of_day(case.now + 2 * case.briefing.policy.incidents.resolve_after, case.now)
    at_most = [limit for change in changes if (limit := _limit(case, change))]
    limit = f" This reaches {at_most[0]}: raise it if demand goes on rising." if at_most else ""
    return f"Nothing for now. If this is not resolved by {until}, look at who sends the requests.{limit}"


def _too_low(case: Case, changes: list[Decision]) -> str:
    change, limit, demand = _short(case, changes)[0]
    how = "" if change.reason in FLOOR_REASONS else " and reload the config (SIGHUP)"
    goal = change.evidence.get("wanted", demand)
    return f"Raise {limit} to {units(goal)} or more{how}: this raise stops below the demand of {rate(demand)}."


def _short(case: Case, changes: list[Decision]) -> list[tuple[Decision, str, float]]:
    """(change, what limits it, demand) of the raises that a maximum keeps below what is already asked for."""
    found = []
    for change in changes:
        view, limit = case.briefing.diagnosis.views[change.dimension], _limit(case, change)
        demand = view.demand(len(view.recent)) or 0.0
        if limit and demand > change.after:
            found.append((change, limit, demand))
    return found


def _limit(case: Case, change: Decision) -> str:
    """The maximum that a raise has come to, "" where it has not."""
    if change.after <= change.before:
        return ""
    target = (case.briefing.scaling or {}).get(change.dimension)
    if change.reason in FLOOR_REASONS and target is not None and change.after >= target.max:
        return f"MaxCapacity ({units(target.max)}) of its Application Auto Scaling target"
    bounds = case.briefing.policy.bounds_for(change.dimension)
    return maximum(case, change.dimension) if bounds is not None and change.after >= bounds.max else ""


def _key_range(case: Case) -> str:
    return (
        f"More capacity cannot help. Find the key: {_hot_keys(case)}. Spread or cache it; if several keys share the "
        "heat, DynamoDB splits the range by itself within minutes."
    )


def _unclassified(case: Case) -> str:
    return (
        f"Look for a hot key ({_hot_keys(case)}) or for bursts within a minute: per-minute figures are below capacity."
    )


def _hot_keys(case: Case) -> str:
    """The command; where nothing is sampled, what must come before it."""
    index = case.view.dimension.index if case.view is not None else case.incident.index
    command = f"`watcher hot-keys {case.name}{f' --index {index}' if index else ''}`"
    if index in case.briefing.hot_keys:
        return command
    return f"switch on Contributor Insights for throttled keys, then {command}"


def _account_limit(case: Case) -> str:
    kind = "write" if case.view is not None and case.view.dimension.kind is Kind.WRITE else "read"
    region = case.briefing.description.key.region
    return (
        f"In Service Quotas ask for a higher DynamoDB {kind} throughput quota in {region}: "
        f"of a table if this one is near its own ({TABLE_QUOTA:,} unless raised), else of the account "
        f"({ACCOUNT_QUOTA:,} unless raised). Until then slow down what can wait in this Region."
    )


def _on_demand_cap(case: Case) -> str:
    return _raise_cap(case, case.view)


def _raise_cap(case: Case, view: View | None) -> str:
    if view is None:
        return "Raise or remove the table's on-demand maximum."
    dimension: Dimension = view.dimension
    cap = case.briefing.description.throughputs[dimension.index].on_demand_max.get(dimension.kind)
    now = f", now {cap:,}" if cap is not None else ""
    field = "MaxReadRequestUnits" if dimension.kind is Kind.READ else "MaxWriteRequestUnits"
    return f"Raise or remove the on-demand maximum ({field}{now}) if this traffic is wanted."


def _slow(case: Case) -> str:
    slow = case.briefing.diagnosis.slow
    if slow is None:
        return "Capacity is not the answer and none is changed. Look at the AWS Health Dashboard."
    return f"Capacity is not the answer and none is changed. {_where_time_goes(case, slow)}"


def _where_time_goes(case: Case, slow: Slow) -> str:
    look = OPERATIONS.get(slow.operation, "at the sizes of its items and results")
    since = time_of_day(first_seen(case), case.now)
    few = " Most requests are as fast as ever: look for the few large ones." if slow.statistic is Statistic.P99 else ""
    return f"Look {look}, at what was deployed around {since}, and at the AWS Health Dashboard.{few}"


def _blind(_case: Case) -> str:
    return (
        "Run `watcher doctor`: it says whether CloudWatch may be read. Then look at the AWS Health Dashboard. "
        "Nothing is lowered meanwhile; if nobody uses this table any more, nothing is wrong."
    )


def _calm(_case: Case) -> str:
    return "Nothing, unless it comes back: it is calm at the moment."


_BY_CAUSE: Mapping[Cause, Callable[[Case], str]] = {
    Cause.KEY_RANGE: _key_range,
    Cause.UNCLASSIFIED: _unclassified,
    Cause.ACCOUNT_LIMIT: _account_limit,
    Cause.ON_DEMAND_CAP: _on_demand_cap,
    Cause.SLOW: _slow,
    Cause.BLIND: _blind,
    Cause.NONE: _calm,
}
