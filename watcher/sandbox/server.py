"""The sandbox: an AWS endpoint on a loopback port with a simulated world behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Final, Self

from watcher.clock import Clock
from watcher.core.insights import Place
from watcher.core.model import Billing, Dimension, KeySchema, Kind
from watcher.errors import WatcherError
from watcher.replay.insights import RULES_QUOTA, Samplers
from watcher.replay.plant import Plant, TableSpec, schemas_of
from watcher.sandbox import backends
from watcher.sandbox.autoscaling import NAMESPACE, AutoScaling, dimension_name, resource_id
from watcher.sandbox.backends import Message, Topic
from watcher.sandbox.calls import Faults, Ledger
from watcher.sandbox.cloudwatch import CloudWatch
from watcher.sandbox.dynamodb import CAP_FIELDS, UNIT_FIELDS, DynamoDb
from watcher.sandbox.front import Front
from watcher.sandbox.insights import Reports
from watcher.sandbox.loopback import LoopbackServer
from watcher.sandbox.stories import Story, Tracked, newcomer
from watcher.sandbox.wire import JsonObject, error_of, json_environ
from watcher.sandbox.world import MINUTE, World

HISTORY: Final = 180 * MINUTE  # of traffic before the sandbox opens: as far back as a watcher first reads
TOPIC: Final = "watcher-alerts"
DYNAMODB: Final = ("DynamoDB_20120810", "1.0", "dynamodb")
SCALING: Final = ("AnyScaleFrontendService", "1.1", "application-autoscaling")

_running = Lock()


class Sandbox:
    """A context manager. While it is entered, every AWS call it knows is answered at ``endpoint_url``.

    clock: the world's time; each API call first moves the world to ``clock.now()``. stories: the tables; a bare
    TableSpec is a story without Contributor Insights and auto scaling; None stands for the newcomer's six. plant: a
    plant to use instead of a new one; tables it already has are served too. rules_quota: Contributor Insights rules
    the account may have. Raises WatcherError when another sandbox runs in this process.
    """

    region: Final = "us-east-1"

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 1,
        stories: Sequence[Story | TableSpec] | None = None,
        plant: Plant | None = None,
        rules_quota: int = RULES_QUOTA,
    ) -> None:
        opened = int(clock.now()) // MINUTE * MINUTE
        self.plant = plant or Plant(opened - HISTORY, seed=seed, region=self.region)
        told = newcomer(opened, seed) if stories is None else stories
        self._stories = [story if isinstance(story, Story) else Story(story) for story in told]
        named = {story.spec.name for story in self._stories}
        self._stories += [Story(self.plant.spec(name)) for name in self.plant.names() if name not in named]
        self._world = World(clock, self.plant)
        self._scaling = AutoScaling(self._world)
        structure = partial(backends.describe, self.region)
        self.samplers = Samplers(self.plant, quota=rules_quota)
        self._dynamodb = DynamoDb(self._world, self.samplers, structure)
        self.cloudwatch = CloudWatch(self._world, Reports(self.samplers))
        self._front = Front(
            backends.application(),
            {
                DYNAMODB[0]: self._dynamodb.service(),
                "GraniteServiceVersion20100801": self.cloudwatch.service(),
                SCALING[0]: self._scaling.service(),
            },
            region=self.region,
            lock=self._world.lock,
            tick=self.advance,
        )
        self._teardown: list[Callable[[], object]] = []
        self._topic: Topic | None = None
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def topic_arn(self) -> str:
        return self._subscribed().arn

    @property
    def ledger(self) -> Ledger:
        """What was asked of the sandbox since it opened."""
        return self._front.ledger

    @property
    def faults(self) -> Faults:
        """Failures to come."""
        return self._front.faults

    def advance(self) -> float:
        """Move the world to the clock's now, as every API call does; returns it."""
        with self._world.lock:
            now = self._world.advance()
            self._scaling.enforce()
            return now

    def messages(self) -> list[str]:
        """The bodies of all alerts received, oldest first."""
        return [message.body for message in self.notifications()]

    def notifications(self) -> list[Message]:
        """All alerts received, with subject and attributes, oldest first."""
        return self._subscribed().messages()

    def start(self) -> None:
        if not _running.acquire(blocking=False):
            raise WatcherError(
                "another sandbox runs in this process", operation="start sandbox", hint="stop that one first"
            )
        self._teardown.append(_running.release)
        try:
            backends.reset()
            self._teardown.append(backends.reset)
            self._topic = Topic(self.region, TOPIC)
            # All at once, before the first call moves the world: their traffic starts together.
            for story in self._stories:
                if story.spec.name not in self.plant.names():
                    self.plant.create(story.spec)
            for story in self._stories:
                self._open(story)
            server = LoopbackServer(self._front)
            self._teardown.append(server.stop)
            self.port = server.port
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Idempotent; leaves no thread, no socket and nothing in moto behind."""
        while self._teardown:
            self._teardown.pop()()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _subscribed(self) -> Topic:
        if self._topic is None:
            raise WatcherError("the sandbox has not been started", operation="read alerts", hint="call start() first")
        return self._topic

    def _open(self, story: Story) -> None:
        """Make the table and what stands around it, by the calls a user would make; what is sampled has long been."""
        name = story.spec.name
        self._call(DYNAMODB, "CreateTable", _create_table(self.plant.spec(name)))
        for index, mode in story.insights.items():
            self.samplers.install(Place(name, index), mode)
        for dimension, tracked in story.scaling.items():
            self._track(name, dimension, tracked)
        self._front.forget()  # setting up is nobody's call, and spends nobody's rate

    def _track(self, name: str, dimension: Dimension, tracked: Tracked) -> None:
        target = {
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource_id((name, dimension)),
            "ScalableDimension": dimension_name(dimension),
        }
        bounds = {"MinCapacity": tracked.min, "MaxCapacity": tracked.max}
        self._call(SCALING, "RegisterScalableTarget", target | bounds)
        predefined = f"DynamoDB{dimension.kind.capitalize()}CapacityUtilization"
        self._call(
            SCALING,
            "PutScalingPolicy",
            target
            | {
                "PolicyName": f"{predefined}:{resource_id((name, dimension))}",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": tracked.percent,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": predefined},
                },
            },
        )

    def _call(self, service: tuple[str, str, str], operation: str, arguments: JsonObject) -> None:
        prefix, version, signing_name = service
        environ = json_environ(f"{prefix}.{operation}", version, signing_name, self.region)
        answer = self._front.answer(environ, json.dumps(arguments).encode())
        if answer.status != 200:
            raise WatcherError(str(error_of(answer)), operation=operation, subject="the sandbox's own setting up")


def _create_table(spec: TableSpec) -> JsonObject:
    """The CreateTable call that makes ``spec``, its keys named as the plant describes them."""
    on_demand = spec.billing is Billing.ON_DEMAND
    schemas = schemas_of(spec)
    attributes = [name for schema in schemas.values() for name in (schema.partition, schema.sort) if name]
    arguments: JsonObject = {
        "TableName": spec.name,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        "KeySchema": _keys(schemas[""]),
        "BillingMode": "PAY_PER_REQUEST" if on_demand else "PROVISIONED",
        **_units(spec.read, spec.write, spec.on_demand_max, on_demand=on_demand),
    }
    if spec.indexes:
        arguments["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _keys(schemas[index.name]),
                "Projection": {"ProjectionType": "ALL"},
                **_units(index.read, index.write, index.on_demand_max, on_demand=on_demand),
            }
            for index in spec.indexes
        ]
    return arguments


def _keys(schema: KeySchema) -> list[JsonObject]:
    names = {"HASH": schema.partition, "RANGE": schema.sort}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in names.items() if name]


def _units(read: int, write: int, caps: Mapping[Kind, int], *, on_demand: bool) -> JsonObject:
    if not on_demand:
        return {"ProvisionedThroughput": {UNIT_FIELDS[Kind.READ]: read, UNIT_FIELDS[Kind.WRITE]: write}}
    return {"OnDemandThroughput": {CAP_FIELDS[kind]: cap for kind, cap in caps.items()}} if caps else {}
