"""A watcher without its loop: the real hub, metrics and health on a simulated clock, cycles brought by hand."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.telemetry import examples
from watcher.clock import SimulatedClock
from watcher.core.model import Decision
from watcher.errors import StoreError
from watcher.ports import CycleReport
from watcher.telemetry.health import Health
from watcher.telemetry.hub import TelemetryHub
from watcher.telemetry.metrics import WatcherMetrics
from watcher.web.page import render
from watcher.web.server import Sources


class Scene:
    def __init__(self) -> None:
        self.clock = SimulatedClock(examples.NOW)
        self.health = Health(self.clock, 60)
        regions = [examples.REGION, "eu-west-1"]
        self.metrics = WatcherMetrics(CollectorRegistry(), version="1.2.3", regions=regions)
        self.hub = TelemetryHub(self.metrics, self.health, version="1.2.3", regions=regions)
        self.decisions: Sequence[Decision] = ()
        self.store_error = ""

    def cycle(self, report: CycleReport) -> None:
        with capture_logs():
            self.hub.cycle_finished(report)

    def history(self) -> Sequence[Decision]:
        if self.store_error:
            raise StoreError(self.store_error, operation="read", subject="history", hint="free some space")
        return self.decisions

    def sources(self) -> Sources:
        return Sources(
            snapshot=lambda: self.hub.snapshot,
            health=self.health,
            metrics=self.metrics.exposition,
            history=self.history,
            clock=self.clock,
        )

    def page(self, *, refresh: bool = False) -> str:
        return render(
            self.hub.snapshot,
            now=self.clock.now(),
            health=self.health.alive(),
            decisions=self.decisions,
            refresh=refresh,
        )
