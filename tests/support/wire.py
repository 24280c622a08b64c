"""A wire between the cycle and its ports: records every call, fails the ones it is told to, dies where it is told to.

No port is replaced: what answers is the real store and the plant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from watcher.core.reasons import Mode
from watcher.errors import AwsUnavailable, StoreError
from watcher.ports import CycleReport, Hand, Insights, Metrics, Notifier, RegionPorts, Scaling, Store, Tables


class Crash(BaseException):
    """The process is killed here: no ``except Exception`` may stop it."""


class Fault(Protocol):
    def __call__(self, *args: Any) -> BaseException | None: ...  # noqa: ANN401 - of whatever method it stands before


def always(error: BaseException) -> Fault:
    return lambda *_args: error


def down(what: str = "connection refused") -> AwsUnavailable:
    return AwsUnavailable(what, code="EndpointConnectionError", operation="any call", subject="AWS", retryable=True)


def disk_full() -> StoreError:
    return StoreError("database or disk is full", operation="recording", subject="watcher.db")


@dataclass
class Wire:
    """faults: by "port.method", asked before the call. die_at: number of the call (from 0) to die at, before or after
    it was carried out. calls: all so far, as "port.method". asked: their arguments."""

    faults: dict[str, Fault] = field(default_factory=dict)
    die_at: int | None = None
    die_after: bool = False
    death: Callable[[], BaseException] = Crash
    calls: list[str] = field(default_factory=list)
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def tap(self, port: str, target: object) -> Tap:
        return Tap(port, target, self)

    def call(self, name: str, target: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a proxy
        number = len(self.calls)
        self.calls.append(name)
        self.asked.append((name, args))
        if self.die_at == number and not self.die_after:
            raise self.death()
        fault = self.faults.get(name)
        error = fault(*args) if fault else None
        if error is not None:
            raise error
        answer = target(*args)
        if self.die_at == number:
            raise self.death()
        return answer

    def region(self, ports: RegionPorts) -> RegionPorts:
        """The same ports, tapped. A fault in one Region alone: "us-east-1/tables.describe"."""
        where = ports.region
        hands = {
            mode: cast("Hand", self.tap("hand" if mode is Mode.ACT else "advice", hand))
            for mode, hand in ports.hands.items()
        }
        return RegionPorts(
            where,
            cast("Tables", self.tap(f"{where}/tables", ports.tables)),
            cast("Metrics", self.tap(f"{where}/metrics", ports.metrics)),
            cast("Scaling", self.tap(f"{where}/scaling", ports.scaling)),
            cast("Insights", self.tap(f"{where}/insights", ports.insights)),
            hands,
        )

    def store(self, store: Store) -> Store:
        return cast("Store", self.tap("store", store))

    def notifier(self, notifier: Notifier) -> Notifier:
        return cast("Notifier", self.tap("notifier", notifier))


class Tap:
    def __init__(self, port: str, target: object, wire: Wire) -> None:
        self._port = port
        self._target = target
        self._wire = wire

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)

        def call(*args: Any) -> Any:  # noqa: ANN401 - a proxy
            return self._wire.call(f"{self._port}.{name}", method, args)

        return call


@dataclass
class RecordingTelemetry:
    """Keeps what the cycle tells about itself."""

    reports: list[CycleReport] = field(default_factory=list)
    troubles: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def cycle_finished(self, report: CycleReport) -> None:
        self.reports.append(report)

    def trouble(self, event: str, **facts: object) -> None:
        self.troubles.append((event, facts))

    def events(self) -> list[str]:
        return [event for event, _ in self.troubles]
