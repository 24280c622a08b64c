"""Builds the adapters of one Region, and the notifier, from plain values."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.aws.autoscaling import AutoScaling
from watcher.aws.capacity import ActingHand, AdvisingHand, MutationPacer
from watcher.aws.client import AwsClients
from watcher.aws.cloudwatch import CloudWatchMetrics, MetricsRequested, Trouble
from watcher.aws.contributors import ContributorInsights, KeyCloak
from watcher.aws.discovery import DynamoTables
from watcher.aws.sns import Route, SnsNotifier, topic_region
from watcher.clock import Clock
from watcher.core.reasons import Mode
from watcher.ports import RegionPorts


def region_ports(
    clients: AwsClients,
    region: str,
    *,
    clock: Clock,
    pacer: MutationPacer,
    cloak: KeyCloak,
    on_metrics_requested: MetricsRequested,
    on_trouble: Trouble,
) -> RegionPorts:
    """Everything that reaches one Region. ``pacer`` is shared by all Regions; ``clients`` is closed by who made it."""
    dynamodb, cloudwatch = clients.dynamodb(region), clients.cloudwatch(region)
    tables = DynamoTables(dynamodb, clock.now)
    scaling = AutoScaling(
        clients.application_autoscaling(region), clients.application_autoscaling(region, mutating=True)
    )
    return RegionPorts(
        region=region,
        tables=tables,
        metrics=CloudWatchMetrics(cloudwatch, requested=on_metrics_requested, trouble=on_trouble),
        scaling=scaling,
        hot_keys=ContributorInsights(dynamodb, cloudwatch, cloak=cloak, requested=on_metrics_requested),
        hands={
            Mode.ADVISE: AdvisingHand(),
            Mode.ACT: ActingHand(tables, clients.dynamodb(region, mutating=True), scaling, pacer),
        },
    )


def sns_notifier(clients: AwsClients, routes: Sequence[Route]) -> SnsNotifier:
    """Raises ValueError for a route whose topic_arn is no topic's ARN."""
    regions = dict.fromkeys(topic_region(route.topic_arn) for route in routes)
    return SnsNotifier({region: clients.sns(region) for region in regions}, routes)
