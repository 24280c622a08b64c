"""Application Auto Scaling for DynamoDB: targets with their bounds, and target tracking that acts every minute.

Sources: API reference RegisterScalableTarget, DescribeScalableTargets, DescribeScalingActivities; "Managing
throughput capacity automatically with DynamoDB auto scaling". Measured: the bounds are enforced when a target is
registered and when its policy acts, at no other time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from watcher.core.model import Billing, Dimension, Kind, Metric
from watcher.replay.plant import ACCOUNT, PlantRefusal
from watcher.replay.scaler import TargetTracking
from watcher.sandbox.wire import ApiError, Call, Handler, JsonObject, Service
from watcher.sandbox.world import World

NAMESPACE: Final = "dynamodb"
ROLE: Final = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
)
TARGETS_PER_PAGE: Final = 50
LOOK_BACK: Final = 25 * 60.0  # seconds of points the policy is shown
ANY_CAPACITY: Final = 40_000
KIND_WORDS: Final = {Kind.READ: "Read", Kind.WRITE: "Write"}
SUSPENSIONS: Final = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")

Key = tuple[str, Dimension]
"""(table, dimension)."""


@dataclass(slots=True)
class Target:
    """Bounds in units per second. tracked: the policies' target percentages by policy name."""

    min: int
    max: int
    created: float
    suspended: dict[str, bool]
    tracked: dict[str, int] = field(default_factory=dict)

    def clamp(self, units: int) -> int:
        return min(self.max, max(self.min, units))


class AutoScaling:
    def __init__(self, world: World) -> None:
        self._world = world
        self._targets: dict[Key, Target] = {}
        self._unenforced: set[Key] = set()
        self._activities: list[JsonObject] = []
        world.agents.append(self._act)

    def service(self) -> Service:
        operations: dict[str, Handler] = {
            "RegisterScalableTarget": self._register,
            "DeregisterScalableTarget": self._deregister,
            "DescribeScalableTargets": self._describe,
            "PutScalingPolicy": self._put_policy,
            "DeleteScalingPolicy": self._delete_policy,
            "DescribeScalingPolicies": _describe_policies,
            "DescribeScalingActivities": self._describe_activities,
        }
        return Service("com.amazonaws.autoscaling.application", "1.1", operations)

    def enforce(self) -> None:
        """Bring what was registered since into its bounds; what is busy is tried again at the next call."""
        for key in sorted(self._unenforced):
            target = self._targets.get(key)
            if target is None or self._settled(key, target):
                self._unenforced.discard(key)

    def _settled(self, key: Key, target: Target) -> bool:
        capacity = self._capacity(key)
        if capacity is None or target.clamp(capacity) == capacity:
            return True
        return self._set(key, target.clamp(capacity), "the capacity is outside the target's bounds")

    def _act(self) -> None:
        """One minute's evaluation of every policy."""
        self.enforce()
        for key, target in sorted(self._targets.items()):
            capacity = self._capacity(key)
            if capacity is None:
                continue
            for percent in target.tracked.values():
                wanted = self._wanted(key, target, percent, capacity)
                if wanted is not None:
                    self._set(key, wanted, f"consumption left the target of {percent} %")

    def _wanted(self, key: Key, target: Target, percent: int, capacity: int) -> int | None:
        table, dimension = key
        now = self._world.now
        points = self._world.plant.points(table, Metric.CONSUMED, dimension=dimension, start=now - LOOK_BACK, end=now)
        # Asked without the target's bounds: they are only enforced when the policy acts at all.
        tracked = TargetTracking(percent, 1, ANY_CAPACITY).wanted(points, capacity)
        wanted = None if tracked is None else target.clamp(tracked)
        if wanted is None or wanted == capacity:
            return None
        word = "DynamicScalingOutSuspended" if wanted > capacity else "DynamicScalingInSuspended"
        return None if target.suspended[word] else wanted

    def _capacity(self, key: Key) -> int | None:
        """Units per second now; None where nothing is provisioned (targets outlive their tables)."""
        table, dimension = key
        if table not in self._world.plant.names():
            return None
        described = self._world.plant.describe(table)
        if described.billing is Billing.ON_DEMAND or dimension.index not in described.throughputs:
            return None
        return described.provisioned(dimension)

    def _set(self, key: Key, units: int, cause: str) -> bool:
        """Try to change one dimension; False when the table is busy and it is worth another try."""
        table, dimension = key
        now = self._world.plant.describe(table).throughputs[dimension.index].units
        wanted = {**now, dimension.kind: units}
        try:
            self._world.plant.update_throughput(table, {dimension.index: (wanted[Kind.READ], wanted[Kind.WRITE])})
        except PlantRefusal as refusal:
            if refusal.code == "ResourceInUseException":
                return False
            self._note(key, units, cause, "Failed", refusal.message)
            return True
        self._note(key, units, cause, "Successful", "Successfully set the capacity.")
        return True

    def _note(self, key: Key, units: int, cause: str, status: str, message: str) -> None:
        word = f"{KIND_WORDS[key[1].kind].lower()} capacity units"
        self._activities.append(
            {
                "ActivityId": f"{len(self._activities) + 1:08d}",
                "ServiceNamespace": NAMESPACE,
                "ResourceId": resource_id(key),
                "ScalableDimension": dimension_name(key[1]),
                "Description": f"Setting {word} to {units}.",
                "Cause": cause,
                "StartTime": self._world.now,
                "EndTime": self._world.now,
                "StatusCode": status,
                "StatusMessage": message,
            }
        )

    def _register(self, call: Call) -> JsonObject:
        body = call.body
        key = self._existing(body)
        old = self._targets.get(key)
        least, most = body.get("MinCapacity", old and old.min), body.get("MaxCapacity", old and old.max)
        if least is None or most is None:
            raise _invalid("A scalable target must have both MinCapacity and MaxCapacity when it is registered.")
        if least > most:
            raise _invalid(f"Maximum capacity cannot be less than minimum capacity. Minimum: {least}, maximum: {most}.")
        suspended = dict.fromkeys(SUSPENSIONS, False) if old is None else old.suspended
        self._targets[key] = Target(
            min=least,
            max=most,
            created=self._world.now if old is None else old.created,
            suspended=suspended | body.get("SuspendedState", {}),
            tracked={} if old is None else old.tracked,
        )
        self._unenforced.add(key)
        self.enforce()
        return {"ScalableTargetARN": _arn(key, self._world.plant.region)}

    def _deregister(self, call: Call) -> JsonObject:
        key = _key(call.body)
        if self._targets.pop(key, None) is None:
            raise ApiError("ObjectNotFoundException", f"No scalable target found for {resource_id(key)}.")
        return {}

    def _describe(self, call: Call) -> JsonObject:
        body = call.body
        if body["ServiceNamespace"] != NAMESPACE:
            return call.forward(body)
        wanted = set(body.get("ResourceIds", []))
        dimension = body.get("ScalableDimension")
        described = [
            self._described(key, target)
            for key, target in sorted(self._targets.items())
            if (not wanted or resource_id(key) in wanted) and dimension in (None, dimension_name(key[1]))
        ]
        start, size = int(body.get("NextToken") or 0), body.get("MaxResults", TARGETS_PER_PAGE)
        page: JsonObject = {"ScalableTargets": described[start : start + size]}
        if start + size < len(described):
            page["NextToken"] = str(start + size)
        return page

    def _described(self, key: Key, target: Target) -> JsonObject:
        return {
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource_id(key),
            "ScalableDimension": dimension_name(key[1]),
            "MinCapacity": target.min,
            "MaxCapacity": target.max,
            "RoleARN": ROLE,
            "CreationTime": target.created,
            "SuspendedState": target.suspended,
            "ScalableTargetARN": _arn(key, self._world.plant.region),
        }

    def _put_policy(self, call: Call) -> JsonObject:
        body = call.body
        if body["ServiceNamespace"] != NAMESPACE:
            return call.forward(body)
        key = _key(body)
        if key not in self._targets:
            raise ApiError("ObjectNotFoundException", f"No scalable target registered for {resource_id(key)}.")
        configuration = body.get("TargetTrackingScalingPolicyConfiguration")
        if configuration is None:
            raise _invalid("The sandbox follows target tracking only; give TargetTrackingScalingPolicyConfiguration.")
        answer = call.forward(body)
        self._targets[key].tracked[body["PolicyName"]] = round(configuration["TargetValue"])
        return answer

    def _delete_policy(self, call: Call) -> JsonObject:
        answer = call.forward(call.body)
        if call.body["ServiceNamespace"] == NAMESPACE:
            target = self._targets.get(_key(call.body))
            if target is not None:
                target.tracked.pop(call.body["PolicyName"], None)
        return answer

    def _describe_activities(self, call: Call) -> JsonObject:
        """Newest first, all in one answer."""
        body = call.body
        wanted = {name: body[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension") if name in body}
        return {
            "ScalingActivities": [
                activity
                for activity in reversed(self._activities)
                if all(activity[name] == value for name, value in wanted.items())
            ]
        }

    def _existing(self, body: JsonObject) -> Key:
        """The key of a call about a table or index that exists. Raises ApiError."""
        key = _key(body)
        table, dimension = key
        plant = self._world.plant
        if table not in plant.names() or dimension.index not in plant.describe(table).throughputs:
            raise _invalid(f"DynamoDB table or index does not exist: {resource_id(key)}")
        return key


def _describe_policies(call: Call) -> JsonObject:
    """moto's answer, without the nulls that AWS would leave out."""
    return {name: value for name, value in call.forward(call.body).items() if value is not None}


_DIMENSION_NAMES: Final[Mapping[str, Kind]] = {
    f"dynamodb:{place}:{word}CapacityUnits": kind for place in ("table", "index") for kind, word in KIND_WORDS.items()
}


def _key(body: JsonObject) -> Key:
    """The key of a call. Raises ApiError when it names no dimension of a table or index."""
    name, resource = body["ScalableDimension"], body["ResourceId"]
    parts = resource.split("/")
    place = {2: "table", 4: "index"}.get(len(parts), "")
    if body["ServiceNamespace"] != NAMESPACE or name not in _DIMENSION_NAMES or f":{place}:" not in name:
        raise _invalid(f"Unsupported service namespace, resource type or scalable dimension: {resource}, {name}")
    return parts[1], Dimension(parts[3] if place == "index" else "", _DIMENSION_NAMES[name])


def resource_id(key: Key) -> str:
    table, dimension = key
    return f"table/{table}/index/{dimension.index}" if dimension.index else f"table/{table}"


def dimension_name(dimension: Dimension) -> str:
    return f"dynamodb:{'index' if dimension.index else 'table'}:{KIND_WORDS[dimension.kind]}CapacityUnits"


def _arn(key: Key, region: str) -> str:
    return f"arn:aws:application-autoscaling:{region}:{ACCOUNT}:scalable-target/{resource_id(key)}/{key[1].kind}"


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)
