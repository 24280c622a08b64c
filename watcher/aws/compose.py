"""Builds the adapters of one Region, and the notifier, from plain values."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.aws.autoscaling import AutoScaling
from watcher.aws.capacity import ActingHand, AdvisingHand, MutationPacer
from watcher.aws.client import AwsClients
from watcher.aws.cloak import Cloaks
from watcher.aws.cloudwatch import CloudWatchMetrics, MetricsRequested, Trouble
from watcher.aws.discovery import DynamoTables
from watcher.aws.insights import ContributorInsights
from watcher.aws.pace import ClockPacer, Wait
from watcher.aws.samplers import INSIGHTS_RATE, Samplers
from watcher.aws.sns import Route, SnsNotifier, topic_region
from watcher.aws.switch import SamplingSwitch
from watcher.clock import Clock
from watcher.core.reasons import Mode
from watcher.ports import RegionPorts


def region_ports(
    clients: AwsClients,
    region: str,
    *,
    clock: Clock,
    pacer: MutationPacer,
    cloaks: Cloaks,
    on_metrics_requested: MetricsRequested,
    on_trouble: Trouble,
    wait: Wait | None = None,
) -> RegionPorts:
    """Everything that reaches one Region. ``pacer`` is shared by all Regions; ``clients`` is closed by who made it.
    wait: how a turn of Contributor Insights is waited for, in real seconds; by default it is slept."""
    dynamodb, cloudwatch = clients.dynamodb(region), clients.cloudwatch(region)
    tables = DynamoTables(dynamodb, clock.now)
    scaling = AutoScaling(
        clients.application_autoscaling(region), clients.application_autoscaling(region, mutating=True)
    )
    mutating = clients.dynamodb(region, mutating=True)
    samplers = Samplers(dynamodb, cloudwatch, clock=clock, wait=wait)
    insights = ContributorInsights(
        samplers, cloudwatch, cloaks=cloaks, requested=on_metrics_requested, clock=clock, wait=wait
    )
    switch = SamplingSwitch(samplers.describe, mutating, ClockPacer(INSIGHTS_RATE, clock, wait))
    return RegionPorts(
        region=region,
        tables=tables,
        metrics=CloudWatchMetrics(cloudwatch, requested=on_metrics_requested, trouble=on_trouble),
        scaling=scaling,
        insights=insights,
        hands={
            Mode.ADVISE: AdvisingHand(),
            Mode.ACT: ActingHand(tables, mutating, scaling, switch, pacer),
        },
    )


def sns_notifier(clients: AwsClients, routes: Sequence[Route]) -> SnsNotifier:
    """Raises ValueError for a route whose topic_arn is no topic's ARN."""
    regions = dict.fromkeys(topic_region(route.topic_arn) for route in routes)
    return SnsNotifier({region: clients.sns(region) for region in regions}, routes)
