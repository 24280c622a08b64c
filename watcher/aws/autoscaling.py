"""Application Auto Scaling, another hand on the same capacity: its targets, and the floor that may be raised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.discovery import CAPACITY_UNITS
from watcher.aws.permissions import DESCRIBE_TARGETS, REGISTER_TARGET
from watcher.core.model import Change, Dimension, Kind, ScalableTarget
from watcher.core.reasons import Outcome

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient

NAMESPACE = "dynamodb"


class AutoScaling:
    """The Scaling port, and what the acting hand needs to move a floor."""

    def __init__(self, reading: ApplicationAutoScalingClient, mutating: ApplicationAutoScalingClient) -> None:
        self._reading = reading
        self._mutating = mutating

    def targets(self, tables: Sequence[str]) -> Mapping[str, Mapping[Dimension, ScalableTarget]]:
        """One sweep over the Region. ResourceIds would have to name every index, and tables alone do not tell them:
        a target missed on an index would mean fighting another scaler."""
        if not tables:
            return {}
        wanted = frozenset(tables)
        found: dict[str, dict[Dimension, ScalableTarget]] = {}
        for target in self._describe(f"region {self._reading.meta.region_name}", {}):
            table, dimension = _owner(target)
            if table in wanted:
                found.setdefault(table, {})[dimension] = _scalable_target(target)
        return found

    def floor_objection(self, table: str, change: Change) -> tuple[Outcome, str] | None:
        """Describe the target anew: why its floor must not be moved as decided, or None. Raises AwsError."""
        current = next(iter(self._describe(_subject(table, change), _resource(table, change.dimension))), None)
        return next(_floor_objections(current, change), None)

    def set_floor(self, table: str, change: Change) -> None:
        """Set MinCapacity of the target on ``change.dimension`` to ``change.after``. Raises AwsError.

        MaxCapacity and the suspensions are left out of the call, which leaves them as they are (see AWS docs:
        RegisterScalableTarget).
        """
        with aws_call(REGISTER_TARGET, _subject(table, change)):
            self._mutating.register_scalable_target(**_resource(table, change.dimension), MinCapacity=change.after)

    def _describe(self, subject: str, where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        narrowed: dict[str, Any] = {"ServiceNamespace": NAMESPACE}
        if where:
            narrowed["ScalableDimension"] = where["ScalableDimension"]
            narrowed["ResourceIds"] = [where["ResourceId"]]
        with aws_call(DESCRIBE_TARGETS, subject):
            pages = self._reading.get_paginator("describe_scalable_targets").paginate(**narrowed)
            return [target for page in pages for target in page["ScalableTargets"]]


def _floor_objections(current: Mapping[str, Any] | None, change: Change) -> Iterator[tuple[Outcome, str]]:
    if current is None:
        yield Outcome.CANCELLED, "there is no scalable target on it any more"
        return
    floor, ceiling = current["MinCapacity"], current["MaxCapacity"]
    if floor != change.before:
        yield Outcome.CANCELLED, f"MinCapacity was {change.before} when decided and is {floor} now"
    if floor == change.after:
        yield Outcome.UNCHANGED, f"MinCapacity already is {change.after}"
    if change.after > ceiling:
        yield Outcome.INVALID, f"a floor of {change.after} is above the target's MaxCapacity of {ceiling}"


def _subject(table: str, change: Change) -> str:
    return f"the {change.dimension.noun} of table {table}"


def _resource(table: str, dimension: Dimension) -> dict[str, Any]:
    owner, scope = f"table/{table}", "table"
    if not dimension.is_table:
        owner, scope = f"{owner}/index/{dimension.index}", "index"
    name = f"{NAMESPACE}:{scope}:{CAPACITY_UNITS[dimension.kind]}"
    return {"ServiceNamespace": NAMESPACE, "ResourceId": owner, "ScalableDimension": name}


def _owner(target: Mapping[str, Any]) -> tuple[str, Dimension]:
    """``table/orders/index/by-day`` and ``dynamodb:index:ReadCapacityUnits`` to what they stand for."""
    _table, name, *rest = target["ResourceId"].split("/")
    kind = Kind.READ if target["ScalableDimension"].endswith(CAPACITY_UNITS[Kind.READ]) else Kind.WRITE
    return name, Dimension(rest[1] if rest else "", kind)


def _scalable_target(target: Mapping[str, Any]) -> ScalableTarget:
    state = target.get("SuspendedState", {})
    suspended = state.get("DynamicScalingInSuspended", False) and state.get("DynamicScalingOutSuspended", False)
    return ScalableTarget(min=target["MinCapacity"], max=target["MaxCapacity"], suspended=bool(suspended))
